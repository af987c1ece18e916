"""A clock whose truth was recorded, measured over a simulated network.

What a GNSS receiver says of a clock is the truth about it, and nothing that the clock's daemon
could know. So the clock is the recorded one and the network a simulated one: an exchange takes its
times from the recorded truth, as those of `chronotick.lab.simulation` do from an oscillator.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import numpy as np

from chronotick.lab.ordering.nodes import Node, name_of
from chronotick.lab.ordering.truetime import TrueTime
from chronotick.lab.polling import Polling, exchanges
from chronotick.lab.recordings import read_recording
from chronotick.lab.recordings.assembling import Origin, assembled
from chronotick.lab.recordings.recording import Row
from chronotick.lab.recordings.remarks import Remarks
from chronotick.lab.world import Exchange, LiveWorld, World

SERVERS = 4
TRUTH_ERROR_S = 2e-6
"""1 us of a GNSS receiver, and 1 us of the line between its statements, a second apart."""


def emulated_node(path: str, network: str, *, seed: int, servers: int = SERVERS) -> Node:
    """Measure a recorded clock over a simulated network.

    Args:
        path: a table of the clock's true offsets, as `read_recording` reads them, of one source.
        network: a key of `chronotick.lab.PATHS`.
        seed: chance of routes, delays and polls.
        servers: how many.

    Raises:
        RecordingError: the table cannot be read.
        OrderingError: it has several sources.
        ValueError: there is no such network.
    """
    truth = TrueTime.of(read_recording(path))
    world = World.from_preset(f"{network}-ideal", servers=servers, seed=seed)
    live = _RecordedClock(world, truth)
    told = f"{path}, measured over {network}"
    rows = sorted(_rows(live, truth), key=attrgetter("arrived_ns"))
    recording = assembled(Origin(path=told, format="recorded clock"), rows, Remarks())
    return Node(name=f"{name_of(Path(path))}-{network}", recording=recording, truth=truth)


class _RecordedClock(LiveWorld):
    """A world whose oscillator was recorded; its local clock starts at 0."""

    def __init__(self, world: World, truth: TrueTime) -> None:
        super().__init__(world)
        self._since_ns = (truth.local_ns - truth.local_ns[0]).astype(np.float64)
        offset_ns = truth.true_ns - truth.local_ns
        self._first_ns = int(offset_ns[0])
        self._change_ns = (offset_ns - offset_ns[0]).astype(np.float64)

    def truth(self, raw_ns: int) -> int:
        change_ns = round(float(np.interp(raw_ns, self._since_ns, self._change_ns)))
        return self.world.start_utc_ns + raw_ns + self._first_ns + change_ns


def _rows(live: _RecordedClock, truth: TrueTime) -> Iterator[Row]:
    first_ns, last_ns = int(truth.local_ns[0]), int(truth.local_ns[-1])
    duration_s = (last_ns - first_ns) * 1e-9
    for server in range(len(live.world.servers)):
        for exchange in exchanges(live, server, Polling(), duration_s):
            if exchange is not None and exchange.t4_ns + first_ns <= last_ns:
                yield _row(live, exchange, first_ns)


def _row(live: LiveWorld, exchange: Exchange, first_ns: int) -> Row:
    middle_ns, offset_ns = live.seen(exchange)
    return Row(
        line=0,
        source=str(exchange.server + 1),
        local_ns=middle_ns + first_ns,
        arrived_ns=exchange.t4_ns + first_ns,
        offset_ns=offset_ns,
        delay_ns=exchange.delay_ns,
    )
