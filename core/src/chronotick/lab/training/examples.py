"""From a lived-through world to examples: contexts as the daemon makes them, and what came after.

The daemon's estimator runs over the measurements. Its selection of servers does not: no server of
the prior lies. At an instant the context is what the daemon would send to a model; nothing that is
measured later is in it. What came after is the simulator's truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chronotick.clock import ContextWindow, KalmanBank, Samples
from chronotick.daemon.timekeeper import REMEMBERED
from chronotick.lab.comparing.grids import NS_PER_S, grids
from chronotick.lab.training.prior import KINDS, Prior, draw
from chronotick.lab.training.worlds import Lived, live_through
from chronotick.ntp.measurement import Measurement

CONTEXT = 480
REACH = 64
"""Steps of a context, as the daemon sends them, and of a target: as far as models forecast."""
WARM_UP_POLLS = 24.0  # before the first origin: the filter knows the frequency by then
HORIZONS_S = (64.0, 16_384.0)
"""Between these a horizon is drawn; the step that reaches it is the one `chronotick compare` and
the daemon's long-term loop use."""
AT_POLL = 0.4  # share of origins with the poll itself for a step
SHORT_TERM = 0.1  # with the daemon's short-term step
SHORT_TERM_STEP_S = 4.0
OFFSPRING = 1  # spawn key of the draws of origins, beside that of the world's number

MIRRORED = ("values", "target", "expected")

Vector = NDArray[np.float64]
COLUMNS = ("values", "noise", "target", "expected", "sigma", "step_s", "trend", "kind")


@dataclass(frozen=True, slots=True)
class Origin:
    """An instant to forecast from, and the sampling step."""

    raw_ns: int
    step_ns: int

    def ahead_ns(self) -> list[int]:
        """The instants of a target."""
        return [self.raw_ns + steps * self.step_ns for steps in range(1, REACH + 1)]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """An instant of a world; attributes as in `chronotick.plugin.training.frames.Batch`."""

    values: Vector
    noise: Vector
    target: Vector
    expected: Vector
    sigma: Vector
    step_s: float
    trend: tuple[float, float, float, float]
    kind: int


def of_world(prior: Prior, seed: int, number: int, count: int) -> list[Example]:
    """The examples of a world: they depend on nothing but the arguments.

    Half of them are mirrored in time's sign: a clock that is slow where the drawn one is fast. What
    all instants of a world have in common, as an asymmetric route, cannot be learnt by heart then.

    Args:
        prior: ranges that worlds are drawn from.
        seed: of the stream of worlds.
        number: of the world.
        count: how many, at most: none where too little was measured.
    """
    simulation, kind = draw(prior, seed, number)
    chance = np.random.SeedSequence(seed, spawn_key=(OFFSPRING, number))
    rng = np.random.default_rng(chance)
    lived = live_through(simulation, REACH * _longest_step_s(simulation.polling.interval_s))
    found = []
    for example in examples(lived, origins(lived, count, rng), KINDS.index(kind), prior):
        sign = float(rng.choice((-1.0, 1.0)))
        mirrored = {name: sign * getattr(example, name) for name in MIRRORED}
        found.append(replace(example, **mirrored))
    return found


def origins(lived: Lived, count: int, rng: np.random.Generator) -> list[Origin]:
    """Draw instants of a world, and a step for each; in order of time."""
    if not lived.measurements:
        return []
    poll_s = lived.simulation.polling.interval_s
    begin_ns = lived.measurements[0].raw_ns + round(WARM_UP_POLLS * poll_s * NS_PER_S)
    if begin_ns >= lived.end_ns:
        return []
    instants = np.sort(rng.integers(begin_ns, lived.end_ns, count))
    return [Origin(int(raw_ns), _step_ns(poll_s, rng)) for raw_ns in instants]


