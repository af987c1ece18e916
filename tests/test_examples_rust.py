"""The reader in Rust: its numbers are Python's to the last bit, and it never tears.

Skipped where there is no cargo, under CI too: the project needs no Rust, this example shows that
the page ``docs/record.md`` is enough.
"""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.shm.errors import RecordError
from chronotick.shm.layout import Status
from chronotick.shm.reader import RecordReader
from chronotick.shm.record import Record, bound_at, interval_at, is_void, sigma_at, time_at, unpack
from chronotick.shm.testing import good_record, packed_body, raw_bytes
from chronotick.shm.writer import RecordWriter

EXAMPLE = Path(__file__).parent.parent / "examples" / "rust"
RECORDS = 5000

# What the example makes of records and instants.
COMPUTE = r"""
use std::io::{self, Read};

fn main() {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input).unwrap();
    let words: Vec<u64> =
        input.chunks(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap())).collect();
    for question in words.chunks(17) {
        let record = chronotick_record::Record::from_words(question[..16].try_into().unwrap());
        let raw_ns = question[16] as i64;
        if record.is_void(raw_ns) {
            println!("void");
        } else {
            let (time, bound) = (record.time_at(raw_ns), record.bound_at(raw_ns));
            println!("{time} {bound} {}", record.sigma_at(raw_ns));
        }
    }
}
"""

# Follows the records of chronotick.shm.testing.write_counted until it has seen many.
WATCH = r"""
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let mut reader = chronotick_record::Reader::open(path.as_ref()).unwrap();
    let (mut anchor_ns, mut last_ns, mut seen) = (0, 0, 0);
    while seen < 5000 {
        let (record, raw_ns) = reader.read().unwrap();
        let number = record.suspended_ns / 5;
        assert_eq!(record.rate, if number % 2 == 1 { 500e-6 } else { -500e-6 });
        assert_eq!(record.bound_rate, (number % 1000) as f64 * 1e-9);
        assert_eq!(record.sigma_rate, (number % 977) as f64 * 1e-9);
        assert!(record.time_at(raw_ns) >= last_ns, "a step back");
        last_ns = record.time_at(raw_ns);
        seen += u64::from(record.anchor_raw_ns != anchor_ns);
        anchor_ns = record.anchor_raw_ns;
    }
}
"""

