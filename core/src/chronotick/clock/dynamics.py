"""How each hypothesis of the bank lets an oscillator run: one linear stochastic equation each.

The state of the oscillator is ``[x, y, d, c, s, u]``: offset (s), frequency, its drift (1/s), the
two quadratures of a periodic frequency, and the logarithm of that period's true angular frequency
over the assumed one. With independent white noises w,

    dx = (y + c) dt + w_x                                    white FM
    dy = d dt + w_y                                          random-walk FM, the *wander*
    dd = -d/T dt + w_d                                       a drift that is forgotten
    dc = -c/R dt + W s dt + w_c,  ds = -s/R dt - W c dt + w_s,  W = W0 exp(u)
    du = 0

x and y are the two-state clock model of Zucca and Tavella ("The clock model and its relationship
with the Allan and related variances", IEEE Trans. UFFC 52, 2005). The damped drift is heat that
spreads through a case (:mod:`chronotick.clock.drift`), the periodic frequency a thermostat
(:mod:`chronotick.clock.resonance`).

All methods are exact solutions over a step. A step back is one forth in reversed time, where y and
c have the other sign: stationary drifts and resonances look the same in both directions, and what
is not known of them grows away from the present in both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chronotick.clock.drift import Drift
from chronotick.clock.resonance import Resonance, Turn

Vector = NDArray[np.float64]

OFFSET, FREQUENCY, DRIFT, COSINE, SINE, LOG_OMEGA = range(6)
STATES = 6
WHITE_PSD = 1e-18  # s²/s; Allan deviation 1e-9 at 1 s, a good crystal
OMEGA_SIGMA = 0.15  # how far the true period is from the nearest assumed one, as a logarithm

_ALL = range(STATES)
_PERIODIC = np.array([OFFSET, COSINE, SINE])
_SAME = np.ones(STATES)
_REVERSED = np.array([1.0, -1.0, 1.0, -1.0, 1.0, 1.0])
_ANY_S = 1000.0  # time constants of what a hypothesis does not have: they multiply zeros
_FOR_EVER_S = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """How an oscillator may run.

    Attributes:
        wander: random-walk FM, 1/sqrt(s).
        drift_constant_s: time constant T of the drift; ``None``: there is none.
        drift_sigma: standard deviation of the drift, 1/s.
        period_s: of a periodic frequency; ``None``: there is none.
        amplitude: standard deviation of its quadratures (s/s).
        persistence_s: time constant R with which its phase is forgotten.
    """

    wander: float
    drift_constant_s: float | None = None
    drift_sigma: float = 0.0
    period_s: float | None = None
    amplitude: float = 0.0
    persistence_s: float = _FOR_EVER_S


class Dynamics:
    """The equations of several hypotheses, side by side. All arrays begin with their number, K.

    Args:
        wander_psd: ``[K]`` random-walk FM: frequency variance gained per second, 1/s.
        drift: K drifts.
        resonance: K resonances.
    """

    def __init__(self, wander_psd: Vector, drift: Drift, resonance: Resonance) -> None:
        self.wander_psd = wander_psd
        self._drift = drift
        self._resonance = resonance

    @classmethod
    def of(cls, hypotheses: Sequence[Hypothesis]) -> Dynamics:
        """The equations of these hypotheses."""
        return cls(
            np.array([h.wander**2 for h in hypotheses]),
            Drift(
                np.array([1.0 / (h.drift_constant_s or _ANY_S) for h in hypotheses]),
                np.array([h.drift_sigma**2 if h.drift_constant_s else 0.0 for h in hypotheses]),
            ),
            Resonance(
                np.array([2 * math.pi / (h.period_s or _ANY_S) for h in hypotheses]),
                np.array([1.0 / min(h.persistence_s, _FOR_EVER_S) for h in hypotheses]),
                np.array([h.amplitude**2 if h.period_s else 0.0 for h in hypotheses]),
            ),
        )

    def __len__(self) -> int:
        return len(self.wander_psd)

    def subset(self, chosen: NDArray[np.intp]) -> Dynamics:
        """The equations of some of the hypotheses."""
        drift, resonance = self._drift.subset(chosen), self._resonance.subset(chosen)
        return Dynamics(self.wander_psd[chosen], drift, resonance)

    def prior(self, offset_sigma_s: float, frequency_sigma: float) -> Vector:
        """Covariance ``[K, 6, 6]`` of the state before anything is known of it."""
        periodic = self._resonance.variance
        covariance = np.zeros((len(self), STATES, STATES))
        covariance[:, OFFSET, OFFSET] = offset_sigma_s**2
        covariance[:, FREQUENCY, FREQUENCY] = frequency_sigma**2
        covariance[:, DRIFT, DRIFT] = self._drift.variance
        covariance[:, COSINE, COSINE] = covariance[:, SINE, SINE] = periodic
        covariance[:, LOG_OMEGA, LOG_OMEGA] = np.where(periodic > 0, OMEGA_SIGMA**2, 0.0)
        return covariance

    def step(self, state: Vector, age_s: float) -> Step:
        """A step of ``age_s`` seconds, back or forth, from states ``[K, 6]``."""
        sign, span_s = _direction(age_s)
        now = state * sign
        return Step(
            sign=sign,
            span_s=span_s,
            now=now,
            quadratures=now[:, COSINE] + 1j * now[:, SINE],
            drifting=self._drift.response(span_s),
            turn=self._resonance.turn(now[:, LOG_OMEGA], span_s),
        )

    def gained(self, age_s: float) -> Vector:
        """Covariance ``[K, 6, 6]`` that the noises add in ``age_s`` seconds, back or forth."""
        sign, span_s = _direction(age_s)
        wander = self.wander_psd
        gained = np.zeros((len(self), STATES, STATES))
        gained[:, : DRIFT + 1, : DRIFT + 1] = self._drift.gained(span_s)
        gained[:, OFFSET, OFFSET] += WHITE_PSD * span_s + wander * (span_s**3 / 3)
        gained[:, OFFSET, FREQUENCY] += wander * (span_s**2 / 2)
        gained[:, FREQUENCY, OFFSET] += wander * (span_s**2 / 2)
        gained[:, FREQUENCY, FREQUENCY] += wander * span_s
        gained[:, _PERIODIC[:, np.newaxis], _PERIODIC] += self._resonance.gained(span_s)
        gained *= sign * sign[:, np.newaxis]
        return gained

    def offset_rows(self, state: Vector, spans_s: Vector) -> Vector:
        """:meth:`Step.offset_row` ``[T, K, 6]`` after each of T spans forth."""
        # One span a row: these equations are elementwise, whatever their annotations say.
        each: Any = spans_s[:, np.newaxis]
        turn = self._resonance.turn(state[:, LOG_OMEGA], each)
        row = np.empty((len(spans_s), *state.shape))
        row[..., OFFSET], row[..., FREQUENCY] = 1.0, each
        row[..., DRIFT] = self._drift.response(each)[2]
        row[..., COSINE], row[..., SINE] = turn.integral.real, -turn.integral.imag
        quadratures = state[:, COSINE] + 1j * state[:, SINE]
        row[..., LOG_OMEGA] = (turn.integral_by_u * quadratures).real
        return row

    def offset_gained(self, age_s: float) -> Vector:
        """Variance ``[K]`` that the noises add to the offset: what :meth:`gained` begins with."""
        span_s = abs(age_s)
        gained: Vector = WHITE_PSD * span_s + self.wander_psd * (span_s**3 / 3)
        gained += self._drift.offset_gained(span_s)
        gained += self._resonance.offset_gained(span_s)
        return gained


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """A step of K filters.

    Attributes:
        sign: ``[6]`` which states have the other sign in its direction of time.
        span_s: its length.
        now: ``[K, 6]`` the states, with those signs.
        quadratures: ``[K]`` two of them as one complex number.
        drifting: what becomes of a drift of 1.
        turn: what becomes of the quadratures.
    """

    sign: Vector
    span_s: float
    now: Vector
    quadratures: NDArray[np.complex128]
    drifting: tuple[Vector, Vector, Vector]
    turn: Turn

    def carried(self) -> Vector:
        """States ``[K, 6]`` after it."""
        left, to_frequency, _ = self.drifting
        turned = self.turn.phasor * self.quadratures
        then: Vector = self.now.copy()
        then[:, OFFSET] = self.offsets()
        then[:, FREQUENCY] += to_frequency * self.now[:, DRIFT]
        then[:, DRIFT] *= left
        then[:, COSINE], then[:, SINE] = turned.real, turned.imag
        then *= self.sign
        return then

    def offsets(self) -> Vector:
        """Offsets ``[K]`` after it."""
        now = self.now
        offsets: Vector = (
            now[:, OFFSET]
            + self.span_s * now[:, FREQUENCY]
            + self.drifting[2] * now[:, DRIFT]
            + (self.turn.integral * self.quadratures).real
        )
        return offsets

    def transition(self) -> Vector:
        """Jacobian ``[K, 6, 6]`` of :meth:`carried`."""
        left, to_frequency, _ = self.drifting
        phasor, by_u = self.turn.phasor, self.turn.phasor_by_u * self.quadratures
        matrix = np.zeros((len(self.now), STATES, STATES))
        matrix[:, _ALL, _ALL] = 1.0
        matrix[:, FREQUENCY, DRIFT] = to_frequency
        matrix[:, DRIFT, DRIFT] = left
        matrix[:, COSINE, COSINE] = matrix[:, SINE, SINE] = phasor.real
        matrix[:, SINE, COSINE], matrix[:, COSINE, SINE] = phasor.imag, -phasor.imag
        matrix[:, COSINE, LOG_OMEGA], matrix[:, SINE, LOG_OMEGA] = by_u.real, by_u.imag
        matrix *= self.sign * self.sign[:, np.newaxis]
        matrix[:, OFFSET] = self.offset_row()
        return matrix

    def offset_row(self) -> Vector:
        """First row ``[K, 6]`` of the Jacobian: what the offset then depends on now."""
        integral = self.turn.integral
        row = np.empty_like(self.now)
        row[:, OFFSET] = 1.0
        row[:, FREQUENCY] = self.span_s
        row[:, DRIFT] = self.drifting[2]
        row[:, COSINE], row[:, SINE] = integral.real, -integral.imag
        row[:, LOG_OMEGA] = (self.turn.integral_by_u * self.quadratures).real
        row *= self.sign
        return row


def _direction(age_s: float) -> tuple[Vector, float]:
    """Signs that make a step back one forth, and its length."""
    return (_REVERSED, -age_s) if age_s < 0 else (_SAME, age_s)
