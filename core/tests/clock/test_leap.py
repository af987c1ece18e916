"""When an announced leap second is due."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from chronotick.clock.leap import month_ends_ns

NS_PER_S = 1_000_000_000


def unix_ns(*when: int) -> int:
    return int(datetime(*when, tzinfo=timezone.utc).timestamp()) * NS_PER_S


@pytest.mark.parametrize(
    ("at", "ends"),
    [
        ((2016, 12, 31, 23, 59, 59), (2017, 1, 1)),
        ((2017, 1, 1), (2017, 2, 1)),
        ((2024, 2, 28, 12), (2024, 3, 1)),
        ((2026, 6, 30, 23, 59, 59), (2026, 7, 1)),
        ((2026, 11, 15), (2026, 12, 1)),
    ],
)
def test_a_month_ends_where_the_next_begins(at, ends):
    assert month_ends_ns(unix_ns(*at)) == unix_ns(*ends)


def test_the_last_nanosecond_belongs_to_the_month():
    ends_ns = unix_ns(2027, 1, 1)
    assert month_ends_ns(ends_ns - 1) == ends_ns
