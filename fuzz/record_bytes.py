"""The record's file, whatever stands in it: readers in Python and C, and a writer that takes over.

The first byte says how much is made right: nothing, magic and sequence, also the CRC, or also that
the record speaks of this moment.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from dataclasses import replace

from chronotick.shm import clocks
from chronotick.shm.errors import RecordError
from chronotick.shm.fast import fast_reader
from chronotick.shm.layout import BODY, MAGIC, OFFSETS, SIZE
from chronotick.shm.now import Now
from chronotick.shm.record import READY, Record, interval_at, is_void, pack, unpack
from chronotick.shm.served import ServedRecord
from chronotick.shm.testing import good_record, raw_bytes
from chronotick.shm.writer import RecordWriter
from fuzz.oracle import require
from fuzz.places import scratch, written
from fuzz.record_body import GOOD

_INT64 = 2**63
_AGE_NS = 10**9
_VALID_NS = 10**13
_AT_ONCE_NS = 10**9
_TAKE_OVER = 0x10


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Let readers read, and a writer take over.

    Raises:
        Finding: a reader serves what is no time, two readers differ, or a writer keeps rubbish.
    """
    level, content = (data[0] if data else 0), _made_right(data)
    _check_body(content)
    path = written("record", content, 0o644)
    with contextlib.suppress(RecordError):
        reader = ServedRecord(path)
        try:
            _check_reader(reader)
        finally:
            reader.close()
    if level & _TAKE_OVER:
        _take_over(content)


def _made_right(data: bytes) -> bytes:
    level, content = (data[0] % 4 if data else 0), bytearray(data[1:])
    if not level:
        return bytes(content)
    content = content[:SIZE].ljust(SIZE, b"\0")
    content[OFFSETS["magic"] : OFFSETS["magic"] + 4] = MAGIC
    content[0] &= 0xFE  # readers wait for a writer in the middle, and who waits does not fuzz
    if level > 2:  # noqa: PLR2004 - the third
        raw_ns = clocks.raw_ns()
        anchor, void = OFFSETS["anchor_raw_ns"], OFFSETS["void_after_raw_ns"]
        content[anchor : anchor + 8] = (raw_ns - _AGE_NS).to_bytes(8, "little")
        content[void : void + 8] = (raw_ns + _VALID_NS).to_bytes(8, "little")
    if level > 1:
        crc = zlib.crc32(content[BODY])
        content[OFFSETS["crc32"] : OFFSETS["crc32"] + 4] = crc.to_bytes(4, "little")
    return bytes(content)


def _check_body(content: bytes) -> None:
    if len(content) != SIZE:
        return
    record = unpack(content[BODY])
    for raw_ns in (clocks.raw_ns(), record.anchor_raw_ns, record.void_after_raw_ns):
        if not is_void(record, raw_ns):
            _check_interval(interval_at(record, raw_ns))


def _check_interval(now: Now) -> None:
    within = -_INT64 <= now.earliest_ns <= now.estimate_ns <= now.latest_ns < _INT64
    require(within, "an interval contains its estimate, and fits 64 bits")
    require(now.sigma_ns >= 0, "an uncertainty is not negative")


def _check_reader(reader: ServedRecord) -> None:
    try:
        record = reader.snapshot()
    except RecordError as error:
        require(str(error), "a refusal has words")
        return
    _, time_ns = reader.line()
    _, now = reader.interval()
    if now is not None:
        _check_interval(now)
        require(record.status in READY, "only who is sure says an interval")
        require(time_ns is not None, "where there is an interval there is a time")
    _check_c(reader, record, now)


def _check_c(reader: ServedRecord, record: Record, now: Now | None) -> None:
    """The reader in C answers where that in Python does."""
    in_c = fast_reader(float, int, _nobody)
    with reader.path.open("rb") as file:
        in_c.attach(file.fileno())
    found = None
    with contextlib.suppress(LookupError):
        found = in_c.now()
    in_c.detach()
    if abs(record.void_after_raw_ns - clocks.raw_ns()) < _AT_ONCE_NS:
        return  # it ends between the two
    require((found is None) == (now is None), "readers in C and Python agree on whether")
    if found is not None and now is not None:
        _check_interval(found)
        require(found.estimate_ns >= now.estimate_ns, "readers in C and Python agree on when")
        require(found.estimate_ns - now.estimate_ns < 10 * _AT_ONCE_NS, "and nearly at once")


def _nobody(*, allow_unsynchronised: bool = False) -> Now:
    raise LookupError(allow_unsynchronised)


def _take_over(content: bytes) -> None:
    path = scratch() / "taken"
    path.write_bytes(content)
    with contextlib.suppress(RecordError):
        writer = RecordWriter(path)
        try:
            intact = zlib.crc32(content[BODY]).to_bytes(4, "little") == content[120:124]
            require(writer.last() is None or intact, "nothing is taken from a damaged record")
            require(writer.write(good_record()).status in READY, "and then it is written")
        finally:
            writer.close()


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    good = raw_bytes(pack(replace(GOOD, suspended_ns=2**62)))[:124] + bytes(4)
    return {
        "good": b"\3" + good,
        "taken": b"\x12" + good,
        "raw": b"\0" + good,
        "short": b"\0" + good[:64],
        "new": b"\x10" + bytes(SIZE),
        "wild": b"\3" + struct.pack("@Q", 2) + b"\xff\x7f" * 56 + good[120:],
    }
