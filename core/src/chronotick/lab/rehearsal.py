"""A rehearsal of fusion: members whose errors are known, judged by noisy measurements.

True time stands still, so every offset is an error. The estimator is scripted: after each
measurement its level and frequency are wrong by processes of known size. Members are wrong by
others. All the rest is the daemon's own timekeeper. Deterministic for a seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chronotick.clock import ClockState, Innovation
from chronotick.config.schema import Config
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.models.forecast import PathForecast
from chronotick.ntp.measurement import Measurement

NS: Final = 1_000_000_000
BASE_NS: Final = 1_700_000_000 * NS
STEP_S: Final = 16.0
STEPS: Final = 260  # of a path: more than an hour
SERVED_EVERY_S: Final = 10.0
FIRST_HOUR_S: Final = 3600.0

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """How wrong forecasts are, by independent stationary processes.

    Attributes:
        level_s: rms error at once, s.
        slope: rms error gained per second (s/s).
        constant_s: correlation time of both, s.
        jitter_s: rms error anew at every step of every forecast, s.
        shared: correlation with the estimator's errors.
    """

    level_s: float = 0.0
    slope: float = 0.0
    constant_s: float = 900.0
    jitter_s: float = 0.0
    shared: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A member.

    Attributes:
        name: of the model.
        wrong: its errors.
        later: its errors from ``turns_s`` on; ``None``: the same.
        turns_s: when it changes, s.
        asked_every_s: time between its forecasts; 0: at every measurement.
        like: forecasts exactly what that member does.
    """

    name: str
    wrong: Wrong = Wrong()
    later: Wrong | None = None
    turns_s: float = math.inf
    asked_every_s: float = 0.0
    like: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The world of a rehearsal.

    Attributes:
        hours: its length.
        poll_s: time between measurements.
        noise_s: their standard error; single ones have up to several times that, and say so.
        estimator: errors of the baseline.
        stated: what the estimator's stated standard error is multiplied by: below 1 it is vain.
        route_s: constant error of the route, one sigma, that it states on top.
        outages: pairs of begin and end in s without measurements.
        seed: of everything.
    """

    hours: float = 12.0
    poll_s: float = 64.0
    noise_s: float = 100e-6
    estimator: Wrong = Wrong(level_s=10e-6, slope=2e-7)
    stated: float = 1.0
    route_s: float = 0.0
    outages: tuple[tuple[float, float], ...] = ()
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of it, from :data:`FIRST_HOUR_S` on.

    Attributes:
        at_s: ``[n]`` instants of serving.
        fused_s: ``[n]`` error of served time.
        sigma_s: ``[n]`` stated for it.
        errors_s: of each member, ``[n]``, the baseline included.
        weights: of each member, ``[n]``.
        timekeeper: as it is at the end.
    """

    at_s: Vector
    fused_s: Vector
    sigma_s: Vector
    errors_s: dict[str, Vector]
    weights: dict[str, Vector]
    timekeeper: Timekeeper

    def rms_s(self, name: str = "", after_s: float = 0.0) -> float:
        """Root mean square error of a member, or of the fused path."""
        errors = self.errors_s[name] if name else self.fused_s
        return float(np.sqrt(np.mean(errors[self.at_s >= after_s] ** 2)))

    @property
    def to_best(self) -> float:
        """Fused error over that of the best member."""
        return self.rms_s() / min(self.rms_s(name) for name in self.errors_s)

    @property
    def covered(self) -> float:
        """Share of instants at which the error was inside the 95 % interval."""
        return float(np.mean(np.abs(self.fused_s) <= 1.96 * self.sigma_s))

    def out_after_s(self, name: str, turned_s: float, below: float = 0.01) -> float:
        """Time from which on a member's weight stayed below a limit after it had turned."""
        heavy = self.at_s[(self.at_s >= turned_s) & (self.weights[name] >= below)]
        return float(heavy[-1] - turned_s) if heavy.size else 0.0


def rehearse(
    stage: Stage,
    members: Sequence[Rehearsed],
    method: str = "inverse_variance",
    keeper: type[Timekeeper] = Timekeeper,
) -> Outcome:
    """Run a rehearsal.

    Args:
        stage: the world.
        members: what is fused beside the baseline.
        method: of the fusion.
        keeper: the kind of timekeeper, for a closer look at what it does.
    """
    return _Rehearsal(stage, members, method, keeper).run()


