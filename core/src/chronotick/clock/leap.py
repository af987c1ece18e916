"""When an announced leap second is due.

A server's leap indicator warns of a leap second "in the last minute of the current month" (RFC
5905, section 7.3); it says nothing nearer than that.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

NS_PER_S = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def month_ends_ns(utc_ns: int) -> int:
    """Unix time (ns) at which the month of an instant ends in UTC, leap second not counted."""
    at = _EPOCH + timedelta(seconds=utc_ns // NS_PER_S)
    year, month = divmod(at.year * 12 + at.month, 12)  # of the next month: at.month counts from 1
    ends = datetime(year, month + 1, 1, tzinfo=timezone.utc)
    return (ends - _EPOCH) // timedelta(seconds=1) * NS_PER_S
