"""How many questions of one address are answered: a token bucket for each, in a bounded table."""

from __future__ import annotations

import enum
import socket
from collections import OrderedDict
from dataclasses import dataclass

NS_PER_S = 1_000_000_000
CLIENTS = 4096
"""Addresses remembered; then the one not heard for longest is forgotten, and starts afresh."""

BURST_S = 2.0
"""A bucket holds what is allowed in this time."""

SMALLEST_BURST = 8.0
"""So that the four to eight questions with which a client starts (``iburst``) are answered."""

KISS_INTERVAL_NS = 10 * NS_PER_S
"""An address is told to slow down (kiss code RATE) no more often than this."""

_IPV6_PREFIX_BYTES = 8  # a host may use any address of its /64


class Verdict(enum.Enum):
    """What becomes of a question."""

    ANSWER = "answer"
    KISS = "kiss"
    DROP = "drop"


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_ns: int
    kissed_ns: int | None = None


class RateLimiter:
    """Decides about each question by what its address has asked lately.

    Args:
        rate: questions per second and address that are answered in the long run.
        clients: addresses remembered.
    """

    def __init__(self, rate: float, clients: int = CLIENTS) -> None:
        self._rate = rate
        self._burst = max(SMALLEST_BURST, rate * BURST_S)
        self._clients = clients
        self._buckets: OrderedDict[str | bytes, _Bucket] = OrderedDict()

    def judge(self, host: str, now_ns: int) -> Verdict:
        """Decide about a question that comes now (ns of any monotonic clock)."""
        bucket = self._bucket(_key(host), now_ns)
        earned = max(0, now_ns - bucket.filled_ns) * self._rate / NS_PER_S
        bucket.tokens = min(self._burst, bucket.tokens + earned)
        bucket.filled_ns = now_ns
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return Verdict.ANSWER
        if bucket.kissed_ns is None or now_ns - bucket.kissed_ns >= KISS_INTERVAL_NS:
            bucket.kissed_ns = now_ns
            return Verdict.KISS
        return Verdict.DROP

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._buckets)

    def _bucket(self, key: str | bytes, now_ns: int) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._burst, now_ns)
            if len(self._buckets) > self._clients:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket


def _key(host: str) -> str | bytes:
    if ":" not in host:
        return host
    return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])[:_IPV6_PREFIX_BYTES]
