"""A bank of Kalman filters, mixed by how well each has predicted lately.

No single model fits all oscillators, nor one oscillator at all times: too small a wander trusts
a frequency that has moved on, too large a one follows the noise. Each filter assumes another
oscillator (:mod:`chronotick.clock.dynamics`) and other noise (:mod:`chronotick.clock.noise`); its
weight is its predictive likelihood over the recent measurements (Bayesian model averaging with
exponential forgetting; Raftery, Karny and Ettler, "Online prediction under model uncertainty via
dynamic model averaging", Technometrics 52, 2010).

Measurement equation: ``z = x + b + a e + noise``, with the *bias* b and the *slope* a of the source
as further states (:mod:`chronotick.clock.filters`), e the excess delay, and the noise a mixture of
normals (:mod:`chronotick.clock.posterior`). ``docs/estimation.md`` has all equations.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chronotick.clock.course import Course
from chronotick.clock.dynamics import STATES, WHITE_PSD, Dynamics
from chronotick.clock.estimator import Innovation
from chronotick.clock.filters import PER_SOURCE, Filters
from chronotick.clock.mixture import joint, shares, spread
from chronotick.clock.options import NOISE_HYPOTHESES, BankOptions
from chronotick.clock.outliers import Company, Outliers, inflated
from chronotick.clock.packing import packed, unpacked
from chronotick.clock.posterior import Posterior, posterior
from chronotick.clock.route import judge_routes
from chronotick.clock.sources import Source, Sources
from chronotick.clock.state import ClockState
from chronotick.ntp.measurement import Measurement

FORGETTING = 0.998  # per measurement: a memory of five hundred
SURPRISE = 5.0  # nats below the expected likelihood at most: outliers say no more against a filter
REACQUIRE_FREQUENCY = 2e-5  # 1 sigma of what a frequency jump may have been
MAX_DISORDER_NS = 60_000_000_000
NEGLIGIBLE = 1e-3  # weight below which a filter does not speak for the future
BIAS_WANDER = 1e-7  # of the prior variance, gained per second: routes change, slowly
LEAST_OFFSET_SIGMA_S = 1e-6  # of a first measurement
MAJORITY = 0.5
SNAPSHOT_VERSION = 2

Vector = NDArray[np.float64]


class KalmanBank:
    """The estimator; see :class:`chronotick.clock.estimator.Estimator`.

    Args:
        options: what it assumes.
    """

    def __init__(self, options: BankOptions | None = None) -> None:
        self._options = options or BankOptions()
        hypotheses = self._options.hypotheses()
        self._dynamics = Dynamics.of([h for h in hypotheses for _ in NOISE_HYPOTHESES])
        self._sources = Sources(self._options, np.array(NOISE_HYPOTHESES * len(hypotheses)))
        self._filters = Filters(self._dynamics)
        self._outliers, self._company = Outliers(len(self._dynamics)), Company()
        self._log_weights: Vector = np.zeros(len(self._dynamics))
        self._base_ns = 0  # offsets in the states are seconds relative to this
        self._raw_ns: int | None = None  # of the states
        self._newest_raw_ns = 0
        self._course: Course | None = None
        self._state: ClockState | None = None  # the last that was asked for: mostly the next, too

    @property
    def newest_raw_ns(self) -> int | None:
        """RAW time of the newest measurement taken; ``None`` before the first."""
        return None if self._raw_ns is None else self._newest_raw_ns

    @property
    def weights(self) -> Vector:
        """Share of each filter: hypotheses about the oscillator times those about noise."""
        return shares(self._log_weights)

    def update(self, measurement: Measurement) -> Innovation:
        """Take one measurement; the innovation is the mixture's.

        Exchanges with several servers end out of order by their delays; the state is carried back
        for a measurement a little older than the newest one.

        Raises:
            ValueError: it is older than the newest measurement by more than a minute.
        """
        if self._raw_ns is None:
            self._start(measurement)
        elif measurement.raw_ns < self._newest_raw_ns - MAX_DISORDER_NS:
            raise ValueError("a measurement is more than a minute older than the newest one")
        else:
            self._advance(measurement.raw_ns - self._raw_ns)
        self._raw_ns = measurement.raw_ns
        self._newest_raw_ns = max(self._newest_raw_ns, measurement.raw_ns)
        source = self._source(measurement)
        self._follow_route(measurement, source)
        self._course = None
        return self._take(measurement, source)

    def state(self, raw_ns: int) -> ClockState | None:
        """Return the mixture carried forward to ``raw_ns``; ``None`` before a measurement."""
        if self._raw_ns is None:
            return None
        course, known = self._outlook(self._raw_ns), self._state
        if known is None or known.raw_ns != raw_ns or known.course is not course:
            self._state = known = self._state_at(course, raw_ns)
        return known

    def noise_s(self, measurement: Measurement) -> float:
        """Standard uncertainty in s of a measurement's offset, its expected error taken off."""
        noise = self._sources.noise(measurement)
        weights = self.weights
        return math.sqrt(weights @ noise.variance + spread(weights, noise.mean_s))

    def expected_error_s(self, measurement: Measurement) -> float:
        """What is believed to be wrong with a measurement in s: route, slope, tilt of the queue."""
        error = self._sources.noise(measurement).mean_s
        if self._raw_ns is not None and measurement.source in self._sources:
            excess_s = self._sources[measurement.source].excess_s(measurement)
            number = self._sources.number(measurement.source)
            error = error + self._filters.error_s(number, excess_s)
            error = error + self._outlook(self._raw_ns).routes.bias_shifts_s[number]
        return float(self.weights @ error)

    def drop(self, source: str) -> None:
        """Forget a source that is gone; what it taught about the clock stays."""
        if source not in self._sources:
            return
        self._filters.remove_source(self._sources.number(source))
        self._sources.drop(source)
        self._company.drop(source)
        self._course = None

    def snapshot(self) -> dict[str, Any]:
        """Return everything needed to go on after a restart, as JSON types."""
        return {
            "version": SNAPSHOT_VERSION,
            "raw_ns": self._raw_ns,
            "base_ns": self._base_ns,
            "log_weights": packed(self._log_weights),
            "x": packed(self._filters.x),
            "p": packed(self._filters.p),
            "sources": self._sources.snapshot(),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take up a snapshot; on failure nothing is changed.

        Raises:
            ValueError: it is of another bank, or damaged.
        """
        if snapshot.get("version") != SNAPSHOT_VERSION:
            raise ValueError("the saved state of the clock is of another version")
        count = len(self._log_weights)
        try:
            sources = self._sources.restored(snapshot["sources"])
            size = STATES + PER_SOURCE * len(sources)
            log_weights = unpacked(snapshot["log_weights"], (count,))
            filters = Filters.restored(
                self._dynamics,
                unpacked(snapshot["x"], (count, size)),
                unpacked(snapshot["p"], (count, size, size)),
            )
            raw_ns, base_ns = int(snapshot["raw_ns"]), int(snapshot["base_ns"])
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"the saved state of the clock is damaged, or of a bank with other hypotheses: "
                f"{error}"
            ) from error
        self._sources, self._filters, self._log_weights = sources, filters, log_weights
        self._raw_ns = self._newest_raw_ns = raw_ns
        self._base_ns, self._course = base_ns, None
        self._outliers, self._company = Outliers(count), Company()

    def _state_at(self, course: Course, raw_ns: int) -> ClockState:
        now = course.moments(raw_ns)
        return ClockState(
            raw_ns=raw_ns,
            # Base and growth are added as integers: nanoseconds since 1970 exceed 2^53.
            offset_ns=self._base_ns + round(now.offset_s * 1e9),
            frequency=now.frequency,
            var_offset=now.var_offset,
            cov=now.cov,
            var_frequency=now.var_frequency,
            white_psd=WHITE_PSD,
            wander_psd=course.wander_psd,
            var_route=course.routes.unseen,
            base_ns=self._base_ns,
            course=course,
        )

    def _start(self, measurement: Measurement) -> None:
        self._newest_raw_ns, self._base_ns = measurement.raw_ns, measurement.offset_ns
        # Nothing is known of the offset but that the first measurement lies in its own bound.
        sigma_s = max(measurement.root_distance_ns * 1e-9, LEAST_OFFSET_SIGMA_S)
        self._filters.start(sigma_s, self._options.max_frequency_error)

    def _advance(self, age_ns: int) -> None:
        age_s = age_ns * 1e-9
        self._filters.advance(age_s)
        for number, source in enumerate(self._sources):
            self._filters.widen_bias(number, BIAS_WANDER * source.bias_prior * abs(age_s))

    def _source(self, measurement: Measurement) -> Source:
        """What is known of a measurement's source; a new one adds its states."""
        if measurement.source in self._sources:
            return self._sources[measurement.source]
        added = self._sources.add(measurement)
        slope = self._options.delay_slope if measurement.delay_known else 0.0
        self._filters.add_source(added.bias_prior, slope**2)
        return added

    def _follow_route(self, measurement: Measurement, source: Source) -> None:
        """Take the delay; a route that became longer or shorter has another bias."""
        change_s = source.follow(measurement)
        if change_s:
            number = self._sources.number(measurement.source)
            self._filters.widen_bias(number, change_s**2 / 12)  # uniform, half of it either way

    def _take(self, measurement: Measurement, source: Source) -> Innovation:
        number, excess_s = self._sources.number(measurement.source), source.excess_s(measurement)
        expected = self._filters.expectation(number, excess_s)
        noise = self._sources.noise(measurement)
        noise_variance = noise.variance
        residual = (measurement.offset_ns - self._base_ns) * 1e-9 - expected.mean_s
        surprise, usual = residual - noise.mean_s, expected.variance + noise_variance
        outlying = surprise**2 > self._options.outlier_sigmas**2 * usual
        found = posterior(residual, expected.variance, noise)
        weights = self.weights
        self._reweigh(found, usual)
        source.density.learn(found.probabilities, ~outlying)
        outlier = bool(weights @ outlying > MAJORITY)
        convincing = self._company.hear(measurement.source, measurement.raw_ns, surprising=outlier)
        reacquired = self._outliers.count(surprise, outlying, convincing=convincing)
        if reacquired.any():
            self._filters.open(reacquired, surprise**2, REACQUIRE_FREQUENCY**2)
            expected = self._filters.expectation(number, excess_s)
            usual = expected.variance + noise_variance
        if outlying.any():
            total = np.where(reacquired, usual, inflated(surprise, usual))
            found = found.overruled(outlying, surprise, total)
        self._filters.correct(expected.gain, found.pull, found.shrink)
        return Innovation(
            residual_s=float(weights @ surprise),
            variance=float(weights @ usual) + spread(weights, surprise),
            noise_variance=float(weights @ noise_variance),
            outlier=outlier,
            reacquired=bool(weights @ reacquired > MAJORITY),
        )

    def _reweigh(self, found: Posterior, usual: Vector) -> None:
        floor = -0.5 * np.log(2 * np.pi * usual) - SURPRISE
        likelihood = np.maximum(found.log_likelihood, floor)
        log_weights = FORGETTING * self._log_weights + likelihood
        self._log_weights = log_weights - log_weights.max()

    def _outlook(self, raw_ns: int) -> Course:
        """How the clock goes on after the newest measurement, with the routes judged."""
        if self._course is None:
            weights = self.weights
            chosen = np.flatnonzero(weights >= NEGLIGIBLE)
            weights = weights[chosen] / weights[chosen].sum()
            seen = joint(weights, *self._filters.offset_and_biases(chosen))
            self._course = Course(
                raw_ns,
                self._dynamics.subset(chosen),
                weights,
                self._filters.x[chosen, :STATES],
                self._filters.p[chosen, :STATES, :STATES],
                routes=judge_routes(*seen, self._sources.priors()),
            )
        return self._course
