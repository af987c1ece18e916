"""Keeps a ClockBound 2 segment up to date."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from chronotick.neighbours.errorbound import (
    Reading,
    SystemRate,
    error_bound,
    read_clocks,
    system_rate,
)
from chronotick.neighbours.problem import NeighbourError
from chronotick.neighbours.segment import Segment
from chronotick.neighbours.standing import Standing
from chronotick.ntp.timestamps import ClockPair
from chronotick.shm.layout import Status

log = logging.getLogger("chronotick.neighbours")

RENEWAL_S = 1.0
"""As often as upstream's daemon; its clients take a statement for fresh for five seconds."""

_MARKER_MODULUS = 1 << 64


class Disruptions:
    """The disruption marker: goes on from the last one whenever the clock did not just run on.

    Args:
        last: the marker before; nobody knows what happened since, so the first is another.
    """

    def __init__(self, last: int) -> None:
        self.marker = (last + 1) % _MARKER_MODULUS
        self._disrupted = False
        self._epoch: int | None = None

    def observe(self, standing: Standing, *, stepped: bool) -> None:
        """Take in how things stand, and whether the system clock was stepped."""
        disrupted = standing.status is Status.DISRUPTED
        epoch = self._epoch if standing.record is None else standing.record.epoch
        jumped = self._epoch is not None and epoch != self._epoch
        if stepped or jumped or (disrupted and not self._disrupted):
            self.marker = (self.marker + 1) % _MARKER_MODULUS
        self._disrupted, self._epoch = disrupted, epoch


class ClockBound:
    """Writes a statement about the system clock once a second.

    Args:
        path: the segment's file.
        standing: how things stand now.

    Raises:
        NeighbourError: the file cannot be taken.
    """

    def __init__(self, path: Path, standing: Callable[[], Standing]) -> None:
        self._segment = Segment(path)
        self._standing = standing
        self._disruptions = Disruptions(self._segment.last_marker)
        self._before: ClockPair | None = None
        log.info("ClockBound: writing %s", path)

    async def keep(self) -> None:
        """Renew the statement for ever.

        Raises:
            NeighbourError: another program writes the file, or removed it.
        """
        while True:
            self.renew()
            await asyncio.sleep(RENEWAL_S)

    def renew(self) -> None:
        """Write what holds now.

        Raises:
            NeighbourError: another program writes the file, or removed it.
        """
        standing, reading = self._standing(), read_clocks()
        system = self._system_rate(reading)
        self._disruptions.observe(standing, stepped=system.stepped)
        statement = error_bound(standing, reading, system, self._disruptions.marker)
        self._segment.write(statement.pack())

    def close(self) -> None:
        """Tell clients that nobody vouches for the clock any more; the file stays."""
        nobody, marker = Standing(None, Status.UNKNOWN), self._disruptions.marker
        with contextlib.suppress(NeighbourError):  # it is somebody else's by now
            self._segment.write(error_bound(nobody, read_clocks(), SystemRate(), marker).pack())
        self._segment.close()
        log.info("ClockBound: stopped writing %s", self._segment.path)

    def _system_rate(self, reading: Reading) -> SystemRate:
        before, self._before = self._before, reading.pair
        if before is None:
            return SystemRate()
        system = system_rate(before, reading.pair)
        if system.stepped:
            log.warning("ClockBound: the system clock was stepped; its bound is stated anew")
        return system
