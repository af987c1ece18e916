from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick import ChronoTick, DetailedTime, Order
from chronotick.client import process
from chronotick.client.errors import DaemonStartError, DaemonUnavailable, SystemTimeWarning
from chronotick.shm.layout import Source, Status
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

DAEMON = """
import signal, sys, time
from dataclasses import replace
from pathlib import Path
from chronotick.shm.layout import Status
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

switches = sys.argv[2:]
print("daemon says hello", file=sys.stderr, flush=True)
if "fail" in switches:
    sys.exit("cannot resolve any server")
if "stubborn" in switches:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "mute" in switches:
    time.sleep(60)
writer = RecordWriter(Path(sys.argv[1]))
writer.write(replace(good_record(), status=Status.UNKNOWN))
time.sleep(0.2)
writer.write(good_record())
time.sleep(60)
"""


@pytest.fixture
def switches(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Makes start() run a small daemon with these switches."""
    chosen: list[str] = []
    monkeypatch.setattr(
        process, "command", lambda *_: [sys.executable, "-c", DAEMON, str(path), *chosen]
    )
    return chosen


@pytest.fixture
def clock(path: Path, pure: bool) -> Iterator[ChronoTick]:
    with ChronoTick(path, pure=pure) as clock:
        yield clock


def test_details_fit_together(clock: ChronoTick, writer: RecordWriter):
    writer.write(good_record())
    detailed = clock.time_detailed()
    assert type(detailed) is DetailedTime
    assert detailed.timestamp - detailed.raw_timestamp == pytest.approx(1.5, abs=1e-3)
    assert detailed.offset_correction == pytest.approx(1.5, abs=1e-3)
    assert abs(detailed.raw_timestamp - time.time()) < 1
    assert detailed.uncertainty == pytest.approx(4e-6, rel=0.1)
    assert detailed.timestamp - detailed.lower_bound == pytest.approx(250e-6, rel=0.1)
    assert detailed.upper_bound - detailed.timestamp == pytest.approx(250e-6, rel=0.1)
    assert (detailed.confidence, detailed.source) == (0.8, "ntp")
    assert detailed.status is Status.SYNCHRONISED


@pytest.mark.parametrize(
    ("source", "name"),
    [*zip(Source, ["no_data", "ntp", "model", "fusion", "holdover"], strict=True)],
)
def test_sources_have_names(clock: ChronoTick, writer: RecordWriter, source: Source, name: str):
    writer.write(replace(good_record(), source=source))
    assert clock.time_detailed().source == name


def test_details_without_a_daemon_are_the_systems(clock: ChronoTick):
    with pytest.warns(SystemTimeWarning):
        detailed = clock.time_detailed()
    assert detailed.timestamp == detailed.raw_timestamp
    assert (detailed.uncertainty, detailed.confidence, detailed.source) == (math.inf, 0.0, "system")
    assert (detailed.lower_bound, detailed.upper_bound) == (-math.inf, math.inf)
    assert detailed.status is Status.UNKNOWN


def test_details_after_a_suspend_promise_nothing(clock: ChronoTick, writer: RecordWriter):
    record = good_record()
    writer.write(replace(record, suspended_ns=record.suspended_ns - 10**9))
    detailed = clock.time_detailed()
    assert detailed.status is Status.DISRUPTED
    assert (detailed.uncertainty, detailed.lower_bound) == (math.inf, -math.inf)


def test_before_and_after_have_three_answers(clock: ChronoTick, writer: RecordWriter):
    record = writer.write(replace(good_record(), bound_ns=10_000_000_000))
    true_s = record.anchor_utc_ns / 1e9
    assert clock.before(true_s + 60) is clock.before_ns(2**62) is Order.YES
    assert clock.before(true_s - 60) is clock.before_ns(0) is Order.NO
    assert clock.before(true_s) is clock.after(true_s) is Order.UNKNOWN
    assert clock.after(true_s - 60) is clock.after_ns(0) is Order.YES
    assert clock.after(true_s + 60) is clock.after_ns(2**62) is Order.NO
    assert clock.after_ns(record.anchor_utc_ns) is Order.UNKNOWN


def test_an_order_without_a_daemon_is_an_error(clock: ChronoTick):
    """A loop that waits for YES would otherwise wait for ever."""
    for question in (clock.before, clock.after):
        with pytest.raises(DaemonUnavailable):
            question(0.0)
    for question_ns in (clock.before_ns, clock.after_ns):
        with pytest.raises(DaemonUnavailable):
            question_ns(0)


def test_starting_waits_for_time_and_stopping_ends_the_daemon(
    clock: ChronoTick, switches: list[str]
):
    assert clock.start(timeout=20)
    assert clock.now().status is Status.SYNCHRONISED
    assert not clock.start()
    assert clock.stop()
    assert not clock.stop()


def test_a_living_daemon_is_left_alone(
    clock: ChronoTick, writer: RecordWriter, switches: list[str]
):
    switches.append("fail")
    writer.write(replace(good_record(), status=Status.UNKNOWN))
    assert not clock.start()
    assert not clock.stop()


def test_a_daemon_that_ends_at_once_is_quoted(clock: ChronoTick, switches: list[str]):
    switches.append("fail")
    with pytest.raises(DaemonStartError, match="ended with code 1") as caught:
        clock.start(timeout=20)
    assert caught.value.exit_code == 1
    assert caught.value.log == "daemon says hello\ncannot resolve any server"
    assert "cannot resolve any server" in str(caught.value)


def test_a_daemon_that_never_has_time_is_ended(clock: ChronoTick, switches: list[str]):
    switches.append("mute")
    with pytest.raises(DaemonStartError, match=r"no time to offer within 0\.5 s") as caught:
        clock.start(timeout=0.5)
    assert caught.value.exit_code is None


def test_a_daemon_that_ignores_sigterm_is_killed(
    clock: ChronoTick, switches: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(process, "TERMINATION_S", 0.3)
    switches.append("stubborn")
    clock.start(timeout=20)
    assert clock.stop()


def test_leaving_the_context_ends_the_daemon(path: Path, switches: list[str]):
    with ChronoTick(path) as clock:
        clock.start(timeout=20)
        daemon = clock._daemon
        assert daemon is not None
        assert os.getsid(daemon.pid) == daemon.pid  # Ctrl-C of the application does not reach it
    assert daemon.returncode == -signal.SIGTERM


def test_the_daemon_is_this_installations_own(tmp_path: Path):
    line = process.command(tmp_path / "c.yaml", [0, 2], tmp_path / "record")
    assert line == [
        *(sys.executable, "-m", "chronotick", "run"),
        *("--config", str(tmp_path / "c.yaml")),
        *("--cpu-affinity", "0,2"),
        *("--shm", str(tmp_path / "record")),
    ]
    assert process.command(None, None, None) == [sys.executable, "-m", "chronotick", "run"]


def test_the_command_line_takes_what_start_passes(tmp_path: Path):
    pytest.importorskip("click")
    line = process.command(tmp_path / "absent.yaml", [0], tmp_path / "record")
    run = subprocess.run(line, capture_output=True, text=True, check=False, timeout=50)
    assert run.returncode != 0
    assert "absent.yaml" in run.stderr
    assert "no such option" not in run.stderr.lower()


def test_without_the_daemons_packages_the_command_line_says_what_to_install():
    code = (
        "import sys; sys.modules['click'] = None;"
        "import runpy; runpy.run_module('chronotick', run_name='__main__')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "chronotick[daemon]" in run.stderr
    assert "Traceback" not in run.stderr
