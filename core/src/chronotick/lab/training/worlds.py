"""A drawn world in motion: what a client measures in it, and the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.network import NS_PER_S
from chronotick.lab.polling import exchanges
from chronotick.lab.simulation import Simulation
from chronotick.lab.world import LiveWorld
from chronotick.ntp.measurement import Measurement

AFTER_S = 1.0  # beyond the last instant asked for that the oscillator is drawn at once


@dataclass(frozen=True, slots=True, eq=False)
class Lived:
    """A simulation that was lived through.

    Attributes:
        simulation: it.
        live: its world, which knows the truth.
        measurements: what came of all questions, in the order of their answers.
    """

    simulation: Simulation
    live: LiveWorld
    measurements: Sequence[Measurement]

    @property
    def end_ns(self) -> int:
        """When the client stops asking."""
        return self.live.world.start_raw_ns + round(self.simulation.duration_s * NS_PER_S)

    def offset_ns(self, instants_ns: Sequence[int]) -> NDArray[np.int64]:
        """True time - local clock, which no client knows."""
        truth = self.live.truth
        return np.array([truth(raw_ns) - raw_ns for raw_ns in instants_ns], dtype=np.int64)


def live_through(simulation: Simulation, reach_s: float) -> Lived:
    """Let a client ask as a simulation says, from its begin to its end.

    Args:
        simulation: it.
        reach_s: how far after its end the truth will be asked for: drawn at once, which is faster.
    """
    live = simulation.world.live()
    until_s = simulation.duration_s + reach_s + AFTER_S
    live.truth(live.world.start_raw_ns + round(until_s * NS_PER_S))
    asked = (
        exchange
        for server in range(len(simulation.world.servers))
        for exchange in exchanges(live, server, simulation.polling, simulation.duration_s)
    )
    answered = sorted(filter(None, asked), key=attrgetter("t4_ns"))
    return Lived(simulation, live, [exchange.measurement() for exchange in answered])
