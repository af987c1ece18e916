"""The examples in C: compiled with their Makefile, run against records of the real writer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.shm.layout import Status
from chronotick.shm.reader import RecordReader
from chronotick.shm.record import interval_at
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

EXAMPLE = Path(__file__).parent.parent / "examples" / "c"
STRICT = "CFLAGS=-O2 -Wall -Wextra -Wpedantic -Wconversion -Werror"


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "-C", str(folder), *arguments]
    environ = {k: v for k, v in os.environ.items() if k != "MAKEFLAGS"}  # `make test` sets it
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made outside the repository, with the header found as a user finds it."""
    folder = tmp_path_factory.mktemp("c") / "example"
    shutil.copytree(EXAMPLE, folder)
    done = make(folder, f"PYTHON={sys.executable}", STRICT)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[RecordWriter]:
    writer = RecordWriter(tmp_path / "record")
    yield writer
    writer.close()


def run(program: Path, record: Path | None, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program with its record as the argument; None: as the environment names it."""
    return subprocess.run(
        [program, *([record] if record else [])],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def test_now_prints_the_interval(programs: Path, writer: RecordWriter):
    writer.write(good_record())
    reader = RecordReader(writer.path)
    before = interval_at(*reader.read())
    done = run(programs / "now", writer.path)
    after = interval_at(*reader.read())
    assert done.returncode == 0, done.stderr
    words = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in words] == ["earliest", "latest", "estimate"]
    earliest, latest, estimate = (int(line[1].replace(".", "")) for line in words)
    assert before.estimate_ns < estimate < after.estimate_ns
    assert before.earliest_ns < earliest < estimate < latest < after.latest_ns
    assert words[2][3].startswith("0.000004")


def test_the_record_may_be_named_by_the_environment(
    programs: Path, writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
):
    writer.write(good_record())
    monkeypatch.setenv("CHRONOTICK_SHM", os.fspath(writer.path))
    assert run(programs / "now", None).returncode == 0


@pytest.mark.parametrize("bound_ns", [100_000, 5_000_000])
def test_a_commit_is_acknowledged_when_its_stamp_has_passed_for_certain(
    programs: Path, writer: RecordWriter, bound_ns: int
):
    writer.write(replace(good_record(), bound_ns=bound_ns))
    reader = RecordReader(writer.path)
    command = [programs / "commit_wait", writer.path]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stamps = []
        for number in range(5):
            begun = interval_at(*reader.read())
            process.stdin.write(f"write {number}\n")
            process.stdin.flush()
            stamp, text = process.stdout.readline().split(maxsplit=1)
            ended = interval_at(*reader.read())
            assert text == f"write {number}\n"
            assert begun.latest_ns < int(stamp) < ended.earliest_ns
            stamps.append(int(stamp))
        process.stdin.close()
        assert process.wait() == 0
    assert stamps == sorted(set(stamps))


def test_a_last_line_without_an_end_and_a_very_long_one_are_one_write_each(
    programs: Path, writer: RecordWriter
):
    writer.write(good_record())
    done = run(programs / "commit_wait", writer.path, "x" * 100_000 + "\nlast")
    first, last = done.stdout.split("\n")
    assert first.endswith(" " + "x" * 100_000)
    assert last.endswith(" last")


@pytest.mark.parametrize("program", ["now", "commit_wait"])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"status": Status.WARMING_UP}, (4, "does not vouch")),
        ({"void_after_raw_ns": 1}, (3, "nobody publishes")),
    ],
)
def test_where_nobody_vouches_for_the_time_there_is_none(
    programs: Path, writer: RecordWriter, program: str, change: dict, expected: tuple[int, str]
):
    writer.write(replace(good_record(), **change))
    done = run(programs / program, writer.path, "a write\n")
    assert (done.returncode, done.stdout) == (expected[0], "")
    assert expected[1] in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("program", ["now", "commit_wait"])
def test_what_is_too_much_is_not_ignored(programs: Path, writer: RecordWriter, program: str):
    command = [programs / program, writer.path, "and", "more"]
    done = subprocess.run(command, input="x\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "one argument at most" in done.stderr


@pytest.mark.parametrize("program", ["now", "commit_wait"])
@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), (b"x" * 128, "no record")])
def test_without_a_record_they_say_so(
    programs: Path, tmp_path: Path, program: str, content: bytes | None, words: str
):
    path = tmp_path / "other"
    if content is not None:
        path.write_bytes(content)
    done = run(programs / program, path, "a write\n")
    assert (done.returncode, done.stdout) == (3, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_python_without_the_package_is_named(tmp_path: Path):
    folder = tmp_path / "example"
    shutil.copytree(EXAMPLE, folder)
    done = make(folder, "PYTHON=false")
    assert done.returncode != 0
    assert "false has no chronotick" in done.stderr
