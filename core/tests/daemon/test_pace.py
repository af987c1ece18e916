"""When a model may be asked again, by the clock it is given."""

from __future__ import annotations

import pytest

from chronotick.daemon.pace import LONGEST_PAUSE_S, Pace


def test_a_model_nobody_asked_may_be_asked():
    pace = Pace(max_duty=0.2)
    assert pace.rest_s(5.0) == 0
    assert pace.wait_s("short_term", 5.0) == 0


@pytest.mark.parametrize(
    ("max_duty", "threads", "rest_s"),
    [(0.2, 1, 8.0), (0.5, 1, 2.0), (1.0, 1, 0.0), (0.2, 2, 18.0), (4.0, 2, 0.0)],
)
def test_the_rest_keeps_the_worker_within_its_duty(max_duty: float, threads: int, rest_s: float):
    pace = Pace(max_duty, threads)
    pace.busy(10.0, 12.0)
    assert pace.rest_s(12.0) == pytest.approx(rest_s)
    assert pace.rest_s(12.0 + rest_s) == 0
    if rest_s:
        assert 2.0 * threads / (2.0 + rest_s) == pytest.approx(max_duty)


def test_a_quick_model_hardly_rests():
    pace = Pace(max_duty=0.2)
    pace.busy(0.0, 0.003)
    assert pace.rest_s(0.003) == pytest.approx(0.012)


def test_rest_counts_from_the_end_of_the_longest():
    pace = Pace(max_duty=0.5)
    pace.busy(0.0, 10.0)
    pace.busy(10.0, 10.1)
    assert pace.rest_s(10.1) == pytest.approx(9.9)


def test_misses_make_pauses_grow_and_never_without_end():
    pace = Pace(max_duty=1.0)
    pauses = []
    for _ in range(100):
        pace.missed("short_term", 0.0, interval_s=5.0)
        pauses.append(pace.wait_s("short_term", 0.0))
    assert pauses[:4] == [10.0, 20.0, 40.0, 80.0]
    assert pauses[-1] == LONGEST_PAUSE_S
    assert pace.wait_s("short_term", LONGEST_PAUSE_S) == 0


def test_an_interval_above_the_longest_pause_is_not_shortened():
    pace = Pace(max_duty=1.0)
    pace.missed("long_term", 0.0, interval_s=3600.0)
    assert pace.wait_s("long_term", 0.0) == 3600.0


def test_misses_of_one_loop_do_not_hold_up_the_other():
    pace = Pace(max_duty=1.0)
    pace.missed("short_term", 0.0, interval_s=5.0)
    assert pace.wait_s("long_term", 0.0) == 0


def test_an_answer_forgives():
    pace = Pace(max_duty=1.0)
    for _ in range(3):
        pace.missed("short_term", 0.0, interval_s=5.0)
    pace.answered("short_term")
    assert pace.wait_s("short_term", 0.0) == 0
    pace.missed("short_term", 0.0, interval_s=5.0)
    assert (pace.misses("short_term"), pace.wait_s("short_term", 0.0)) == (1, 10.0)
