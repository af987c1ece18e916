"""The 112 bytes of a record that speak of time, and what they say at any two instants.

The first byte says how many of the fields are those of a good record.
"""

from __future__ import annotations

from dataclasses import replace

from chronotick.shm.layout import Status
from chronotick.shm.now import Now
from chronotick.shm.record import (
    MAX_WIDTH_NS,
    Record,
    bound_at,
    continued,
    implausible,
    interval_at,
    is_void,
    pack,
    sigma_at,
    time_at,
    unpack,
)
from fuzz.oracle import require
from fuzz.taking import Taking

_BYTES = 112
_INT64 = 2**63
_APART_NS = 2**60


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Read a body.

    Raises:
        Finding: time runs backwards, a bound shrinks, or a number does not fit.
    """
    taking = Taking(data)
    how, ages = taking.number(), (taking.number(8), taking.number(8))
    record = unpack(_body(how, taking))
    require(not implausible(record), "every pattern is read as a record one may compute with")
    require(unpack(pack(record)) == _kept(record), "a record is packed as it was read")
    early, late = sorted(record.anchor_raw_ns + age % 2 ** (1 + how % 64) for age in ages)
    if is_void(record, early) or is_void(record, late):
        return
    require(time_at(record, early) <= time_at(record, late), "served time does not step back")
    require(bound_at(record, early) <= bound_at(record, late), "a bound does not shrink with age")
    require(sigma_at(record, early) <= sigma_at(record, late), "nor does an uncertainty")
    _check_interval(interval_at(record, late))
    _check_continued(record, late)


def _body(how: int, taking: Taking) -> bytes:
    body = bytearray(pack(GOOD))
    at = 8 * (how % 14)
    damaged = taking.some(_BYTES - at)
    body[at : at + len(damaged)] = damaged
    return bytes(body)


def _kept(record: Record) -> Record:
    """What is left of a record whose confidence has 16 bits."""
    return replace(record, confidence=round(record.confidence * 65535) / 65535)


def _check_interval(now: Now) -> None:
    within = -_INT64 <= now.earliest_ns <= now.estimate_ns <= now.latest_ns < _INT64
    require(within, "an interval contains its estimate, and fits 64 bits")


def _check_continued(record: Record, raw_ns: int) -> None:
    if abs(record.anchor_utc_ns - GOOD.anchor_utc_ns) > _APART_NS:
        return
    slower = replace(record, anchor_utc_ns=record.anchor_utc_ns - 1000)
    moved = continued(slower, record, raw_ns)
    require(time_at(moved, raw_ns) >= time_at(record, raw_ns), "a continuation does not step back")
    least_ns = min(bound_at(slower, raw_ns), MAX_WIDTH_NS)
    require(moved.bound_ns >= least_ns, "and vouches for no less")


GOOD = Record(
    anchor_raw_ns=10**15,
    anchor_utc_ns=18 * 10**17,
    rate=1e-5,
    bound_ns=250_000,
    bound_rate=1e-5,
    sigma_ns=4000,
    sigma_rate=1e-7,
    void_after_raw_ns=2**62,
    status=Status.SYNCHRONISED,
    confidence=0.8,
    epoch=3,
)


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    ages = (10**9).to_bytes(8, "little") + (2**50).to_bytes(8, "little")
    return {
        "good": bytes([14 * 3 + 0]) + ages + pack(GOOD),
        "late": bytes([2 + 14 * 4]) + ages,
        "rates": bytes([2]) + ages + b"\0" * 6 + b"\xf0\x7f" + b"\xff" * 16,
        "nothing": b"",
    }
