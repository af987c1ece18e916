"""How much of the estimator's error could be foreseen: the bound of what training can win.

Two bounds, the second above the first:

- the *oracle* knows, without noise, what cycles and load have done to the clock until the instant,
  their parameters and where in them the clock is; not their further chance (the lengths of later
  cycles, when the load changes and to what). Everything else it must estimate like anybody, from
  the same measurements, with the same estimator, which structure no longer disturbs;
- the *ideal* filter (`chronotick.lab.training.ideal`) has the measurements only, and the world's
  true parameters.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chronotick.clock import KalmanBank
from chronotick.lab.environment import Cycling, Loading
from chronotick.lab.network import NS_PER_S
from chronotick.lab.oscillator import BLOCK_STEPS, Oscillator, OscillatorModel
from chronotick.lab.simulation import Simulation
from chronotick.lab.training.ideal import Ideal
from chronotick.lab.training.prior import Kind, Prior, draw
from chronotick.lab.training.worlds import Lived, live_through
from chronotick.ntp.measurement import Measurement

HORIZONS_S = (64.0, 256.0, 1024.0, 3600.0)
POLLS_PER_STEP = 16.0  # the oracle looks ahead at ends of blocks: these shall be many
WARM_UP_POLLS = 100.0
FUTURES = 40  # drawn at each instant: their mean errs by a fortieth of the variance
PARTICLES = 18  # spawn key of the ideal filter's chance
FEWEST = 3  # instants that say something of a world

Vector = NDArray[np.float64]
Structure = tuple["Cycling | Loading", np.random.Generator]


@dataclass(frozen=True, slots=True)
class Foresight:
    """Root mean square errors of one world in s, by horizon."""

    name: str
    kalman: Vector
    oracle: Vector
    ideal: Vector

    @property
    def ratios(self) -> Vector:
        """What of the estimator's error is left to the oracle and to the ideal filter."""
        ratios: Vector = np.stack([self.oracle, self.ideal]) / self.kalman
        return ratios


def foresee(simulation: Simulation) -> Foresight | None:
    """Compare the estimator and the oracle in a world; None where it is too short."""
    told = _finer(simulation)
    lived = live_through(told, max(HORIZONS_S))
    errors = list(_errors(lived))
    if len(errors) < FEWEST:
        return None
    return Foresight(told.name, *np.sqrt(np.mean(np.square(errors), axis=0)))


def of_prior(prior: Prior, seed: int, kind: Kind, worlds: int) -> Iterator[Foresight]:
    """Compare in drawn worlds of a kind."""
    for number in range(worlds):
        simulation, _ = draw(prior, seed, number, kind)
        found = foresee(simulation)
        if found is not None:
            yield found


def left(found: Sequence[Foresight]) -> tuple[Vector, Vector]:
    """Geometric means of the ratios ``[2, horizons]``, and their standard errors (factors)."""
    logs = np.log([each.ratios for each in found])
    error = logs.std(axis=0, ddof=1) / math.sqrt(len(found)) if len(found) > 1 else logs[0] * np.nan
    return np.exp(logs.mean(axis=0)), np.exp(error)


def _finer(simulation: Simulation) -> Simulation:
    """The same kind of world on the grid that the oracle needs."""
    step_s = max(simulation.polling.interval_s / POLLS_PER_STEP, 1.0)
    world = simulation.world
    oscillator = world.oscillator.model_copy(update={"step_s": step_s})
    return simulation.model_copy(
        update={"world": world.model_copy(update={"oscillator": oscillator})}
    )


def _errors(lived: Lived) -> Iterator[tuple[Vector, ...]]:
    """Errors of estimator, oracle and ideal filter, at one instant after the other."""
    world = lived.simulation.world
    step_s = world.oscillator.step_s
    structure = Oscillator(_structure(world.oscillator), seed=world.seed)
    bank, unmoved, knowing = KalmanBank(), KalmanBank(), _Knowing(lived)
    block_ns = BLOCK_STEPS * round(step_s * NS_PER_S)
    warm_ns = round(WARM_UP_POLLS * lived.simulation.polling.interval_s * NS_PER_S)
    going, coming = _processes(world.oscillator, world.seed), iter(lived.measurements)
    upcoming = next(coming, None)
    for raw_ns in range(block_ns, lived.end_ns, block_ns):
        for process, _ in going:
            process.advance(BLOCK_STEPS)
        while upcoming is not None and upcoming.raw_ns <= raw_ns:
            bank.update(upcoming)
            unmoved.update(_without(upcoming, structure))
            knowing.take(upcoming)
            upcoming = next(coming, None)
        if raw_ns >= warm_ns and bank.newest_raw_ns is not None:
            ahead_ns = [raw_ns + round(each * NS_PER_S) for each in HORIZONS_S]
            truth_ns = lived.offset_ns(ahead_ns)
            moved_s = structure.phase_s(raw_ns) + _futures(going, step_s)
            calm_s = (truth_ns - _expected_ns(unmoved, ahead_ns)) / NS_PER_S
            yield (
                (truth_ns - _expected_ns(bank, ahead_ns)) / NS_PER_S,
                calm_s - moved_s,
                knowing.errors_s(raw_ns, truth_ns),
            )