WRITE = """
import sys
from pathlib import Path
from chronotick.shm.testing import write_counted
write_counted(Path(sys.argv[1]), 60.0)
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The crate, outside the repository, with two more programs that use its library."""
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("no cargo")
    crate = tmp_path_factory.mktemp("rust") / "crate"
    shutil.copytree(EXAMPLE, crate, ignore=shutil.ignore_patterns("target"))
    (crate / "examples").mkdir()
    (crate / "examples" / "compute.rs").write_text(COMPUTE)
    (crate / "examples" / "watch.rs").write_text(WATCH)
    command = [cargo, "build", "--release", "--offline", "--bins", "--examples"]
    done = subprocess.run(command, cwd=crate, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    return crate / "target" / "release"


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[RecordWriter]:
    writer = RecordWriter(tmp_path / "record")
    yield writer
    writer.close()


def now(programs: Path, record: Path) -> subprocess.CompletedProcess[str]:
    command = [programs / "chronotick-record", record]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def plausible(chance: random.Random) -> dict[str, float]:
    return {
        "anchor_raw_ns": chance.randint(-(2**62), 2**62),
        "anchor_utc_ns": chance.randint(-(2**62), 2**62),
        "rate": chance.uniform(-0.5, 0.5) * 10 ** chance.uniform(-9, 0),
        "bound_ns": chance.randint(0, 2**61),
        "bound_rate": chance.choice([0.0, 1.0, chance.random(), 1e-6 * chance.random()]),
        "sigma_ns": chance.randint(0, 2**61),
        "sigma_rate": chance.choice([0.0, 1.0, chance.random(), 1e-9 * chance.random()]),
        "void_after_raw_ns": 2**63 - 1,
    }


def question(chance: random.Random) -> tuple[bytes, int]:
    """Return a record and an instant (RAW, ns): mostly sensible ones, some of any bytes."""
    if chance.random() < 0.2:
        return chance.randbytes(112), chance.randint(-(2**63), 2**63 - 1)
    values = plausible(chance)
    age_ns = chance.choice([chance.randint(0, 10**12), chance.randint(-2, 2**53 + 2)])
    return packed_body(**values), int(values["anchor_raw_ns"]) + age_ns


def answer(record: Record, raw_ns: int) -> str:
    if is_void(record, raw_ns):
        return "void"
    numbers = time_at(record, raw_ns), bound_at(record, raw_ns), sigma_at(record, raw_ns)
    return " ".join(map(str, numbers))


def test_it_computes_what_python_computes_to_the_last_bit(programs: Path):
    chance = random.Random(7)
    questions = [question(chance) for _ in range(RECORDS)]
    asked = b"".join(raw_bytes(body) + struct.pack("@q", raw) for body, raw in questions)
    compute = [programs / "examples" / "compute"]
    done = subprocess.run(compute, input=asked, capture_output=True, check=True)
    answers = [answer(unpack(body), raw_ns) for body, raw_ns in questions]
    assert done.stdout.decode().splitlines() == answers
    assert 0.5 < sum(line != "void" for line in answers) / RECORDS < 0.9  # both were asked


@pytest.fixture
def full_speed(tmp_path: Path) -> Iterator[Path]:
    """A record that another process writes as fast as it can."""
    record = tmp_path / "record"
    with subprocess.Popen([sys.executable, "-c", WRITE, str(record)]) as writing:
        try:
            while not serves(record):
                assert writing.poll() is None
                time.sleep(0.001)
            yield record
        finally:
            writing.kill()


def serves(record: Path) -> bool:
    try:
        return RecordReader(record).snapshot().status is not Status.UNKNOWN
    except RecordError:
        return False


def test_no_record_is_torn_and_time_does_not_step_back(programs: Path, full_speed: Path):
    watch = [programs / "examples" / "watch", full_speed]
    done = subprocess.run(watch, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_prints_the_interval(programs: Path, writer: RecordWriter):
    writer.write(good_record())
    reader = RecordReader(writer.path)
    before = interval_at(*reader.read())
    done = now(programs, writer.path)
    after = interval_at(*reader.read())
    assert done.returncode == 0, done.stderr
    words = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in words] == ["earliest", "latest", "estimate"]
    earliest, latest, estimate = (int(line[1].replace(".", "")) for line in words)
    assert before.estimate_ns < estimate < after.estimate_ns
    assert before.earliest_ns < earliest < estimate < latest < after.latest_ns


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"status": Status.WARMING_UP}, 4, "WarmingUp"),
        ({"suspended_ns": -(10**9)}, 4, "suspended"),
        ({"void_after_raw_ns": 1}, 3, "nobody publishes"),
    ],
)
def test_where_nobody_vouches_for_the_time_there_is_none(
    programs: Path, writer: RecordWriter, change: dict[str, int], code: int, words: str
):
    writer.write(replace(good_record(), **change))
    done = now(programs, writer.path)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr


def test_a_host_that_has_never_slept_as_long_as_the_record_says_is_no_error(
    programs: Path, writer: RecordWriter
):
    writer.write(replace(good_record(), suspended_ns=2**63 - 1))
    done = now(programs, writer.path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"x" * 64, "no record"),
        (b"x" * 128, "no record"),
        (raw_bytes(packed_body(), sequence=3), "no daemon has published"),
        (raw_bytes(packed_body(), crc=1), "no daemon has published"),
    ],
)
def test_what_is_no_record_is_refused(
    programs: Path, tmp_path: Path, content: bytes | None, words: str
):
    path = tmp_path / "other"
    if content is not None:
        path.write_bytes(content)
    done = now(programs, path)
    assert (done.returncode, done.stdout) == (3, "")
    assert words in done.stderr
