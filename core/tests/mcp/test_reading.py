from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.client.errors import ClockUnsynchronised
from chronotick.mcp.reading import bounds, future, vouched
from chronotick.shm.layout import Status
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter
from chronotick.views import Snapshot, TimeReading

NOON_NS = 1_796_040_000_000_000_000


def reading(bound_ns: int, sigma_ns: int) -> TimeReading:
    return TimeReading(
        time_ns=NOON_NS,
        time="2026-11-30T12:00:00.000000000+00:00",
        earliest_ns=NOON_NS - bound_ns,
        latest_ns=NOON_NS + bound_ns,
        bound_ns=bound_ns,
        sigma_ns=sigma_ns,
        system_minus_time_ns=0,
        status="synchronised",
        reliable=True,
        source="ntp",
        confidence=1.0,
        measured_ago_s=1.0,
        measurements=9,
        authenticated=False,
        leap="none",
        epoch=1,
    )


widths = st.integers(min_value=0, max_value=10**12)
shares = st.floats(min_value=0, max_value=1)


@given(widths, widths, shares, shares)
def test_more_confidence_never_narrows_and_never_leaves_the_hard_bound(
    bound_ns: int, sigma_ns: int, one: float, other: float
):
    now = reading(bound_ns, sigma_ns)
    less, more = (bounds(now, share) for share in sorted((one, other)))
    assert less.half_width_ns <= more.half_width_ns <= bound_ns
    assert more.kind == ("hard" if more.half_width_ns == bound_ns else "statistical")
    assert more.likely_latest_ns - more.likely_earliest_ns == 2 * more.half_width_ns
    assert less.latest_ns - less.earliest_ns == more.latest_ns - more.earliest_ns == 2 * bound_ns


def test_certainty_is_the_hard_bound_however_small_sigma_is():
    assert bounds(reading(1000, 0), 1.0).half_width_ns == 1000
    assert bounds(reading(1000, 1), 1.0 - 2**-53).half_width_ns == 1000


def test_95_percent_are_1_96_sigma():
    told = bounds(reading(10**9, 10_000), 0.95)
    assert told.half_width_ns == 19_600
    assert "normal" in told.assumes


def test_what_is_not_vouched_for_says_so_first():
    unsure = reading(1000, 10).model_copy(update={"reliable": False, "status": "warming-up"})
    assert bounds(unsure, 1.0).assumes.startswith("The daemon does not vouch")
    with pytest.raises(ClockUnsynchronised, match="warming-up") as caught:
        vouched(unsure)
    assert caught.value.status is Status.WARMING_UP


def test_the_future_is_of_the_same_record(snapshot: Snapshot, writer: RecordWriter):
    writer.write(replace(good_record(), rate=0.0))
    told = future(snapshot, 100.0)
    assert told.then.time_ns - told.now.time_ns == 100_000_000_000
    assert told.bound_growth_ns == pytest.approx(100 * 15e-6 * 1e9, abs=1)
    assert told.sigma_growth_ns == pytest.approx(100 * 1e-7 * 1e9, abs=1)
    assert future(snapshot, 0.0).bound_growth_ns == 0
