"""What the bank assumes, and which of its parts are in use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chronotick.clock.dynamics import Hypothesis
from chronotick.config.schema import Clock

CALM = 1e-9  # wander of the hypotheses that explain more than wander, 1/sqrt(s)
EXCURSION = 6e-7  # frequency change that a drift of one sigma amounts to, over its time constant
SLOWEST_DRIFT_S = 20_000.0  # that goes with periods: the daily cycle under the thermostat's
PERIODIC = ((5e-7, 5000.0), (1e-7, 8.0))  # amplitude (s/s), and periods its phase is kept for


@dataclass(frozen=True, slots=True, kw_only=True)
class BankOptions:
    """Assumptions; parts are switched off by empty lists and zeros.

    Attributes:
        wanders: random-walk FM, 1/sqrt(s), of the hypotheses that have nothing else.
        drift_constants_s: time constants of forgotten drifts.
        periods_s: periods that a thermostat may have.
        route_asymmetry: standard deviation of a route's bias, as a fraction of its delay.
        delay_slope: standard deviation of a source's error per excess delay.
        learn_noise: whether the density of errors within the excess is learnt.
        outlier_sigmas: normalised innovation from which a measurement is an outlier.
        max_frequency_error: standard deviation of the frequency before anything is known of it.
    """

    wanders: tuple[float, ...] = (5e-10, 1e-9, 2.5e-9, 6e-9, 1.5e-8, 5e-8, 1.5e-7)
    drift_constants_s: tuple[float, ...] = (200.0, 600.0, 5000.0, 20_000.0)
    periods_s: tuple[float, ...] = (700.0, 1150.0, 1900.0, 3100.0)
    route_asymmetry: float = 0.02
    delay_slope: float = 0.2
    learn_noise: bool = True
    outlier_sigmas: float = 5.0
    max_frequency_error: float = 500e-6

    def hypotheses(self) -> list[Hypothesis]:
        """How the oscillator may run."""
        return [*self._wandering(), *self._drifting(), *self._periodic()]

    def _wandering(self) -> Iterator[Hypothesis]:
        for wander in self.wanders:
            yield Hypothesis(wander=wander)

    def _drifting(self) -> Iterator[Hypothesis]:
        for constant_s in self.drift_constants_s:
            yield Hypothesis(
                wander=CALM, drift_constant_s=constant_s, drift_sigma=EXCURSION / constant_s
            )

    def _periodic(self) -> Iterator[Hypothesis]:
        for period_s in self.periods_s:
            for amplitude, periods in PERIODIC:
                yield Hypothesis(
                    wander=CALM,
                    drift_constant_s=SLOWEST_DRIFT_S,
                    drift_sigma=EXCURSION / SLOWEST_DRIFT_S,
                    period_s=period_s,
                    amplitude=amplitude,
                    persistence_s=periods * period_s,
                )


NOISE_HYPOTHESES = tuple((caution, floor_s) for caution in (0.5, 1.0) for floor_s in (1e-6, 2e-5))
"""Margins of the minimum delay that are added to each excess, and the least uncertainty of a
measurement in s: a server with a clock of its own is not better than 20 us, however prompt."""


def bank_options(clock: Clock) -> BankOptions:
    """Return what the configuration says about the bank."""
    return BankOptions(
        wanders=tuple(clock.wander),
        drift_constants_s=tuple(clock.drift_constants),
        periods_s=tuple(clock.periods),
        route_asymmetry=clock.route_asymmetry,
        delay_slope=clock.delay_slope,
        learn_noise=clock.learn_noise,
        outlier_sigmas=clock.outlier_sigmas,
        max_frequency_error=clock.max_frequency_error_ppm * 1e-6,
    )
