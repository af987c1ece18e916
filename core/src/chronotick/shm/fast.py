"""The two fast readers behind ``chronotick.time``: one in C, one in Python, with the same answers.

Both answer while the record is good and call the slow functions they were given where it is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from chronotick.shm.clocks import BOOTTIME
from chronotick.shm.layout import Status
from chronotick.shm.now import Now

if TYPE_CHECKING:
    from chronotick.shm.served import ServedRecord  # imports dataclasses: 14 ms, at the first read

try:
    from chronotick.shm import _creader

    HAVE_C_READER = True
except ImportError:
    HAVE_C_READER = False


# One publication: words, its sequence, anchor_raw_ns, anchor_utc_ns, rate, void after. The anchor
# was in the past when the line was made, and RAW does not step back.
Line: TypeAlias = tuple[Sequence[int], int, int, int, float, int]
NO_LINE: Line = ((1,), 0, 0, 0, 0.0, 0)  # matches no sequence

# The same where bounds are vouched for, with what now() needs besides: bound_ns, bound_rate,
# sigma_ns, sigma_rate, status, and the time slept since boot (ns) beyond which it no longer holds.
IntervalLine: TypeAlias = tuple[Line, int, float, int, float, Status, int]
NO_INTERVAL: IntervalLine = (NO_LINE, 0, 0.0, 0, 0.0, Status.UNKNOWN, 0)

_RAW, _MONOTONIC = time.CLOCK_MONOTONIC_RAW, time.CLOCK_MONOTONIC
_clock_gettime_ns = time.clock_gettime_ns
_new = tuple.__new__  # of a NamedTuple: without the call of its own __new__, a third of the time


class FastReader(Protocol):
    """What both readers offer."""

    def attach(self, descriptor: int, /) -> None:
        """Map the record behind an open descriptor, which stays the caller's."""

    def detach(self) -> None:
        """Remove the mapping; every call takes the slow path until the next attach."""

    def time(self) -> float:
        """Served Unix time in seconds."""
        ...

    def time_ns(self) -> int:
        """Served Unix time in nanoseconds."""
        ...

    def now(self, allow_unsynchronised: bool = False) -> Now:
        """Interval of true time."""
        ...


class PythonReader:
    """The fast reader without C: it keeps the line of one publication and checks the sequence.

    Args:
        slow_time: called where :meth:`time` has no answer.
        slow_time_ns: called where :meth:`time_ns` has no answer.
        slow_now: called where :meth:`now` has no answer, and with its argument if it was given one.
    """

    def __init__(
        self,
        slow_time: Callable[[], float],
        slow_time_ns: Callable[[], int],
        slow_now: Callable[..., Now],
    ) -> None:
        self._slow_time = slow_time
        self._slow_time_ns = slow_time_ns
        self._slow_now = slow_now
        self._served: ServedRecord | None = None
        self._line = NO_LINE
        self._interval = NO_INTERVAL

    def attach(self, descriptor: int, /) -> None:
        """Map the record behind an open descriptor, which stays the caller's."""
        from chronotick.shm.served import ServedRecord

        self._served = ServedRecord(descriptor=descriptor)
        self._line, self._interval = NO_LINE, NO_INTERVAL

    def detach(self) -> None:
        """Remove the mapping; every call takes the slow path until the next attach."""
        self._served = None
        self._line, self._interval = NO_LINE, NO_INTERVAL

    def time(self) -> float:
        """Return the corrected time in seconds since the Unix epoch, as a float.

        A drop-in for :func:`time.time`: it never raises. Without a daemon that serves time it
        returns the system time and warns once with :class:`SystemTimeWarning`. Within an epoch it
        never steps back. It does not look for a suspend of the host: until the daemon's next
        publication after one, time is late by its length; :func:`now` looks.
        """
        # The body of time_ns() again, for a call more would cost a quarter of all of it;
        # __trunc__() is int() without looking up a type, 30 ns less.
        words, sequence, anchor_raw, anchor_utc, rate, end = self._line
        if words[0] == sequence:
            raw = _clock_gettime_ns(_RAW)
            if words[0] == sequence and raw <= end:
                age = raw - anchor_raw
                return (anchor_utc + age + (age * rate).__trunc__()) / 1e9
        time_ns = self._newer_time_ns()
        return self._slow_time() if time_ns is None else time_ns / 1e9

    def time_ns(self) -> int:
        """Return the corrected time in nanoseconds since the Unix epoch, as an int.

        Like :func:`time` without the 200 ns steps of a float of that size.
        """
        words, sequence, anchor_raw, anchor_utc, rate, end = self._line
        if words[0] == sequence:
            raw = _clock_gettime_ns(_RAW)
            if words[0] == sequence and raw <= end:
                age = raw - anchor_raw
                return anchor_utc + age + (age * rate).__trunc__()
        time_ns = self._newer_time_ns()
        return self._slow_time_ns() if time_ns is None else time_ns

    def now(self, allow_unsynchronised: bool = False) -> Now:
        """Return the interval that contains true time now, as a :class:`Now`.

        Args:
            allow_unsynchronised: return an answer in every case instead of raising: the interval
                of a clock that is still warming up, and an unbounded one (status unknown or
                disrupted) around the system time where nothing is known.

        Raises:
            DaemonUnavailable: there is no record, or its daemon has stopped publishing.
            ClockUnsynchronised: the daemon is there but cannot vouch for a time yet, or any more
                (also between a suspend of the host and the daemon's next publication).
        """
        if allow_unsynchronised:
            return self._slow_now(allow_unsynchronised)
        line, bound, bound_rate, sigma, sigma_rate, status, awake = self._interval
        words, sequence, anchor_raw, anchor_utc, rate, end = line
        if words[0] == sequence:
            raw = _clock_gettime_ns(_RAW)
            slept = _clock_gettime_ns(BOOTTIME) - _clock_gettime_ns(_MONOTONIC)
            if words[0] == sequence and raw <= end and slept <= awake:
                age = raw - anchor_raw
                estimate = anchor_utc + age + (age * rate).__trunc__()
                width = age * bound_rate
                bound += (whole := width.__trunc__()) + (whole < width)  # rounded up
                width = age * sigma_rate
                sigma += (whole := width.__trunc__()) + (whole < width)
                return _new(Now, (estimate - bound, estimate + bound, estimate, sigma, status))
        return self._newer_now() or self._slow_now(allow_unsynchronised)

    def _newer_now(self) -> Now | None:
        served = self._served
        if served is None:
            return None
        self._interval, now = served.interval()
        return now

    def _newer_time_ns(self) -> int | None:
        served = self._served
        if served is None:
            return None
        self._line, time_ns = served.line()
        return time_ns


def fast_reader(
    slow_time: Callable[[], float],
    slow_time_ns: Callable[[], int],
    slow_now: Callable[..., Now],
    *,
    pure: bool = False,
) -> FastReader:
    """Make the fastest reader there is, or with ``pure`` the one in Python."""
    if pure or not HAVE_C_READER:
        return PythonReader(slow_time, slow_time_ns, slow_now)
    return _creader.Reader(Now, tuple(Status), slow_time, slow_time_ns, slow_now)
