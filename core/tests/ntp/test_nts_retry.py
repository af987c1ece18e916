from __future__ import annotations

import pytest

from chronotick.ntp.nts.retry import LONGEST_S, Retry


def test_the_first_key_exchange_waits_for_nothing() -> None:
    assert Retry().wait_s(0) == 0


def test_pauses_grow_by_half_from_ten_seconds_to_an_hour() -> None:
    """RFC 8915, section 4.2, but for the end."""
    retry, pauses_s, now_s = Retry(), [], 0.0
    for _ in range(100):
        retry.attempted(now_s)
        pauses_s.append(retry.wait_s(now_s))
        now_s += pauses_s[-1]
        assert retry.wait_s(now_s) == 0
    assert pauses_s[:4] == [10, 15, 22.5, 33.75]
    assert pauses_s[-1] == max(pauses_s) == LONGEST_S


def test_only_an_authenticated_reply_ends_the_back_off() -> None:
    retry = Retry()
    for _ in range(5):
        retry.attempted(0)
    assert retry.wait_s(40) == pytest.approx(10.625)
    retry.succeeded()
    assert retry.wait_s(0) == 0
    retry.attempted(0)
    assert retry.wait_s(0) == 10
