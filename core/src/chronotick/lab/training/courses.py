"""A whole path of what the estimator expects, at once.

One instant after the other takes ten times as long, which would be most of the time that examples
take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chronotick.clock import ClockState
from chronotick.clock.dynamics import (
    COSINE,
    DRIFT,
    FREQUENCY,
    LOG_OMEGA,
    OFFSET,
    SINE,
    STATES,
    WHITE_PSD,
)
from chronotick.clock.resonance import Resonance

Vector = NDArray[np.float64]


def path(state: ClockState, instants_ns: Sequence[int]) -> tuple[Vector, Vector]:
    """Expected offsets and their variances, as `ClockState.offset_at` and `variance_at` say them.

    Args:
        state: of an estimator that gave it a course.
        instants_ns: none before the newest measurement.

    Returns:
        Offsets in s from the state's base, and variances in s².
    """
    course = state.course
    assert course is not None  # noqa: S101 - the bank always gives one
    dynamics, weights = course._dynamics, course._weights  # noqa: SLF001 - see the module's text
    states, covariances = course._states, course._covariances  # noqa: SLF001
    # One span each row: the equations are elementwise, whatever their annotations say.
    spans_s: Any = (np.array(instants_ns, dtype=np.int64) - course.raw_ns)[:, np.newaxis] * 1e-9
    drifting = dynamics._drift.response(spans_s)[2]  # noqa: SLF001
    turn = dynamics._resonance.turn(states[:, LOG_OMEGA], spans_s)  # noqa: SLF001
    quadratures = states[:, COSINE] + 1j * states[:, SINE]
    row = np.empty((len(spans_s), len(weights), STATES))
    row[..., OFFSET], row[..., FREQUENCY], row[..., DRIFT] = 1.0, spans_s, drifting
    row[..., COSINE], row[..., SINE] = turn.integral.real, -turn.integral.imag
    row[..., LOG_OMEGA] = (turn.integral_by_u * quadratures).real
    offsets = (row[..., :LOG_OMEGA] * states[:, :LOG_OMEGA]).sum(axis=-1)
    own = np.einsum("tmi,mij,tmj->tm", row, covariances, row, optimize=True)
    own += WHITE_PSD * spans_s + dynamics.wander_psd * (spans_s**3 / 3)
    own += dynamics._drift.offset_gained(spans_s) + _resonating(dynamics._resonance, spans_s)  # noqa: SLF001
    mean = offsets @ weights
    spread = (offsets - mean[:, np.newaxis]) ** 2 @ weights
    variances = own @ weights + spread + course._var_shift  # noqa: SLF001
    return mean + course.routes.shift_s, np.maximum(variances, course.routes.variance)


def _resonating(resonance: Resonance, spans_s: Any) -> Vector:  # noqa: ANN401 - as above
    """`Resonance.offset_gained` for several spans."""
    rate, integral, settled = resonance._settling(spans_s)  # noqa: SLF001
    driven: Vector = 2.0 * resonance.variance * resonance.forgets / (rate * rate.conj()).real
    gained: Vector = driven * (spans_s - 2.0 * integral.real + settled)
    return gained
