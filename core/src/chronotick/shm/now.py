"""The answer to "what time is it?": an interval, not a number."""

from __future__ import annotations

from typing import NamedTuple

from chronotick.shm.layout import Status

_NS_PER_S = 1_000_000_000


class Now(NamedTuple):
    """True time as an interval, in Unix time.

    Attributes:
        earliest_ns: true time is not before this (ns).
        latest_ns: true time is not after this (ns).
        estimate_ns: best estimate (ns).
        sigma_ns: calibrated standard uncertainty of the estimate (ns).
        status: what the daemon says about its clock.
    """

    earliest_ns: int
    latest_ns: int
    estimate_ns: int
    sigma_ns: int
    status: Status

    @property
    def earliest(self) -> float:
        """``earliest_ns`` in seconds, rounded down to a float: still not after true time."""
        return _seconds_below(self.earliest_ns)

    @property
    def latest(self) -> float:
        """``latest_ns`` in seconds, rounded up to a float: still not before true time."""
        return -_seconds_below(-self.latest_ns)

    @property
    def estimate(self) -> float:
        """``estimate_ns`` in seconds, as :func:`chronotick.time` gives it."""
        return self.estimate_ns / _NS_PER_S

    @property
    def sigma(self) -> float:
        """``sigma_ns`` in seconds."""
        return self.sigma_ns / _NS_PER_S

    def __hash__(self) -> int:
        # The C reader makes instances without tuple.__new__, which since Python 3.14 prepares the
        # cached hash: take the hash of an ordinary tuple instead.
        return hash(tuple(self))


def _seconds_below(time_ns: int) -> float:
    """Return the largest float of seconds that is not above a time."""
    import math

    seconds = time_ns / _NS_PER_S
    numerator, denominator = seconds.as_integer_ratio()
    above = numerator * _NS_PER_S > time_ns * denominator  # exact, in integers
    return math.nextafter(seconds, -math.inf) if above else seconds