class _Process:
    """Level and slope as Ornstein-Uhlenbeck processes, sampled at the measurements."""

    def __init__(self, wrong: Wrong, times_s: Vector, rng: np.random.Generator) -> None:
        self.level = wrong.level_s * _unit(times_s, wrong.constant_s, rng)
        self.slope = wrong.slope * _unit(times_s, wrong.constant_s, rng)
        self.jitter_s = wrong.jitter_s

    def mixed(self, shared: float, other: _Process) -> _Process:
        """This one, correlated with another."""
        own = math.sqrt(1.0 - shared**2)
        for name in ("level", "slope"):
            mine, its = getattr(self, name), getattr(other, name)
            scale = _rms(mine) / _rms(its) if _rms(its) else 0.0
            setattr(self, name, own * mine + shared * scale * its)
        return self


class _Scripted:
    """An estimator whose errors are given."""

    def __init__(self, stage: Stage, process: _Process) -> None:
        self._stage, self._process = stage, process
        self._taken = -1
        self.newest_raw_ns: int | None = None

    def update(self, measurement: Measurement) -> Innovation:
        """Take a measurement: the next errors of the script hold."""
        before = self.state(measurement.raw_ns)
        noise_variance = self.noise_s(measurement) ** 2
        self._taken += 1
        self.newest_raw_ns = measurement.raw_ns
        if before is None:
            return Innovation(residual_s=0.0, variance=1.0, noise_variance=noise_variance)
        return Innovation(
            residual_s=(measurement.offset_ns - before.offset_ns) * 1e-9,
            variance=before.var_offset - before.var_route + noise_variance,
            noise_variance=noise_variance,
        )

    def state(self, raw_ns: int) -> ClockState | None:
        """Return the scripted state carried forward."""
        if self.newest_raw_ns is None:
            return None
        wrong, stage, age_s = self._stage.estimator, self._stage, (raw_ns - self.newest_raw_ns) / NS
        level, slope = self._process.level[self._taken], self._process.slope[self._taken]
        var_frequency = (wrong.slope * stage.stated) ** 2
        known = (wrong.level_s * stage.stated) ** 2
        return ClockState(
            raw_ns=raw_ns,
            offset_ns=BASE_NS + round((level + slope * age_s) * 1e9),
            frequency=float(slope),
            var_offset=known + var_frequency * age_s**2 + stage.route_s**2,
            cov=var_frequency * age_s,
            var_frequency=var_frequency,
            white_psd=0.0,
            wander_psd=0.0,
            var_route=stage.route_s**2,
        )

    def noise_s(self, measurement: Measurement) -> float:
        """Return the standard error that the measurement carries in its dispersion."""
        return measurement.root_dispersion_ns * 1e-9

    def expected_error_s(self, measurement: Measurement) -> float:
        """No measurement has any."""
        del measurement
        return 0.0

    def drop(self, source: str) -> None:
        """Nothing is known of a source."""

    def snapshot(self) -> dict[str, Any]:
        """Nothing to save."""
        return {}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Nothing to restore."""


class _Rehearsal:
    def __init__(
        self,
        stage: Stage,
        members: Sequence[Rehearsed],
        method: str,
        keeper: type[Timekeeper],
    ) -> None:
        self._stage, self._members = stage, members
        self._rng = np.random.default_rng(stage.seed)
        self._times_s = _polls(stage, self._rng)
        self._truth = _Process(stage.estimator, self._times_s, self._rng)
        self._processes = {m.name: self._of(m) for m in members}
        config = Config.model_validate({"fusion": {"method": method}})
        self._keeper = keeper(config, lambda: _Scripted(stage, self._truth))
        self._newest: dict[str, PathForecast] = {}
        self._asked_s: dict[str, float] = {}

    def run(self) -> Outcome:
        rows: list[tuple[float, int, float, dict[str, int], dict[str, float]]] = []
        ends_s = [*self._times_s[1:], self._stage.hours * 3600.0]
        noises = self._stage.noise_s * np.exp(self._rng.normal(0, 0.5, len(self._times_s)))
        for n, (at_s, end_s) in enumerate(zip(self._times_s, ends_s, strict=True)):
            self._keeper.measure(_measured(at_s, float(noises[n]), self._rng))
            self._ask(n, float(at_s))
            served_s = math.ceil(at_s / SERVED_EVERY_S) * SERVED_EVERY_S
            while served_s < end_s:
                if served_s > at_s:
                    rows.append(self._serve(served_s))
                served_s += SERVED_EVERY_S
        return self._outcome([row for row in rows if row[0] >= FIRST_HOUR_S])

    def _of(self, member: Rehearsed) -> list[_Process]:
        """Before and after a member changes."""
        both = [member.wrong, member.later or member.wrong]
        return [
            _Process(wrong, self._times_s, self._rng).mixed(wrong.shared, self._truth)
            for wrong in both
        ]

    def _ask(self, n: int, at_s: float) -> None:
        state = self._keeper.state(round(at_s * NS))
        assert state is not None  # noqa: S101 - there was a measurement
        for member in self._members:
            if at_s - self._asked_s.get(member.name, -math.inf) < member.asked_every_s - 1.0:
                continue
            self._asked_s[member.name] = at_s
            path = self._forecast(member, n, at_s, state)
            self._newest[member.name] = path
            self._keeper.forecast(path)

    def _forecast(self, member: Rehearsed, n: int, at_s: float, state: ClockState) -> PathForecast:
        source = self._newest.get(member.like)
        process = self._processes[member.name][at_s >= member.turns_s]
        ahead_s = STEP_S * np.arange(STEPS + 1)
        wrong = process.level[n] + process.slope[n] * ahead_s
        wrong = wrong + process.jitter_s * self._rng.standard_normal(STEPS + 1)
        tangent = (state.offset_ns - BASE_NS) * 1e-9 + state.frequency * ahead_s
        return PathForecast(
            model=member.name,
            predictor="short_term",
            trend=state,
            known_raw_ns=state.raw_ns,
            step_ns=round(STEP_S * NS),
            residual=source.residual if source else wrong - tangent,
            claimed_sigma=np.full(STEPS + 1, np.nan),
            latency_s=0.0,
        )

    def _serve(self, at_s: float) -> tuple[float, int, float, dict[str, int], dict[str, float]]:
        target = self._keeper.target(round(at_s * NS))
        assert target is not None  # noqa: S101 - there was a measurement
        members = target.fused.members
        return (
            at_s,
            target.offset_ns,
            target.sigma_ns * 1e-9,
            {m.model: m.offset_ns for m in members},
            {m.model: m.weight for m in members},
        )

    def _outcome(
        self, rows: Sequence[tuple[float, int, float, dict[str, int], dict[str, float]]]
    ) -> Outcome:
        names = list(rows[-1][3])
        return Outcome(
            at_s=np.array([row[0] for row in rows]),
            fused_s=np.array([row[1] - BASE_NS for row in rows]) * 1e-9,
            sigma_s=np.array([row[2] for row in rows]),
            errors_s={m: np.array([row[3][m] - BASE_NS for row in rows]) * 1e-9 for m in names},
            weights={m: np.array([row[4][m] for row in rows]) for m in names},
            timekeeper=self._keeper,
        )


def _polls(stage: Stage, rng: np.random.Generator) -> Vector:
    times_s = np.arange(0.0, stage.hours * 3600.0, stage.poll_s)
    times_s = times_s + rng.uniform(0.0, 0.2 * stage.poll_s, times_s.size)
    lost = np.zeros(times_s.size, dtype=bool)
    for begin_s, end_s in stage.outages:
        lost |= (times_s >= begin_s) & (times_s < end_s)
    return times_s[~lost]


def _unit(times_s: Vector, constant_s: float, rng: np.random.Generator) -> Vector:
    values = rng.standard_normal(times_s.size)
    for n, passed_s in enumerate(np.diff(times_s), start=1):
        kept = math.exp(-passed_s / constant_s)
        values[n] = kept * values[n - 1] + math.sqrt(1.0 - kept**2) * values[n]
    return values


def _measured(at_s: float, noise_s: float, rng: np.random.Generator) -> Measurement:
    return Measurement(
        source="a",
        raw_ns=round(at_s * NS),
        offset_ns=BASE_NS + round(rng.normal(0.0, noise_s) * 1e9),
        delay_ns=1_000_000,
        precision_ns=1000,
        root_delay_ns=0,
        root_dispersion_ns=round(noise_s * 1e9),
        stratum=1,
    )


def _rms(values: Vector) -> float:
    return float(np.sqrt(np.mean(values**2)))
