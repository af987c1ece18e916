"""Backoff and breaker, by the clock they are given."""

from __future__ import annotations

import signal

import pytest

from chronotick.workers.exits import describe
from chronotick.workers.restart import RestartPolicy, RestartRules

RULES = RestartRules(
    base_s=1.0, cap_s=8.0, crashes=100, window_s=300.0, open_s=300.0, proven_answers=2, proven_s=60
)


def ceiling(_low: float, high: float) -> float:
    return high


def test_delays_double_up_to_a_cap():
    policy = RestartPolicy(RULES, ceiling)
    delays = [policy.crashed(float(second)).delay_s for second in range(6)]
    assert delays == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_delays_are_anywhere_below_the_ceiling():
    policy = RestartPolicy(RULES)
    delays = [policy.crashed(0.0).delay_s for _ in range(50)]
    assert all(0 <= delay <= 8.0 for delay in delays)
    assert len(set(delays)) > 40


def test_being_alive_proves_nothing():
    policy = RestartPolicy(RULES, ceiling)
    policy.crashed(0.0)
    policy.started(1.0)
    assert policy.crashed(200.0).delay_s == 2.0


def test_answers_over_some_time_forget_earlier_crashes():
    policy = RestartPolicy(RULES, ceiling)
    policy.crashed(0.0)
    policy.started(1.0)
    policy.answered(30.0)
    policy.answered(62.0)
    assert policy.crashed(63.0).delay_s == 1.0


def test_answers_right_after_the_start_do_not():
    policy = RestartPolicy(RULES, ceiling)
    policy.crashed(0.0)
    policy.started(1.0)
    for _ in range(10):
        policy.answered(2.0)
    assert policy.crashed(3.0).delay_s == 2.0


def test_third_crash_in_the_window_opens_the_breaker():
    policy = RestartPolicy(RestartRules(), ceiling)
    assert not policy.crashed(0.0).open
    assert not policy.crashed(100.0).open
    verdict = policy.crashed(200.0)
    assert (verdict.open, verdict.delay_s) == (True, 300.0)


def test_crashes_far_apart_do_not():
    policy = RestartPolicy(RestartRules(), ceiling)
    assert not any(policy.crashed(time_s).open for time_s in (0.0, 200.0, 400.0, 600.0))


def test_failing_probe_opens_the_breaker_again_and_a_proven_one_closes_it():
    policy = RestartPolicy(RestartRules(), ceiling)
    for time_s in (0.0, 1.0, 2.0):
        policy.crashed(time_s)
    policy.started(302.0)
    assert policy.crashed(303.0).open
    policy.started(603.0)
    for time_s in range(610, 680, 10):
        policy.answered(float(time_s))
    assert not policy.crashed(681.0).open


def test_what_cannot_get_better_opens_the_breaker_at_once():
    assert RestartPolicy(RestartRules(), ceiling).crashed(0.0, retryable=False).open


@pytest.mark.parametrize(
    ("returncode", "words"),
    [
        (0, "without being asked"),
        (1, "Python error"),
        (4, "could not load the model"),
        (77, "ended with status 77"),
        (
            -signal.SIGKILL,
            r"SIGKILL \(by the kernel for want of memory \(see dmesg\), or by hand\)",
        ),
        (-signal.SIGSEGV, "SIGSEGV .* native code"),
        (-signal.SIGUSR1, "killed by SIGUSR1"),
        (-63, "killed by signal 63"),
    ],
)
def test_exit_statuses_are_put_into_words(returncode: int, words: str):
    import re

    assert re.search(words, describe(returncode))