def examples(lived: Lived, chosen: Iterable[Origin], kind: int, prior: Prior) -> Iterator[Example]:
    """What models would know at instants of a world, and what came after.

    Args:
        lived: the world.
        chosen: the instants, in order of time.
        kind: number of the kind of world.
        prior: whether contexts are the estimator's residuals.
    """
    watch = Watch(filtered=prior.filter)
    coming = iter(lived.measurements)
    upcoming = next(coming, None)
    for origin in chosen:
        while upcoming is not None and upcoming.raw_ns <= origin.raw_ns:
            watch.take(upcoming)
            upcoming = next(coming, None)
        window = watch.window(origin)
        if window is None or not window.measured:
            continue
        yield _example(lived, origin, window, kind, filtered=prior.filter)


class Watch:
    """The estimator of a daemon, and the samples of its contexts.

    Args:
        filtered: whether contexts are what the estimator makes of measurements.
    """

    def __init__(self, *, filtered: bool = True) -> None:
        self._filtered = filtered
        self.bank = KalmanBank()
        self._samples, self._raw = Samples(REMEMBERED), Samples(REMEMBERED)

    def take(self, measurement: Measurement) -> None:
        """Learn from a measurement, as `chronotick.daemon.timekeeper.Timekeeper.measure` does."""
        innovation = self.bank.update(measurement)
        if innovation.reacquired:
            self._samples.clear()
            self._raw.clear()
        noise_s = self.bank.noise_s(measurement)
        self._samples.add(measurement, noise_s, self.bank.expected_error_s(measurement))
        if not self._filtered:
            self._raw.add(measurement, 1.0, 0.0)

    def window(self, origin: Origin) -> ContextWindow | None:
        """The context at an instant."""
        trend = self.bank.state(origin.raw_ns)
        if trend is None:
            return None
        samples = self._samples if self._filtered else self._raw
        return samples.window(trend, origin.step_ns, CONTEXT)


def _example(
    lived: Lived, origin: Origin, window: ContextWindow, kind: int, *, filtered: bool
) -> Example:
    trend, ahead_ns = window.trend, origin.ahead_ns()
    truth_ns = lived.offset_ns(ahead_ns) - trend.offset_ns
    steps_s = np.arange(1, REACH + 1) * (origin.step_ns / NS_PER_S)
    expected, variances = trend.path(np.array(ahead_ns, dtype=np.int64))
    values, noise = window.values, window.noise
    target = truth_ns / NS_PER_S - trend.frequency * steps_s
    if not filtered:
        past, future = _line(values)
        values, target, expected = values - past, target - future, expected - future
        noise = np.where(np.isnan(values), np.nan, np.nanstd(values))
    covariance = (trend.var_offset, trend.cov, trend.var_frequency, trend.wander_psd)
    step_s = origin.step_ns / NS_PER_S
    return Example(values, noise, target, expected, np.sqrt(variances), step_s, covariance, kind)


def _line(values: Vector) -> tuple[Vector, Vector]:
    """A straight line through what is known of a context, there and where it goes on."""
    known = np.flatnonzero(~np.isnan(values))
    degree = min(1, len(known) - 1)
    line = np.polynomial.Polynomial.fit(known, values[known], degree, domain=[0, CONTEXT - 1])
    everywhere = line(np.arange(CONTEXT + REACH, dtype=np.float64))
    return everywhere[:CONTEXT], everywhere[CONTEXT:]


def _step_ns(poll_s: float, rng: np.random.Generator) -> int:
    """Draw a sampling step for a client that asks every so often."""
    chance = rng.random()
    horizon_s = float(np.exp(rng.uniform(*np.log(HORIZONS_S))))
    if chance < AT_POLL:
        step_s = poll_s
    elif chance < AT_POLL + SHORT_TERM:
        step_s = SHORT_TERM_STEP_S
    else:
        return grids(poll_s, (horizon_s,), CONTEXT)[0].step_ns
    return round(step_s * NS_PER_S)


def _longest_step_s(poll_s: float) -> float:
    return max(1.5 * poll_s, HORIZONS_S[1] / REACH)
