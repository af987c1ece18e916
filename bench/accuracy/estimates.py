"""What estimators make of a world: the whole daemon on a virtual clock, or the bank alone."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from worlds import Truth

from chronotick.clock import BankOptions, KalmanBank
from chronotick.config.schema import Config
from chronotick.lab.recordings import Recording
from chronotick.lab.replaying import Estimate, Excerpt, Replay

Vector = NDArray[np.float64]
NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """Estimates at the instants of a truth; NaN before the first.

    Attributes:
        offset_s: true time - local clock.
        sigma_s: standard uncertainty.
        bound_s: hard bound; NaN where there is none.
        members_s: offsets of single models by name.
        wall_s: what it took.
    """

    offset_s: Vector
    sigma_s: Vector
    bound_s: Vector
    members_s: dict[str, Vector]
    wall_s: float = math.nan


def replayed(recording: Recording, truth: Truth, config: Config | None = None) -> Estimates:
    """Run the daemon's code over a recording."""
    excerpt = Excerpt(until_ns=round(truth.time_s[-1] * NS))
    with Replay(recording, config, excerpt) as replay:
        found = {estimate.local_ns: estimate for estimate in replay}
    names = {member.model for estimate in found.values() for member in estimate.members}
    rows = [found.get(round(time_s * NS)) for time_s in truth.time_s]
    summary = replay.summary
    return Estimates(
        offset_s=np.array([row.offset_ns / NS if row else math.nan for row in rows]),
        sigma_s=np.array([row.sigma_ns / NS if row else math.nan for row in rows]),
        bound_s=np.array([_bound_s(row) for row in rows]),
        members_s={name: np.array([_member_s(row, name) for row in rows]) for name in names},
        wall_s=summary.wall_s if summary else math.nan,
    )


def bank_alone(
    recording: Recording,
    truth: Truth,
    options: BankOptions | None = None,
    without: Collection[str] = (),
) -> Estimates:
    """Run the estimator without selection and fusion; ``without`` names sources left out."""
    bank = KalmanBank(options)
    offsets, sigmas = np.full((2, len(truth.time_s)), math.nan)
    arrivals = [a for a in recording.arrivals if a.measurement.source not in without]
    taken = 0
    for index, time_s in enumerate(truth.time_s):
        raw_ns = recording.raw_ns(round(time_s * NS))
        while taken < len(arrivals) and arrivals[taken].raw_ns <= raw_ns:
            bank.update(arrivals[taken].measurement)
            taken += 1
        state = bank.state(raw_ns)
        if state is not None:
            offsets[index] = (state.offset_ns + recording.shift_ns) / NS
            sigmas[index] = math.sqrt(state.var_offset)
    nothing = np.full(len(offsets), math.nan)
    return Estimates(offset_s=offsets, sigma_s=sigmas, bound_s=nothing, members_s={})


def _bound_s(row: Estimate | None) -> float:
    return row.bound_ns / NS if row and row.bound_ns is not None else math.nan


def _member_s(row: Estimate | None, name: str) -> float:
    found = [m.offset_ns / NS for m in row.members if m.model == name] if row else []
    return found[0] if found else math.nan
