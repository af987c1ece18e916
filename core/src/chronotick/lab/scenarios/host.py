"""The clocks of a virtual host, as functions of its local clock (CLOCK_MONOTONIC_RAW)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from chronotick.lab.network import NS_PER_S
from chronotick.lab.scenarios.events import (
    Event,
    LeapSecond,
    Standstill,
    Suspend,
    SystemSlew,
    SystemStep,
)
from chronotick.lab.world import LiveWorld


class Host:
    """What the clocks of a host show, and what they ought to.

    Args:
        live: its oscillator.
        events: what happens to its clocks; other events do nothing here.
        system_offset_s: how far its system clock is ahead of true time at the start.
    """

    def __init__(
        self, live: LiveWorld, events: Iterable[Event] = (), system_offset_s: float = 0.0
    ) -> None:
        events = list(events)
        self.start_raw_ns = live.world.start_raw_ns
        self._live = live
        self._system_ns = live.start_offset_ns + _ns(system_offset_s)
        self._steps = [each for each in events if isinstance(each, SystemStep)]
        self._slews = [each for each in events if isinstance(each, SystemSlew)]
        self._sleeps = [each for each in events if isinstance(each, Suspend)]
        self._standstills = [each for each in events if isinstance(each, Standstill)]
        self._leaps = [each for each in events if isinstance(each, LeapSecond)]

    def truth(self, raw_ns: int) -> int:
        """True time (UTC, ns) when the local clock reads ``raw_ns``."""
        at_s = self.elapsed_s(raw_ns)
        stood_s = sum(each.for_s for each in self._standstills if each.at_s <= at_s)
        utc_ns = self._live.truth(raw_ns) + self.suspended_ns(raw_ns) + _ns(stood_s)
        return utc_ns + _ns(sum(each.by_s for each in self._leaps if each.at_utc_ns <= utc_ns))

    def system(self, raw_ns: int) -> int:
        """CLOCK_REALTIME in ns."""
        at_s = self.elapsed_s(raw_ns)
        moved_s = sum(each.by_s for each in self._steps if each.at_s <= at_s)
        moved_s += sum(each.misjudged_s for each in self._sleeps if each.at_s <= at_s)
        moved_s += sum(
            each.rate * (min(at_s, each.until_s) - each.at_s)
            for each in self._slews
            if each.at_s <= at_s
        )
        return raw_ns + self._system_ns + self.suspended_ns(raw_ns) + _ns(moved_s)

    def suspended_ns(self, raw_ns: int) -> int:
        """How long the host has slept."""
        at_s = self.elapsed_s(raw_ns)
        return _ns(sum(each.for_s for each in self._sleeps if each.at_s <= at_s))

    def slept_between(self, from_ns: int, until_ns: int) -> bool:
        """Whether the host slept between two readings of the local clock."""
        return self.suspended_ns(from_ns) != self.suspended_ns(until_ns)

    def elapsed_s(self, raw_ns: int) -> float:
        """Seconds of the local clock since the start."""
        return (raw_ns - self.start_raw_ns) / NS_PER_S


class HostTime:
    """Stands where a program expects the ``time`` module, and shows the host's clocks.

    Args:
        host: it.
        read_raw_ns: its local clock now.
    """

    CLOCK_REALTIME: Final = time.CLOCK_REALTIME
    CLOCK_MONOTONIC: Final = time.CLOCK_MONOTONIC
    CLOCK_MONOTONIC_RAW: Final = time.CLOCK_MONOTONIC_RAW
    CLOCK_BOOTTIME: Final = getattr(time, "CLOCK_BOOTTIME", -1)  # Linux only

    def __init__(self, host: Host, read_raw_ns: Callable[[], int]) -> None:
        self._host = host
        self._read_raw_ns = read_raw_ns

    def clock_gettime_ns(self, clock: int) -> int:
        """Read a clock (clock_gettime(2))."""
        raw_ns = self._read_raw_ns()
        if clock == self.CLOCK_REALTIME:
            return self._host.system(raw_ns)
        return raw_ns + (self._host.suspended_ns(raw_ns) if clock == self.CLOCK_BOOTTIME else 0)

    def monotonic(self) -> float:
        """CLOCK_MONOTONIC in s: here nobody slews it."""
        return self._read_raw_ns() / NS_PER_S

    def time_ns(self) -> int:
        """CLOCK_REALTIME in ns."""
        return self._host.system(self._read_raw_ns())


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