class _Knowing:
    """The ideal filter in a world; regular cycles are known to it and taken off."""

    def __init__(self, lived: Lived) -> None:
        world, self._start_ns = lived.simulation.world, lived.live.start_offset_ns
        model = world.oscillator
        # A cycle without amplitude keeps its place: chance belongs to numbers of cycles.
        kept = tuple(
            cycle.model_copy(update={"amplitude": 0.0}) if cycle.jitter else cycle
            for cycle in model.cycles
        )
        known = OscillatorModel(cycles=kept, step_s=model.step_s)
        self._known = Oscillator(known, seed=world.seed)
        irregular = tuple(cycle for cycle in model.cycles if cycle.jitter)
        rng = np.random.default_rng(np.random.SeedSequence(world.seed, spawn_key=(PARTICLES,)))
        paths = [server.path for server in world.servers]
        self._ideal = Ideal(model.model_copy(update={"cycles": irregular}), paths, rng)

    def take(self, measurement: Measurement) -> None:
        """Learn from a measurement."""
        raw_ns = measurement.raw_ns
        beyond_s = (measurement.offset_ns - self._start_ns) / NS_PER_S - self._known.phase_s(raw_ns)
        self._ideal.take(measurement, int(measurement.source), raw_ns / NS_PER_S, beyond_s)

    def errors_s(self, raw_ns: int, truth_ns: NDArray[np.int64]) -> Vector:
        """Truth at the horizons minus what is expected."""
        ahead = (raw_ns + round(each * NS_PER_S) for each in HORIZONS_S)
        known_s = np.array([self._known.phase_s(each) for each in ahead])
        expected_s = self._ideal.expect(raw_ns / NS_PER_S, HORIZONS_S) + known_s
        errors: Vector = (truth_ns - self._start_ns) / NS_PER_S - expected_s
        return errors


def _structure(model: OscillatorModel) -> OscillatorModel:
    """What of an oscillator the oracle knows."""
    return OscillatorModel(cycles=model.cycles, load=model.load, step_s=model.step_s)


def _without(measurement: Measurement, structure: Oscillator) -> Measurement:
    """A measurement as it had been without structure."""
    moved_ns = round(structure.phase_s(measurement.raw_ns) * NS_PER_S)
    return replace(measurement, offset_ns=measurement.offset_ns - moved_ns)


def _expected_ns(bank: KalmanBank, instants_ns: Sequence[int]) -> NDArray[np.int64]:
    state = bank.state(instants_ns[0])
    assert state is not None  # noqa: S101 - it has measurements
    return np.array([state.offset_at(raw_ns) for raw_ns in instants_ns], dtype=np.int64)


def _processes(model: OscillatorModel, seed: int) -> list[Structure]:
    """The processes of an oscillator's structure, as it makes them, and their chance."""

    def chance(*purpose: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, *purpose)))

    found: list[Structure] = []
    if model.load:
        rng = chance(3)
        found.append((Loading(model.load, model.step_s, rng), rng))
    for number, cycle in enumerate(model.cycles):
        rng = chance(4, number)
        found.append((Cycling(cycle, model.step_s, rng), rng))
    return found


def _futures(going: Sequence[Structure], step_s: float) -> Vector:
    """Mean over drawn futures of what structure adds to the phase until each horizon."""
    steps = math.ceil(max(HORIZONS_S) / step_s) + 1
    times_s = step_s * np.arange(steps + 1)
    total = np.zeros(len(HORIZONS_S))
    for structure in going:
        frequency = np.zeros(steps)
        for number in range(FUTURES):
            process, chance = copy.deepcopy(structure)
            chance.bit_generator.state = np.random.default_rng(number).bit_generator.state
            frequency += process.advance(steps)
        phase_s = np.concatenate([[0.0], np.cumsum(frequency / FUTURES) * step_s])
        total += np.interp(HORIZONS_S, times_s, phase_s)
    return total
