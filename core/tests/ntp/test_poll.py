from __future__ import annotations

from chronotick.ntp.poll import LOUD, QUIET, Poll, PollLimits

LIMITS = PollLimits(minimum_s=16, maximum_s=1024, burst_s=0.5, burst_replies=3)


def quiet(poll: Poll, reports: int) -> None:
    for _ in range(reports):
        poll.feedback(QUIET / 2)


def test_a_burst_lasts_until_enough_replies_came() -> None:
    poll = Poll(LIMITS, burst=True)
    intervals = []
    for _ in range(4):
        intervals.append(poll.interval_s)
        poll.replied()
    assert intervals == [0.5, 0.5, 0.5, 16]


def test_an_unanswered_burst_backs_off_and_goes_on_when_answers_come() -> None:
    poll = Poll(LIMITS, burst=True)
    intervals = []
    for _ in range(8):
        intervals.append(poll.interval_s)
        poll.failed()
    assert intervals == [0.5, 1, 2, 4, 8, 16, 16, 16]
    poll.replied()
    assert (poll.bursting, poll.interval_s) == (True, 0.5)


def test_without_a_burst_the_minimum_holds() -> None:
    poll = Poll(LIMITS, burst=False)
    assert (poll.bursting, poll.interval_s) == (False, 16)
    poll.failed()
    assert poll.interval_s == 16


def test_pauses_are_jittered_and_never_below_the_interval() -> None:
    poll = Poll(LIMITS, burst=False)
    pauses = [poll.next_pause_s() for _ in range(100)]
    assert min(pauses) >= 16
    assert max(pauses) <= 16 * 1.1
    assert len(set(pauses)) > 1


def test_a_predictable_clock_is_measured_less_often_up_to_the_maximum() -> None:
    poll = Poll(LIMITS, burst=False)
    quiet(poll, 5)
    assert poll.interval_s == 16
    quiet(poll, 1)
    assert poll.interval_s == 32
    quiet(poll, 1000)
    assert poll.interval_s == 1024


def test_a_surprise_halves_the_interval_at_once_down_to_the_minimum() -> None:
    poll = Poll(LIMITS, burst=False)
    quiet(poll, 12)
    poll.feedback(-LOUD - 1)
    assert poll.interval_s == 32
    for _ in range(10):
        poll.feedback(LOUD + 1)
    assert poll.interval_s == 16


def test_middling_innovations_neither_grow_nor_shrink_the_interval() -> None:
    poll = Poll(LIMITS, burst=False)
    quiet(poll, 6)
    for _ in range(100):
        poll.feedback((QUIET + LOUD) / 2)
        quiet(poll, 1)
    assert poll.interval_s == 32


def test_the_burst_itself_is_no_evidence_of_a_predictable_clock() -> None:
    poll = Poll(LIMITS, burst=True)
    quiet(poll, 100)
    for _ in range(3):
        poll.replied()
    assert poll.interval_s == 16


def test_a_new_burst_starts_over_at_the_minimum() -> None:
    poll = Poll(LIMITS, burst=False)
    quiet(poll, 12)
    poll.burst()
    assert poll.interval_s == 0.5
    for _ in range(3):
        poll.replied()
    assert poll.interval_s == 16


def test_rate_doubles_the_interval_for_good() -> None:
    poll = Poll(LIMITS, burst=True)
    poll.slow_down()
    assert (poll.bursting, poll.interval_s) == (False, 32)
    poll.slow_down()
    assert poll.interval_s == 64
    for _ in range(10):
        poll.feedback(LOUD + 1)
    poll.burst()
    assert (poll.bursting, poll.interval_s) == (False, 64)


def test_rate_cannot_silence_a_source() -> None:
    poll = Poll(LIMITS, burst=False)
    for _ in range(50):
        poll.slow_down()
    assert poll.interval_s == 1024


def test_changed_limits_hold_at_once() -> None:
    poll = Poll(LIMITS, burst=False)
    quiet(poll, 12)
    poll.set_limits(PollLimits(minimum_s=1, maximum_s=8, burst_s=0.5, burst_replies=3))
    assert poll.interval_s == 8
    poll.set_limits(LIMITS)
    assert poll.interval_s == 16
