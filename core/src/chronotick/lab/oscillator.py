"""A simulated oscillator: true time as a function of the local clock's reading.

``truth(raw) = start_utc + (raw - start_raw) + x(raw - start_raw)``, where the phase ``x`` (offset =
true time - local clock) is

``x(t) = offset + frequency t + ageing t^2 / 2 + steps + integral of the fluctuations``.

All but the last are exact. The fluctuations are means over the steps of a grid: their sum is
the phase at grid points, and between them the phase is linear. Equations and sources are in
``docs/simulator.md``.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from pydantic import Field

from chronotick.lab.description import Description, Interval, NonNegative, Signed
from chronotick.lab.environment import Cycle, Cycling, Load, Loading, Step
from chronotick.lab.fluctuations import FlickerFM, Floats, Fluctuation, RandomWalkFM, WhiteFM

NS_PER_S = 1_000_000_000
BLOCK_STEPS = 1024
DAY_S = 86_400.0
HVAC_PERIOD_S = 1200.0


class OscillatorModel(Description):
    """What decides how an oscillator runs, apart from chance.

    Attributes:
        offset_s: true time - local clock at the start.
        frequency: fractional frequency at the start (s/s): how much faster than the local clock
            true time passes.
        ageing: change of the frequency (1/s).
        white_fm: Allan deviation of white frequency noise at 1 s.
        flicker_fm: Allan deviation of flicker frequency noise, the same at every tau.
        wander: random-walk frequency noise (1/sqrt(s)); Allan deviation ``wander sqrt(tau/3)``.
        cycles: periodic changes of frequency.
        load: changes of frequency with computing load.
        steps: sudden changes of phase and frequency, in any order.
        step_s: grid of the fluctuations.
    """

    offset_s: Signed = 0.0
    frequency: float = Field(default=0.0, ge=-1e-2, le=1e-2)
    ageing: Signed = 0.0
    white_fm: NonNegative = 0.0
    flicker_fm: NonNegative = 0.0
    wander: NonNegative = 0.0
    cycles: tuple[Cycle, ...] = ()
    load: Load | None = None
    steps: tuple[Step, ...] = ()
    step_s: Interval = 1.0


_DAILY = Cycle(period_s=DAY_S, amplitude=0.5e-6)

OSCILLATORS = MappingProxyType(
    {
        "ideal": OscillatorModel(),
        "calm": OscillatorModel(wander=1e-9),
        "hvac": OscillatorModel(
            wander=1e-9, cycles=(_DAILY, Cycle(period_s=HVAC_PERIOD_S, amplitude=0.5e-6))
        ),
        "hvacs": OscillatorModel(
            wander=1e-9,
            cycles=(
                _DAILY,
                Cycle(period_s=HVAC_PERIOD_S, amplitude=0.1e-6, waveform="triangle", jitter=0.1),
            ),
        ),
        "load": OscillatorModel(
            wander=1e-9, load=Load(amplitude=0.5e-6, mean_hold_s=2400.0, thermal_constant_s=180.0)
        ),
        "rough": OscillatorModel(wander=1e-8),
        "host": OscillatorModel(
            white_fm=2e-8,
            flicker_fm=5e-8,
            wander=3e-10,
            ageing=1e-8 / DAY_S,
            cycles=(Cycle(period_s=DAY_S, amplitude=0.3e-6),),
        ),
    }
)
"""Named oscillators. The first six are the clocks of the recorded simulations; ``host`` has the
Allan deviation of real free-running hosts (a floor of 0.3 to 1.2e-7 from 1000 s to 8000 s)."""


class Oscillator:
    """An oscillator running from a given instant, the same for the same arguments.

    The fluctuations are drawn in blocks of `BLOCK_STEPS` grid steps, always in order and as far as
    they are asked for, so no answer depends on what was asked before. One day of a 1 s grid takes
    0.7 MB.

    Args:
        model: how it runs.
        seed: chance.
        start_raw_ns: reading of the local clock at the start.
        start_utc_ns: true time at the start, without the model's ``offset_s``.
    """

    def __init__(
        self, model: OscillatorModel, *, seed: int, start_raw_ns: int = 0, start_utc_ns: int = 0
    ) -> None:
        self.model = model
        self.start_raw_ns = start_raw_ns
        self._start_utc_ns = start_utc_ns
        self._step_ns = round(model.step_s * NS_PER_S)
        self._fluctuations = _fluctuations(model, seed)
        self._phase_s = np.zeros(1)  # of the fluctuations, at the grid points drawn so far

    def truth(self, raw_ns: int) -> int:
        """True time (UTC, ns) when the local clock reads `raw_ns`.

        Raises:
            ValueError: `raw_ns` is before the start.
        """
        elapsed_ns = raw_ns - self.start_raw_ns
        return self._start_utc_ns + elapsed_ns + round(self.phase_s(raw_ns) * NS_PER_S)

    def phase_s(self, raw_ns: int) -> float:
        """The phase x: true time - local clock at `raw_ns`, beyond what it was to start with (s).

        Raises:
            ValueError: `raw_ns` is before the start.
        """
        elapsed_ns = raw_ns - self.start_raw_ns
        if elapsed_ns < 0:
            raise ValueError(
                f"the simulated oscillator starts at local time {self.start_raw_ns} ns; it has no "
                f"truth {-elapsed_ns} ns before. Ask for later times, or start the world earlier."
            )
        elapsed_s = elapsed_ns / NS_PER_S
        trend_s = (self.model.frequency + self.model.ageing * elapsed_s / 2) * elapsed_s
        steps_s = sum(step.phase_after_s(elapsed_s) for step in self.model.steps)
        return self.model.offset_s + trend_s + steps_s + self._fluctuation_s(elapsed_ns)

    def _fluctuation_s(self, elapsed_ns: int) -> float:
        if not self._fluctuations:
            return 0.0
        index, rest_ns = divmod(elapsed_ns, self._step_ns)
        self._draw_until(index + 1)
        before_s, after_s = self._phase_s[index : index + 2]
        return float(before_s + (after_s - before_s) * (rest_ns / self._step_ns))

    def _draw_until(self, index: int) -> None:
        blocks = [self._phase_s]
        while sum(map(len, blocks)) <= index:
            blocks.append(self._next_block(float(blocks[-1][-1])))
        if len(blocks) > 1:
            self._phase_s = np.concatenate(blocks)

    def _next_block(self, phase_s: float) -> Floats:
        frequency = np.zeros(BLOCK_STEPS)
        for fluctuation in self._fluctuations:
            frequency += fluctuation.advance(BLOCK_STEPS)
        return phase_s + np.cumsum(frequency) * self.model.step_s


def _fluctuations(model: OscillatorModel, seed: int) -> list[Fluctuation]:
    """The processes of a model. Each has a random stream of its own, whichever others there are."""
    step_s = model.step_s

    def stream(*purpose: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, *purpose)))

    processes: list[Fluctuation] = []
    if model.white_fm:
        processes.append(WhiteFM(model.white_fm, step_s, stream(0)))
    if model.flicker_fm:
        processes.append(FlickerFM(model.flicker_fm, step_s, stream(1)))
    if model.wander:
        processes.append(RandomWalkFM(model.wander, step_s, stream(2)))
    if model.load:
        processes.append(Loading(model.load, step_s, stream(3)))
    processes += [Cycling(c, step_s, stream(4, k)) for k, c in enumerate(model.cycles)]
    return processes
