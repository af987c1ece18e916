from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick import ChronoTick, DetailedTime, Order
from chronotick.client import process
from chronotick.client.detailed import detailed_at
from chronotick.client.errors import DaemonStartError, DaemonUnavailable, SystemTimeWarning
from chronotick.client.order import is_after, is_before
from chronotick.shm import clocks
from chronotick.shm.layout import Source, Status
from chronotick.shm.now import Now
from chronotick.shm.record import bound_at, sigma_at, time_at
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

DAEMON = """
import os, signal, sys, time
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
    print("pid", os.getpid(), file=sys.stderr, flush=True)
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
    assert (detailed.confidence, detailed.upper_bound) == (0.0, math.inf)


def test_each_figure_of_the_details_follows_from_the_record(
    writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
):
    record = writer.write(good_record())
    raw_ns, ahead_ns = record.anchor_raw_ns + 3 * 10**9, 10**18 + 7
    monkeypatch.setattr(clocks, "system_minus_raw_ns", lambda: ahead_ns)
    time_ns, bound_ns = time_at(record, raw_ns), bound_at(record, raw_ns)
    assert detailed_at(record, raw_ns) == DetailedTime(
        timestamp=time_ns / 1e9,
        raw_timestamp=(raw_ns + ahead_ns) / 1e9,
        offset_correction=(time_ns - raw_ns - ahead_ns) / 1e9,
        uncertainty=sigma_at(record, raw_ns) / 1e9,
        confidence=record.confidence,
        lower_bound=(time_ns - bound_ns) / 1e9,
        upper_bound=(time_ns + bound_ns) / 1e9,
        source="ntp",
        status=Status.SYNCHRONISED,
    )


def test_before_and_after_have_three_answers(clock: ChronoTick, writer: RecordWriter):
    record = writer.write(replace(good_record(), bound_ns=10_000_000_000))
    true_s = record.anchor_utc_ns / 1e9
    assert clock.before(true_s + 60) is clock.before_ns(2**62) is Order.YES
    assert clock.before(true_s - 60) is clock.before_ns(0) is Order.NO
    assert clock.before(true_s) is clock.after(true_s) is Order.UNKNOWN
    ends = Now(10, 20, 15, 1, Status.SYNCHRONISED)
    assert [is_before(ends, t).value for t in (10, 11, 20, 21)] == ["no", *["unknown"] * 2, "yes"]
    assert [is_after(ends, t).value for t in (9, 10, 19, 20)] == ["yes", *["unknown"] * 2, "no"]
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
    assert "does any NTP server answer? See the log, or pass config_path" in str(caught.value)
    assert "; log: " in str(caught.value)


def test_a_daemon_that_ignores_sigterm_is_killed(
    clock: ChronoTick, switches: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(process, "TERMINATION_S", 0.3)
    switches.append("stubborn")
    clock.start(timeout=20)
    assert clock.stop()


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Ctrl-C raises, also where the tests run in a shell's background, which ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_during_the_wait_ends_the_daemon(
    path: Path, switches: list[str], tmp_path: Path, interrupts: None
):
    """Ctrl-C does not reach a daemon in a session of its own, and stop() would not know it."""
    switches.append("mute")
    line, control = process.command(None, None, path), tmp_path / "run" / "control.sock"
    log = control.with_name("control.sock.log")

    def impatient() -> bool:
        if re.search(r"pid \d+\n", log.read_text()):
            signal.raise_signal(signal.SIGINT)
        return False

    with pytest.raises(KeyboardInterrupt):
        process.launch(line, control, impatient, 20)
    daemon = int(log.read_text().split()[-1])
    with pytest.raises(ProcessLookupError):
        os.kill(daemon, 0)


def test_an_interrupt_during_the_end_does_not_spare_the_daemon(
    clock: ChronoTick, switches: list[str], interrupts: None
):
    switches.append("stubborn")
    clock.start(timeout=20)
    daemon = clock._daemon
    assert daemon is not None
    threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        clock.stop()
    assert daemon.returncode == -signal.SIGKILL


def test_leaving_the_context_ends_the_daemon(path: Path, switches: list[str]):
    with ChronoTick(path) as clock:
        clock.start(timeout=20)
        daemon = clock._daemon
        assert daemon is not None
        assert os.getsid(daemon.pid) == daemon.pid  # Ctrl-C of the application does not reach it
    assert daemon.returncode == -signal.SIGTERM


def test_the_daemon_is_this_installations_own(tmp_path: Path):
    line = process.command(tmp_path / "c.yaml", [0, 2], tmp_path / "record")
    run = [sys.executable, "-m", "chronotick", "run", "--shm", str(tmp_path / "record")]
    assert line == [*run, "--config", str(tmp_path / "c.yaml"), "--cpu-affinity", "0,2"]
    assert process.command(None, None, tmp_path / "record") == [*run, "--recommended"]


def test_the_daemon_writes_and_answers_where_its_starter_looks(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chronyd_port: int
):
    """Its configuration once decided that: start() waited in vain and killed a healthy daemon."""
    pytest.importorskip("click")
    config, elsewhere, control = (tmp_path / name for name in ("c.yaml", "elsewhere", "my.sock"))
    config.write_text(f"control:\n  socket: {tmp_path / 'other.sock'}\n")
    monkeypatch.setenv("CHRONOTICK_SHM", str(path))
    monkeypatch.setenv("CHRONOTICK_SHM__PATH", str(elsewhere))  # has precedence
    monkeypatch.setenv("CHRONOTICK_CONTROL__SOCKET", str(tmp_path / "other.sock"))
    monkeypatch.setenv("CHRONOTICK_HISTORY__PATH", str(tmp_path / "history.sqlite3"))
    monkeypatch.setenv("CHRONOTICK_NTP_SERVERS", f"127.0.0.1:{chronyd_port}")
    with ChronoTick(control=control) as clock:
        assert clock.start(config, timeout=20)
        told = clock.status()
        assert clock._daemon is not None
        assert (told["pid"], told["publication"]["path"]) == (clock._daemon.pid, str(path))
        assert "first measurement accepted" in (tmp_path / "my.sock.log").read_text()
    assert {"elsewhere", "other.sock", "run"}.isdisjoint(p.name for p in tmp_path.iterdir())


def test_the_log_lies_beside_the_control_socket(
    clock: ChronoTick, switches: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Two daemons have two sockets, so neither empties the log of the other."""
    switches.append("fail")
    monkeypatch.delenv("CHRONOTICK_CONTROL")
    for _ in range(2):
        with pytest.raises(DaemonStartError, match=r"log: .*/control\.sock\.log"):
            clock.start(timeout=20)
    log = tmp_path / "run" / "chronotick" / "control.sock.log"
    assert log.read_text().count("hello") == 1
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("plant", ["link", "pipe"])
def test_a_planted_log_is_not_written(
    clock: ChronoTick, switches: list[str], tmp_path: Path, plant: str
):
    switches.append("fail")
    log, precious = tmp_path / "no.sock.log", tmp_path / "precious"
    precious.write_text("precious")
    if plant == "link":
        log.symlink_to(precious)
    else:
        os.mkfifo(log)
    with pytest.raises(DaemonStartError, match=r"log is not written .* choose another control"):
        clock.start()
    assert precious.read_text() == "precious"
    assert not clock.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_log_of_another_user_is_not_written(
    clock: ChronoTick, switches: list[str], tmp_path: Path
):
    switches.append("fail")
    log = tmp_path / "no.sock.log"
    log.write_text("precious")
    os.chown(log, 12345, -1)
    with pytest.raises(DaemonStartError, match="not a file of user 0"):
        clock.start()
    assert log.read_text() == "precious"


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
