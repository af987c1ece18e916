"""Records for tests and benchmarks: good, impossible, and such that betray a torn read."""

from __future__ import annotations

import os
import struct
import sys
import time
import zlib
from dataclasses import replace
from pathlib import Path

from chronotick.shm import clocks
from chronotick.shm.layout import BODY_FORMAT, FIELDS, MAGIC, Flags, Source, Status
from chronotick.shm.record import Record, time_at
from chronotick.shm.writer import RecordWriter

SLEW = 500e-6  # rate of counted records, up and down in turn


def good_record(valid_s: float = 60.0) -> Record:
    """Return a synchronised record whose time is the system's, 1.5 s ahead of it."""
    raw_ns = clocks.raw_ns()
    utc_ns = raw_ns + clocks.system_minus_raw_ns() + 1_500_000_000
    return Record(
        anchor_raw_ns=raw_ns,
        anchor_utc_ns=utc_ns,
        rate=12.5e-6,
        bound_ns=250_000,
        bound_rate=15e-6,
        sigma_ns=4_000,
        sigma_rate=1e-7,
        void_after_raw_ns=raw_ns + int(valid_s * 1e9),
        status=Status.SYNCHRONISED,
        flags=Flags.NTP_READY | Flags.WARM_UP_COMPLETE | Flags.VALID,
        system_minus_utc_ns=-1_500_000_000,
        suspended_ns=clocks.suspended_ns(),
        last_sync_raw_ns=raw_ns - 2_000_000_000,
        measurements=7,
        confidence=0.8,
        source=Source.NTP,
        epoch=3,
    )


def raw_bytes(body: bytes, sequence: int = 2, *, crc: int | None = None) -> bytes:
    """Return the 128 bytes of a record with any body, for files that no writer would write."""
    crc = zlib.crc32(body) if crc is None else crc
    return struct.pack("@Q112sII", sequence, body, crc, os.getpid())


def packed_body(**values: float) -> bytes:
    """Return a body of unchecked field values; those not given are 0."""
    values.setdefault("magic", int.from_bytes(MAGIC, sys.byteorder))
    return struct.pack(BODY_FORMAT, *(values.get(field.name, 0) for field in FIELDS[1:-2]))


def write_counted(path: Path, seconds: float) -> int:
    """Publish counted records at full speed for a while; return how many."""
    writer = RecordWriter(path)
    last = writer.write(counted(good_record(), 0))
    end_s, number = time.monotonic() + seconds, 0
    while time.monotonic() < end_s:
        for _ in range(100):
            number += 1
            last = writer.write(counted(last, number))
    writer.close()
    return number


def counted(last: Record, number: int) -> Record:
    """Return a record that goes on from ``last`` and whose other fields follow from a number."""
    raw_ns = clocks.raw_ns()
    return replace(
        last,
        anchor_raw_ns=raw_ns,
        anchor_utc_ns=time_at(last, raw_ns),
        rate=SLEW if number % 2 else -SLEW,
        bound_rate=number % 1000 * 1e-9,
        sigma_rate=number % 977 * 1e-9,
        flags=Flags(number % 256),
        void_after_raw_ns=raw_ns + 10_000_000_000,
        suspended_ns=5 * number,
        last_sync_raw_ns=3 * number,
        measurements=number,
        tai_minus_utc=number % 256,
    )


def is_torn(record: Record) -> bool:
    """Whether a counted record is a mixture of two."""
    number = record.measurements
    return (
        record.rate != (SLEW if number % 2 else -SLEW)
        or record.bound_rate != number % 1000 * 1e-9
        or record.sigma_rate != number % 977 * 1e-9
        or record.flags != number % 256
        or record.suspended_ns != 5 * number
        or record.last_sync_raw_ns != 3 * number
        or record.tai_minus_utc != number % 256
    )
