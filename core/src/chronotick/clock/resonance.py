"""Periodic frequencies, such as a thermostat makes: what each does to a clock, exactly.

A harmonic oscillator driven by noise, as in Sarkka et al. ("Dynamic retrospective filtering of
physiological noise in BOLD fMRI: DRIFTER", NeuroImage 60, 2012). Its two quadratures are one
complex number z = c + i s, whose real part is added to the frequency:

    dz = -(1/R + i W) z dt + w,   dx = Re z dt

with R the time that its phase is kept for, and W = W0 exp(u) the angular frequency, which is W0
but for a constant that is estimated. After t seconds ``z -> E z`` and ``x -> x + Re(g z)`` with

    E = exp(-m t),  g = (1 - E) / m,  m = 1/R + i W.

Tracking u by linearisation is the extended Kalman frequency tracker of La Scala and Bitmead
("Design of an extended Kalman filter frequency tracker", IEEE Trans. SP 44, 1996): it pulls in
periods between those assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_LOG_OMEGA = 0.7  # a tracker that strays by a factor of two has lost its period

Vector = NDArray[np.float64]
Phasor = NDArray[np.complexfloating[Any, Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """What a step does to the quadratures, and by them to the offset; each is complex, ``[K]``.

    Attributes:
        span_s: the step.
        omega: ``[K]`` W.
        rate: m.
        phasor: E, by which z is multiplied.
        integral: g, by which it is multiplied to give what the offset gains.
    """

    span_s: float
    omega: Vector
    rate: Phasor
    phasor: Phasor
    integral: Phasor

    @property
    def phasor_by_u(self) -> Phasor:
        """Derivative of E with respect to u; that of the rate is i W."""
        return -1j * self.omega * self.span_s * self.phasor

    @property
    def integral_by_u(self) -> Phasor:
        """Derivative of g."""
        return 1j * self.omega / self.rate * (self.span_s * self.phasor - self.integral)


@dataclass(frozen=True, slots=True, eq=False)
class Resonance:
    """One resonance for each of K filters.

    Attributes:
        omega: ``[K]`` W0, in 1/s.
        forgets: ``[K]`` 1/R, in 1/s.
        variance: ``[K]`` of each quadrature; 0: there is none.
    """

    omega: Vector
    forgets: Vector
    variance: Vector

    def subset(self, chosen: NDArray[np.intp]) -> Resonance:
        """The resonances of some of the filters."""
        return Resonance(self.omega[chosen], self.forgets[chosen], self.variance[chosen])

    def turn(self, log_omega: Vector, span_s: float) -> Turn:
        """What a step does.

        Args:
            log_omega: ``[K]`` u. Beyond ``MAX_LOG_OMEGA`` the period is kept, but not the
                derivatives, so that u can find its way back.
            span_s: the step.
        """
        omega = self.omega * np.exp(np.clip(log_omega, -MAX_LOG_OMEGA, MAX_LOG_OMEGA))
        rate: Phasor = self.forgets + 1j * omega
        phasor: Phasor = np.exp(-rate * span_s)
        integral: Phasor = (1.0 - phasor) / rate
        return Turn(span_s, omega, rate, phasor, integral)

    def gained(self, span_s: float) -> Vector:
        """Covariance ``[K, 3, 3]`` of offset and quadratures that the noise adds, for u = 0."""
        rate, integral, settled = self._settling(span_s)
        cross = (integral - settled) / rate.conj()  # the integral of E times g's conjugate
        gained = np.zeros((len(rate), 3, 3))
        gained[:, 0, 0] = (span_s - 2.0 * integral.real + settled) / (rate * rate.conj()).real
        gained[:, 0, 1] = gained[:, 1, 0] = cross.real
        gained[:, 0, 2] = gained[:, 2, 0] = cross.imag
        gained[:, 1, 1] = gained[:, 2, 2] = settled
        gained *= (2.0 * self.variance * self.forgets)[:, np.newaxis, np.newaxis]
        return gained

    def offset_gained(self, span_s: float) -> Vector:
        """Variance ``[K]`` of the offset that the noise adds, in s², for u = 0."""
        rate, integral, settled = self._settling(span_s)
        driven: Vector = 2.0 * self.variance * self.forgets / (rate * rate.conj()).real
        gained: Vector = driven * (span_s - 2.0 * integral.real + settled)
        return gained

    def _settling(self, span_s: float) -> tuple[Phasor, Phasor, Vector]:
        """The rate m, g, and the integral of the square of |E|."""
        rate: Phasor = self.forgets + 1j * self.omega
        integral: Phasor = (1.0 - np.exp(-rate * span_s)) / rate
        return rate, integral, -np.expm1(-2.0 * self.forgets * span_s) / (2.0 * self.forgets)
