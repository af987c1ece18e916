"""``docs/record.md`` is the contract: its tables are the code's, and a reader made of it works."""

from __future__ import annotations

import mmap
import re
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.shm.layout import FIELDS, MAGIC, Flags, Status
from chronotick.shm.record import bound_at, is_void, sigma_at, time_at
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

PAGE = Path(__file__).parents[3] / "docs" / "record.md"
TYPES = {"Q": "u64", "q": "i64", "d": "f64", "I": "u32", "H": "u16", "B": "u8"}
FORMATS = {name: char for char, name in TYPES.items()}


def table_of_fields() -> str:
    rows = [
        f"| {f.offset} | {TYPES[f.format]} | `{f.name}` | {f.unit} | {f.meaning} |" for f in FIELDS
    ]
    return "\n".join(["| offset | type | field | unit | meaning |", "|---|---|---|---|---|", *rows])


def table_of_flags() -> str:
    rows = [f"| {flag.value} | `{flag.name}` |" for flag in Flags]
    return "\n".join(["| value | flag |", "|---|---|", *rows])


def section(name: str) -> str:
    found = re.search(rf"<!-- {name}:[^\n]*-->\n(.*?)<!-- /{name} -->", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1].strip()


@pytest.mark.parametrize(
    ("name", "expected"), [("fields", table_of_fields()), ("flags", table_of_flags())]
)
def test_the_tables_on_the_page_are_those_of_the_code(name: str, expected: str):
    assert section(name) == expected, f"put this into docs/record.md:\n{expected}"


class PageReader:
    """Follows the page, and imports nothing of the reader."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.memory = mmap.mmap(file.fileno(), 128, prot=mmap.PROT_READ)
        assert self.memory.size() == 128
        assert self.memory[116:120] == b"CTK\x01"
        self.words = memoryview(self.memory).cast("Q")
        self.fields = dict(self._fields())

    @staticmethod
    def _fields() -> Iterator[tuple[str, tuple[int, str]]]:
        for line in section("fields").splitlines()[2:]:
            offset, kind, name, *_ = (cell.strip() for cell in line.strip("|").split("|"))
            yield name.strip("`"), (int(offset), FORMATS[kind])

    def read(self) -> tuple[dict[str, float], int]:
        while True:
            sequence = self.words[0]
            if sequence % 2 or not sequence:
                continue
            copy = bytes(self.memory)
            raw = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
            if self.words[0] == sequence:
                break
        return {
            name: struct.unpack_from("@" + char, copy, offset)[0]
            for name, (offset, char) in self.fields.items()
        }, raw


def test_a_reader_written_from_the_page_alone_works(path: Path, writer: RecordWriter):
    record = writer.write(good_record())
    values, raw = PageReader(path).read()
    age = raw - int(values["anchor_raw_ns"])
    assert values["anchor_utc_ns"] + age + int(age * values["rate"]) == time_at(record, raw)
    assert 0 <= values["bound_ns"] + age * values["bound_rate"] - bound_at(record, raw) + 1 <= 1
    assert 0 <= values["sigma_ns"] + age * values["sigma_rate"] - sigma_at(record, raw) + 1 <= 1
    assert values["status"] == Status.SYNCHRONISED
    assert values["confidence"] / 65535 == record.confidence
    assert values["writer_pid"] > 0
    assert int(values["magic"]).to_bytes(4, "little") in {MAGIC, MAGIC[::-1]}


def test_every_field_of_the_page_is_where_the_writer_puts_it(path: Path, writer: RecordWriter):
    record = writer.write(
        replace(good_record(), tai_minus_utc=37, suspended_ns=123, last_sync_raw_ns=-456)
    )
    values, _ = PageReader(path).read()
    for name in values.keys() - {"seq", "magic", "crc32", "writer_pid", "confidence"}:
        assert values[name] == getattr(record, name), name


def test_a_closed_record_is_void_by_the_page(path: Path):
    writer = RecordWriter(path)
    writer.write(good_record())
    reader = PageReader(path)
    writer.close()
    values, raw = reader.read()
    assert raw > values["void_after_raw_ns"]
    assert values["status"] == Status.UNKNOWN


def test_the_limits_on_the_page_are_those_of_the_code():
    record = replace(good_record(), anchor_raw_ns=0, void_after_raw_ns=2**60)
    assert "`d > 2**53`" in PAGE.read_text()
    assert [is_void(record, raw) for raw in (2**53, 2**53 + 1)] == [False, True]
