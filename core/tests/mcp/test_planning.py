from __future__ import annotations

from dataclasses import replace

import pytest

from chronotick.client.errors import ClockUnsynchronised
from chronotick.mcp.moments import Moment, MomentError
from chronotick.mcp.planning import WAKE_MARGIN_NS, ActionPlan, plan
from chronotick.shm.layout import Status
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter
from chronotick.views import Snapshot

HOUR_NS = 3_600_000_000_000


def planned(
    snapshot: Snapshot, ahead_ns: int, lead_s: float = 0.0, tolerance_s: float | None = None
) -> ActionPlan:
    at_ns = snapshot.time().time_ns + ahead_ns
    return plan(snapshot, Moment(at_ns, at_ns), lead_s, tolerance_s)


def test_the_guarantee_is_twice_the_bound_at_that_time(snapshot: Snapshot):
    told = planned(snapshot, 100_000_000_000)
    assert told.expected_bound_ns == pytest.approx(250_000 + 100 * 15_000, abs=15_000)
    assert told.expected_start_ns == told.at_ns + told.expected_bound_ns
    assert told.start_latest_ns == told.at_ns + 2 * told.expected_bound_ns
    assert told.start_when == f"earliest_ns > {told.at_ns}"


def test_what_starts_in_time_is_ready_even_if_the_clock_is_as_wrong_as_it_can_be(
    snapshot: Snapshot,
):
    told = planned(snapshot, 100_000_000_000, lead_s=30.0)
    slack_ns = told.at_ns - 30_000_000_000 - told.latest_safe_start_ns
    assert 250_000 <= slack_ns <= told.expected_bound_ns
    assert told.wake_at_ns == told.latest_safe_start_ns - WAKE_MARGIN_NS
    assert told.feasible
    assert any("Prepare, which takes 30 s" in step for step in told.steps)


def test_a_preparation_longer_than_what_is_left_is_not_feasible(snapshot: Snapshot):
    told = planned(snapshot, 10_000_000_000, lead_s=11.0)
    assert not told.feasible
    assert told.wake_in_seconds < 0


def test_an_interval_is_begun_after_its_end_and_prepared_for_its_beginning(snapshot: Snapshot):
    now_ns = snapshot.time().time_ns
    told = plan(snapshot, Moment(now_ns + HOUR_NS // 60, now_ns + HOUR_NS // 30))
    assert told.at_ns == now_ns + HOUR_NS // 30
    assert told.latest_safe_start_ns < now_ns + HOUR_NS // 60


@pytest.mark.parametrize(
    ("tolerance_s", "guaranteed", "least", "most"),
    [
        (None, None, None, None),
        (1.0, True, 1.0, 1.0),
        (300e-6, False, 0.9, 1.0),
        (0.0, False, 0, 0),
    ],
)
def test_the_tolerance_is_judged(
    snapshot: Snapshot,
    tolerance_s: float | None,
    guaranteed: bool | None,
    least: float | None,
    most: float | None,
):
    told = planned(snapshot, 1_000_000_000, tolerance_s=tolerance_s)
    assert told.guaranteed_within_tolerance is guaranteed
    if least is None or most is None:
        assert told.probability_within_tolerance is None
    else:
        assert told.probability_within_tolerance is not None
        assert least <= told.probability_within_tolerance <= most + 1e-9


def test_sigma_is_not_told_where_it_was_never_judged(snapshot: Snapshot):
    assert planned(snapshot, HOUR_NS - 10**9).expected_sigma_ns is not None
    later = planned(snapshot, 2 * HOUR_NS, tolerance_s=1e-3)
    assert later.expected_sigma_ns is None
    assert later.probability_within_tolerance is None
    assert planned(snapshot, 2 * HOUR_NS, tolerance_s=60.0).probability_within_tolerance == 1.0


def test_what_passed_or_is_too_far_ahead_is_refused(snapshot: Snapshot):
    with pytest.raises(MomentError, match=r"passed at least \d\.\d+ s ago"):
        planned(snapshot, -2_000_000_000)
    with pytest.raises(MomentError, match=r"31\.0 days ahead"):
        planned(snapshot, 31 * 24 * HOUR_NS)


def test_nothing_is_planned_by_a_clock_that_is_not_vouched_for(
    snapshot: Snapshot, writer: RecordWriter
):
    writer.write(replace(good_record(), status=Status.WARMING_UP))
    with pytest.raises(ClockUnsynchronised):
        planned(snapshot, HOUR_NS)
