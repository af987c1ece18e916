from __future__ import annotations

from chronotick.neighbours.rate_limit import KISS_INTERVAL_NS, RateLimiter, Verdict

S = 1_000_000_000


def verdicts(limiter: RateLimiter, host: str, count: int, now_ns: int = 0) -> list[Verdict]:
    return [limiter.judge(host, now_ns) for _ in range(count)]


def test_a_burst_is_answered_then_one_kiss_then_silence():
    limiter = RateLimiter(rate=10)
    assert verdicts(limiter, "192.0.2.1", 23) == (
        [Verdict.ANSWER] * 20 + [Verdict.KISS] + [Verdict.DROP] * 2
    )


def test_even_the_slowest_rate_lets_a_client_start():
    assert verdicts(RateLimiter(rate=0.1), "192.0.2.1", 8) == [Verdict.ANSWER] * 8


def test_in_the_long_run_the_rate_is_kept():
    limiter = RateLimiter(rate=10)
    answered = sum(
        limiter.judge("192.0.2.1", n * S // 100) is Verdict.ANSWER for n in range(100 * 60)
    )
    assert 10 * 60 <= answered <= 10 * 60 + 20


def test_kisses_are_far_apart():
    limiter = RateLimiter(rate=1)
    verdicts(limiter, "192.0.2.1", 8)
    flood = [limiter.judge("192.0.2.1", n * 1_000_000) for n in range(60_000)]
    assert 1 <= flood.count(Verdict.KISS) <= 60 * S // KISS_INTERVAL_NS


def test_one_address_does_not_use_up_what_is_for_another():
    limiter = RateLimiter(rate=1)
    verdicts(limiter, "192.0.2.1", 100)
    assert limiter.judge("192.0.2.2", 0) is Verdict.ANSWER


def test_an_ipv6_host_has_one_bucket_for_all_its_addresses():
    limiter = RateLimiter(rate=1)
    for n in range(8):
        assert limiter.judge(f"2001:db8::{n}", 0) is Verdict.ANSWER
    assert limiter.judge("2001:db8::ffff", 0) is not Verdict.ANSWER
    assert limiter.judge("2001:db8:0:1::1", 0) is Verdict.ANSWER
    assert limiter.judge("fe80::1%eth0", 0) is Verdict.ANSWER


def test_a_flood_from_forged_addresses_does_not_fill_the_memory():
    limiter = RateLimiter(rate=1, clients=100)
    for n in range(10_000):
        limiter.judge(f"10.0.{n >> 8}.{n & 255}", n)
    assert len(limiter) == 100


def test_a_clock_that_seems_to_go_back_earns_nothing():
    limiter = RateLimiter(rate=1)
    verdicts(limiter, "192.0.2.1", 8, now_ns=100 * S)
    assert limiter.judge("192.0.2.1", 0) is not Verdict.ANSWER
