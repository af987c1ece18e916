"""Against a writer at full speed: no torn record, no step back. bench/torn.py does 10**8 reads."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chronotick.shm.fast import FastReader
from chronotick.shm.reader import RecordReader
from chronotick.shm.record import time_at
from chronotick.shm.testing import is_torn

WRITE = """
import sys
from pathlib import Path
from chronotick.shm.testing import write_counted
print("ready", flush=True)
write_counted(Path(sys.argv[1]), 30.0)
"""


@pytest.fixture
def full_speed(path: Path) -> Iterator[Path]:
    with subprocess.Popen(
        [sys.executable, "-c", WRITE, str(path)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        while not path.exists() or path.stat().st_size == 0:
            time.sleep(0.001)
        time.sleep(0.1)
        yield path
        writer.kill()


def test_no_record_is_torn_and_time_does_not_step_back(full_speed: Path):
    reader = RecordReader(full_speed)
    end, seen, served_ns, last = time.monotonic() + 1.0, 0, 0, None
    while time.monotonic() < end:
        record, raw_ns = reader.read()
        time_ns = time_at(record, raw_ns)
        assert time_ns >= served_ns
        served_ns = time_ns
        if record is not last:
            assert not is_torn(record), record
            seen, last = seen + 1, record
    assert seen > 10  # else it proves nothing


def test_fast_readers_do_not_step_back(full_speed: Path, open_fast: Callable[[Path], FastReader]):
    read = open_fast(full_speed).time_ns
    end, served_ns = time.monotonic() + 1.0, 0
    while time.monotonic() < end:
        for _ in range(100):
            time_ns = read()
            assert time_ns >= served_ns
            served_ns = time_ns
