from __future__ import annotations

import pytest

from chronotick.daemon.ledger import KEPT, Ledger, Page, median, p90


def test_before_the_second_question_there_is_no_interval():
    page = Page()
    assert page.interval_s(5.0) is None
    page.asked_s.append(1.0)
    assert page.interval_s(5.0) is None


def test_the_interval_is_the_mean_between_questions():
    page = Page()
    page.asked_s.extend([0.0, 5.0, 10.0, 21.0])
    assert page.interval_s(22.0) == pytest.approx(7.0)


def test_a_pause_that_goes_on_counts():
    page = Page()
    page.asked_s.extend([0.0, 5.0, 10.0])
    assert page.interval_s(110.0) == pytest.approx(110 / 3)


def test_age_is_that_of_the_last_forecast_taken():
    page = Page()
    assert page.age_s(3.0) is None
    page.taken_s = 1.0
    assert page.age_s(3.0) == 2.0


def test_pages_are_kept_apart_and_latencies_together():
    ledger = Ledger()
    ledger.page("short_term").latencies_s.append(1.0)
    ledger.page("long_term").latencies_s.append(3.0)
    assert ledger.page("short_term").misses == 0
    assert median(ledger.latencies_s()) == 2.0
    assert set(ledger.pages) == {"short_term", "long_term"}


def test_what_is_kept_is_bounded():
    page = Page()
    page.asked_s.extend(range(10 * KEPT))
    page.latencies_s.extend(range(10 * KEPT))
    assert len(page.asked_s) == len(page.latencies_s) == KEPT


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], None), ([7.0], 7.0), (range(1, 11), 9), (range(1, 101), 90), ([1, 2], 2)],
)
def test_nine_of_ten_stay_at_or_below(values, expected):
    assert p90(values) == expected


def test_the_median_of_nothing_is_not_known():
    assert median([]) is None
