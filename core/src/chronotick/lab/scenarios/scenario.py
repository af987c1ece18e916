"""What a scenario is: a world, what happens in it, and what must hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chronotick.lab.scenarios.events import Event, Mischief
from chronotick.lab.world import World
from chronotick.shm.layout import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must hold. True time must be inside every interval that a reader gets in any case.

    Attributes:
        error_s: true error at most, while synchronised: from the first time on that it is, and
            again once the clock has recovered.
        within_s: how long after ``Scenario.over_s`` readers may have to wait until the clock is
            synchronised, and the error within ``error_s``, for good.
        statuses: every status the clock must go through, in this order and no other; several
            holdovers in a row count as one.
        reasons: the letters that servers may have at the end, by number.
        dropped: what replies, or attempts to get any, must have been dropped for, by the number of
            the server; see ``docs/nts.md``.
        key_exchanges: how many exchanges of NTS keys servers must have done, by number.
        authenticated: whether every time that is served must be vouched for by authenticated
            servers alone.
        epochs: how often served time may be stepped.
        silent_s: intervals, from and to, in which no reader may get a time.
        blind_s: intervals, from and to, in which true time may be outside: what the bound assumes
            does not hold then. See ``docs/time.md``.
    """

    error_s: float
    within_s: float
    statuses: tuple[Status, ...] = (Status.WARMING_UP, Status.SYNCHRONISED)
    reasons: Mapping[int, str] = field(default_factory=dict)
    dropped: Mapping[int, str] = field(default_factory=dict)
    key_exchanges: Mapping[int, int] = field(default_factory=dict)
    authenticated: bool = False
    epochs: int = 0
    silent_s: tuple[tuple[float, float], ...] = ()
    blind_s: tuple[tuple[float, float], ...] = ()

    def is_silent(self, at_s: float) -> bool:
        """Whether there must be no time at an instant."""
        return any(from_s <= at_s < to_s for from_s, to_s in self.silent_s)

    def is_blind(self, at_s: float) -> bool:
        """Whether the bound's assumptions do not hold at an instant."""
        return any(from_s <= at_s < to_s for from_s, to_s in self.blind_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A named course of events.

    Attributes:
        name: as chrony's simulation suite names it, where it has one like it.
        happens: what happens, in a sentence.
        asserts: what must hold, in a sentence.
        world: clock, servers and their networks.
        expected: what must hold.
        events: what happens to host and servers.
        mischief: what else happens to packets.
        over_s: when the disturbance has ended, from which recovery is counted.
        duration_s: how long it all takes.
        system_offset_s: how far the system clock is ahead of true time at the start.
        servers: what is configured; by default the address of every server of the world. All of
            them speak NTS, and have the key that is in the host's file.
        pool: numbers of the servers that a configured name stands for.
        ntp: further settings of ``clock_measurement.ntp``.
    """

    name: str
    happens: str
    asserts: str
    world: World
    expected: Expected
    events: tuple[Event, ...] = ()
    mischief: Mischief = field(default_factory=Mischief)
    over_s: float = 0.0
    duration_s: float = 900.0
    system_offset_s: float = 0.35
    servers: tuple[str, ...] = ()
    pool: tuple[int, ...] = ()
    ntp: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0.0 <= self.over_s < self.duration_s < math.inf:
            raise ValueError(f"{self.name}: over_s must lie between 0 and duration_s")
