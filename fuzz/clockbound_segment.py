"""A ClockBound segment: a file that others may have made, and statements about any record."""

from __future__ import annotations

import contextlib

from chronotick.neighbours.errorbound import ErrorBound, Reading, SystemRate, error_bound
from chronotick.neighbours.problem import NeighbourError
from chronotick.neighbours.segment import BODY_BYTES, HEAD, HEADER, SIZE, Segment
from chronotick.neighbours.standing import Standing
from chronotick.ntp.timestamps import ClockPair
from chronotick.shm.layout import Status
from chronotick.shm.record import READY, Record, is_void, unpack
from fuzz.oracle import require
from fuzz.places import scratch
from fuzz.taking import Taking

_BODY_OF_RECORD = 112


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Take a file over, and write a statement about a record into it.

    Raises:
        Finding: what stands there then is no segment.
    """
    taking = Taking(data)
    statement = _stated(taking)
    path = scratch() / "segment"
    content = taking.rest()
    path.write_bytes(content)
    try:
        segment = Segment(path)
    except NeighbourError as error:
        require(path.read_bytes() == content, "what is not ours is left alone")
        require(str(error), "a refusal has words")
        return
    with contextlib.closing(segment):
        segment.write(statement.pack())
    _check_written(path.read_bytes(), statement.pack())


def _stated(taking: Taking) -> ErrorBound:
    record = unpack(taking.some(_BODY_OF_RECORD).ljust(_BODY_OF_RECORD, b"\0"))
    marker, window_ns = taking.number(8), taking.number(4)
    pair = ClockPair(taking.number(7), taking.number(7), window_ns)
    standing = _standing(record, pair.raw_ns, taking.number())
    rate = SystemRate(taking.number(2, signed=True) * 1e-7, taking.number(2) * 1e-7)
    statement = error_bound(standing, Reading(taking.number(7), pair), rate, marker)
    require(statement.bound_ns >= 0 <= statement.max_drift_ppb, "a bound is not negative")
    require(statement.void_after_ns >= statement.as_of_ns, "a statement is not void before it is")
    return statement


def _standing(record: Record, raw_ns: int, status: int) -> Standing:
    if record.status in READY and not is_void(record, raw_ns):
        return Standing(record, record.status)
    return Standing(None, Status(status % len(Status)))


def _check_written(content: bytes, body: bytes) -> None:
    require(len(content) == SIZE == HEADER.size + BODY_BYTES, "a segment has its size")
    generation = int.from_bytes(content[len(HEAD) : HEADER.size], "little")
    require(content.startswith(HEAD), "a segment has its header")
    require(generation and not generation & 1, "a statement is whole")
    require(content[HEADER.size :] == body, "a statement is what was written")


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    from fuzz.record_bytes import seeds as records

    body = records()["good"][9:121]
    clocks = b"\1" * 8 + b"\x20\0\0\0" + (18 * 10**17).to_bytes(8, "little")[:7]
    clocks += (10**15 + 10**9).to_bytes(7, "little") + b"\0" + b"\1\0\1\0" + b"\1" * 7
    head = body + clocks
    return {
        "new": head,
        "empty": head + bytes(SIZE),
        "continued": head + HEAD + b"\4\0" + bytes(BODY_BYTES),
        "torn": head + HEAD + b"\xff\xff" + b"\1" * BODY_BYTES,
        "foreign": head + b"AMZN" + bytes(76),
        "void": bytes(_BODY_OF_RECORD) + clocks,
    }
