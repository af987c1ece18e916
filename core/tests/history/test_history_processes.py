"""Several processes, killed processes, full disks: real ones."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chronotick.history import boot_id, open_history, reading
from chronotick.history.queries import counts, measurements_since
from chronotick.history.store import History
from chronotick.ntp.measurement import Measurement

Make = Callable[..., Measurement]

# Writes measurements for ever; tells on standard output how far the file is known to be written.
WRITER = """
import sys
from pathlib import Path
from chronotick.history import boot_id, open_history
from chronotick.ntp.measurement import Measurement

opened = open_history(Path(sys.argv[1]), 30, interval_s=0.001)
assert not opened.messages, opened.messages
number = 0
while True:
    for _ in range(50):
        number += 1
        measurement = Measurement(source="a:123", raw_ns=number, offset_ns=10**18, delay_ns=1,
            precision_ns=1, root_delay_ns=1, root_dispersion_ns=1, stratum=1)
        opened.history.add_measurement(measurement, selected=True)
    opened.history.save_state(boot_id(), number, {"number": number})
    assert opened.history.flush()
    print(number, flush=True)
"""

# Fills a history until the file may not grow (RLIMIT_FSIZE), then lifts the limit.
FULL_DISK = """
import logging, resource, sys
from pathlib import Path
from chronotick.history.store import History
from chronotick.ntp.measurement import Measurement

logging.basicConfig(stream=sys.stdout, format="%(message)s")
history = History(Path(sys.argv[1]), 30, interval_s=0.01, capacity=3000)

def add(first, last):
    for number in range(first, last):
        history.add_measurement(Measurement(source="a:123", raw_ns=number, offset_ns=10**18,
            delay_ns=1, precision_ns=1, root_delay_ns=1, root_dispersion_ns=1, stratum=1),
            selected=True)
    return history.flush()

assert add(0, 100)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, hard))
assert not add(100, 2000)
assert not history.flush()
health = history.health()
assert health.problem and health.pending == 1900 and health.dropped == 0, health
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
assert history.flush()
assert not history.health().problem
print("rows", history.counts()["measurements"])
history.close()
"""


@pytest.fixture
def writer(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def _line(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_kill_9_in_the_middle_of_writes_loses_nothing_that_was_written(
    path: Path, writer: subprocess.Popen[str]
):
    for _ in range(5):
        written = _line(writer)
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    opened = open_history(path, 30)
    with opened.history as history:
        assert opened.messages == ()
        found = [m.measurement.raw_ns for m in history.measurements_since(0)]
        state = history.load_state(boot_id())
    assert found == list(range(1, len(found) + 1))
    assert len(found) >= written
    assert state is not None
    assert written <= state.raw_ns <= len(found)


def test_a_second_daemon_is_told_who_has_the_history_and_keeps_its_own(
    path: Path, writer: subprocess.Popen[str], measurement: Make
):
    _line(writer)
    opened = open_history(path, 30)
    with opened.history as history:
        message = f"in use by another daemon (process {writer.pid})"
        assert message in opened.messages[0]
        history.add_measurement(measurement(1), selected=True)
        assert history.counts()["measurements"] == 1
        assert _line(writer) > 0  # the first one goes on


def test_others_read_while_the_daemon_writes(path: Path, writer: subprocess.Popen[str]):
    written = _line(writer)
    with reading(path) as connection:
        assert len(measurements_since(connection, boot_id(), 0)) >= written
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM measurements")


def test_reading_makes_no_file_where_there_is_none(path: Path):
    with pytest.raises(sqlite3.OperationalError), reading(path) as connection:
        counts(connection)
    assert not path.exists()


def test_a_full_disk_is_told_once_and_nothing_is_lost(path: Path):
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("cannot write to") == 1
    assert done.stdout.count("can be written again; 0 rows lost") == 1
    assert "rows 2000" in done.stdout


def test_the_buffer_is_bounded_and_drops_the_oldest(
    path: Path, measurement: Make, caplog: pytest.LogCaptureFixture
):
    history = History(path, 30, interval_s=60, capacity=10)
    for number in range(25):
        history.add_measurement(measurement(number), selected=True)
    health = history.health()
    assert (health.pending, health.dropped) == (10, 15)
    found = [m.measurement.raw_ns // 10**9 for m in history.measurements_since(0)]
    history.close()
    assert found == list(range(15, 25))
    assert caplog.text.count("the oldest are dropped") == 1


def test_rows_that_cannot_be_written_at_the_end_are_counted_aloud(
    path: Path, measurement: Make, caplog: pytest.LogCaptureFixture
):
    history = History(path, 30, interval_s=60)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    history.add_measurement(measurement(1), selected=True)
    history.save_state(boot_id(), 1, {})
    history.close()
    blocker.close()
    assert "2 rows could not be written" in caplog.text
    assert "locked" in caplog.text


def test_a_history_in_memory_keeps_its_rows_through_a_refusal(measurement: Make):
    with History(None, 30, interval_s=60) as history:
        assert not history.persistent
        history.add_measurement(measurement(1), selected=True)
        assert history.flush()
        history.add_measurement(measurement(2, offset_ns=2**70), selected=True)
        assert history.flush()
        assert history.counts()["measurements"] == 1
