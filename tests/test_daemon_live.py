"""The daemon as its users meet it: a process, a record, a control socket, signals."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chronotick.client import ChronoTick, ChronoTickClient, DaemonUnavailable
from chronotick.shm.layout import Status
from chronotick.shm.reader import RecordReader

pytestmark = pytest.mark.chronyd


def test_served_time_is_system_time_when_the_server_is_this_host(start_daemon, chronyd):
    """Client and server share one clock: the true offset is exactly zero."""
    daemon = start_daemon("--server", chronyd)
    daemon.wait_for(Status.SYNCHRONISED)
    clock = daemon.clock
    for _ in range(200):
        before, now, after = time.time_ns(), clock.now(), time.time_ns()
        assert now.earliest_ns <= after
        assert now.latest_ns >= before
        assert before - 500_000 <= now.estimate_ns <= after + 500_000
        time.sleep(0.005)


def test_sigterm_ends_it_in_good_order_and_readers_know_at_once(start_daemon, chronyd):
    daemon = start_daemon("--server", chronyd)
    daemon.wait_for(Status.SYNCHRONISED)
    clock = daemon.clock
    clock.now()
    assert daemon.stop() == 0
    with pytest.raises(DaemonUnavailable, match="stopped"):
        clock.now()
    assert not (daemon.directory / "control.sock").exists()
    assert "stopped" in daemon.log


def test_killed_daemon_is_noticed_within_the_validity_limit(start_daemon, chronyd):
    daemon = start_daemon("--server", chronyd, CHRONOTICK_SHM__VALIDITY_SECONDS="1.0")
    daemon.wait_for(Status.SYNCHRONISED)
    clock = daemon.clock
    clock.now()
    daemon.process.kill()
    daemon.process.wait()
    time.sleep(1.1)
    with pytest.raises(DaemonUnavailable, match="died or hangs"):
        clock.now()


def test_restart_resumes_without_a_warm_up_even_after_kill(start_daemon, chronyd):
    daemon = start_daemon("--server", chronyd)
    daemon.wait_for(Status.SYNCHRONISED)
    time.sleep(1.5)  # the history is written about once a second
    daemon.process.kill()
    daemon.process.wait()
    again = start_daemon(
        "--server", chronyd, CHRONOTICK_CLOCK_MEASUREMENT__TIMING__WARM_UP__DURATION_SECONDS="60"
    )
    again.wait_until(lambda: "unknown -> synchronised" in again.log)
    assert "resumed: the last measurement" in again.log
    again.wait_until(lambda: again.ask("status")["clock"]["measurements"] > 0)
    assert again.status is Status.SYNCHRONISED


def test_epoch_grows_and_the_reader_goes_on_after_a_restart(start_daemon, chronyd):
    daemon = start_daemon("--server", chronyd)
    daemon.wait_for(Status.SYNCHRONISED)
    clock, record = daemon.clock, RecordReader(daemon.record)
    first, before = clock.now(), record.snapshot()
    assert record.writer_pid == daemon.process.pid
    daemon.stop()
    again = start_daemon("--server", chronyd)
    again.wait_for(Status.SYNCHRONISED)
    after = record.snapshot()
    assert record.writer_pid == again.process.pid
    assert after.epoch > before.epoch > 0
    assert clock.now().estimate_ns > first.estimate_ns
    record.close()


def test_second_daemon_on_the_same_record_is_refused_and_told_by_whom(start_daemon, chronyd):
    daemon = start_daemon("--server", chronyd)
    daemon.wait_for(Status.WARMING_UP, Status.SYNCHRONISED)
    second = subprocess.run(
        [sys.executable, "-m", "chronotick", "run", "--server", chronyd],
        env=daemon.environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert str(daemon.process.pid) in second.stderr
    assert "Traceback" not in second.stderr
    assert daemon.process.poll() is None
    assert daemon.status in {Status.WARMING_UP, Status.SYNCHRONISED}


def test_a_daemon_without_standard_error_serves(tmp_path):
    record, quoted = tmp_path / "record", shlex.join([sys.executable, "-m", "chronotick", "run"])
    environ = {
        **os.environ,
        "CHRONOTICK_SHM": str(record),
        "CHRONOTICK_CONTROL": str(tmp_path / "control.sock"),
        "CHRONOTICK_HISTORY__PATH": str(tmp_path / "history.sqlite3"),
    }
    line = f"exec {quoted} --server 127.0.0.1:9 2>&-"
    daemon = subprocess.Popen(["/bin/sh", "-c", line], env=environ, stdin=subprocess.DEVNULL)
    try:
        while not record.exists():
            assert daemon.poll() is None
            time.sleep(0.05)
    finally:
        daemon.terminate()
        daemon.wait()


def test_control_socket_explains_sources_models_and_status(start_daemon, chronyd):
    daemon = start_daemon("--server", chronyd, "--models", "kalman,line,hold")
    daemon.wait_for(Status.SYNCHRONISED)
    status, sources, models = (daemon.ask(m) for m in ("status", "sources", "models"))
    assert status["status"] == "synchronised"
    assert abs(status["clock"]["system_minus_utc_s"]) < 1e-3
    assert sources[0]["reason"] == "*"
    assert sources[0]["stamps"] == "kernel"
    assert set(models) == {"kalman", "line", "hold"}
    assert sum(m["weight"] for m in models.values()) == pytest.approx(1.0)
    json.dumps([status, sources, models], allow_nan=False)


def test_sighup_takes_a_new_configuration_and_refuses_a_bad_one(start_daemon, chronyd, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(f"clock_measurement: {{ntp: {{servers: ['{chronyd}']}}}}\n")
    daemon = start_daemon("--config", str(path))
    daemon.wait_for(Status.SYNCHRONISED)
    path.write_text("clock_measurement: {ntp: {serverz: []}}\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: "not reloaded" in daemon.log)
    assert "servers" in daemon.log.split("not reloaded")[1]
    path.write_text(
        f"clock_measurement: {{ntp: {{servers: ['{chronyd}']}}}}\n"
        "short_term: {models: [line]}\nshm: {frequency: 50}\nlogging: {level: DEBUG}\n"
    )
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: "configuration reloaded" in daemon.log)
    daemon.wait_until(lambda: "line" in daemon.ask("models"))
    assert daemon.status is Status.SYNCHRONISED


def test_lost_servers_mean_holdover_with_growing_bound(start_daemon, start_chronyd):
    with start_chronyd() as port:
        daemon = start_daemon(
            "--server",
            f"127.0.0.1:{port}",
            CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MEASUREMENT_INTERVAL="0.5",
            CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MAX_INTERVAL="0.5",
        )
        daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_for(Status.HOLDOVER)
    first = daemon.clock.now()
    time.sleep(1)
    second = daemon.clock.now()
    assert second.latest_ns - second.earliest_ns > first.latest_ns - first.earliest_ns
    assert first.earliest_ns <= time.time_ns()
    assert "holdover" in daemon.log


def test_a_silent_server_leaves_a_daemon_that_says_why(start_daemon):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        daemon = start_daemon("--server", address)
        daemon.wait_until(
            lambda: daemon.record.exists() and (daemon.directory / "control.sock").exists()
        )
        daemon.wait_until(lambda: daemon.ask("sources")[0]["last_error"] != "")
        assert daemon.ask("status")["status"] == "unknown"
        assert ChronoTickClient(daemon.record).is_daemon_ready() is False


def test_an_unresolvable_server_is_named_and_the_other_one_serves(start_daemon, chronyd):
    daemon = start_daemon("--server", "no-such-host.invalid", "--server", chronyd)
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(
        lambda: any("no-such-host.invalid" in s["last_error"] for s in daemon.ask("sources"))
    )


def test_record_removed_by_somebody_is_made_anew(start_daemon, chronyd):
    daemon = start_daemon("--server", chronyd)
    daemon.wait_for(Status.SYNCHRONISED)
    clock = daemon.clock
    clock.now()
    daemon.record.unlink()
    daemon.wait_until(daemon.record.exists)
    daemon.wait_for(Status.SYNCHRONISED)
    assert clock.now().status is Status.SYNCHRONISED


def test_control_socket_removed_by_somebody_is_made_anew(start_daemon):
    """Nothing in the log, and no way to it but a restart."""
    daemon = start_daemon("--server", "127.0.0.1:9")
    daemon.wait_until(lambda: bool(daemon.sources))
    socket = daemon.directory / "control.sock"
    told = "the control socket had been removed by someone; it was made anew"
    socket.unlink()
    daemon.wait_until(lambda: told in daemon.log)
    assert daemon.ask("ping")
    socket.unlink()
    daemon.wait_until(lambda: daemon.log.count(told) == 2)
    assert daemon.ask("ping")
    assert daemon.stop() == 0
    assert not socket.exists()


def test_corrupt_history_is_set_aside_and_the_clock_starts(start_daemon, chronyd):
    daemon_dir = start_daemon("--server", chronyd)
    daemon_dir.wait_for(Status.WARMING_UP, Status.SYNCHRONISED)
    daemon_dir.stop()
    history = daemon_dir.directory / "history.sqlite3"
    history.write_bytes(b"not a database" * 1000)
    again = start_daemon("--server", chronyd)
    again.wait_for(Status.SYNCHRONISED)
    assert list(daemon_dir.directory.glob("history.sqlite3.corrupt-*"))
    assert again.ask("status")["problems"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--models", "kalmann"), "kalman"),
        (("--freq", "100000"), "1000"),
        (("--server", "bad name"), "servers"),
        (("--server", "foo:99999"), "65535"),
        (("--cpu-affinity", "9999"), "CPU 9999 does not exist"),
        (("--checkpoint", "chrnos=/x"), "chronos"),
        (("--config", "/nonexistent.yaml"), "nonexistent"),
        (("--checkpoint", "chronos"), "MODEL=WEIGHTS"),
        (("--shm", "/nonexistent/record"), "nonexistent"),
        (("--cpu-affinity", "a"), "CPU numbers"),
    ],
)
def test_bad_options_end_with_one_clear_message(start_daemon, options, words):
    daemon = start_daemon(*options)
    assert daemon.process.wait(timeout=30) in {1, 2}
    assert words in daemon.log
    assert "Traceback" not in daemon.log


def test_cpu_affinity_as_the_documents_write_it(start_daemon, chronyd):
    cpus = sorted(os.sched_getaffinity(0))[:2]
    daemon = start_daemon("--server", chronyd, "--cpu-affinity", *map(str, cpus))
    daemon.wait_for(Status.WARMING_UP, Status.SYNCHRONISED)
    assert sorted(os.sched_getaffinity(daemon.process.pid)) == cpus


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(start_daemon, chronyd, tmp_path: Path):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(20)
        daemon = start_daemon("--server", chronyd, NOTIFY_SOCKET=str(path))
        told = ""
        while "READY=1" not in told:
            told += systemd.recv(4096).decode() + "\n"
        daemon.stop()
        while "STOPPING=1" not in told:
            told += systemd.recv(4096).decode() + "\n"


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """Paths of sockets may have about 100 characters; a test's own directory may have more."""
    with tempfile.TemporaryDirectory(prefix="ct-") as name:
        yield Path(name)


def test_start_from_an_application_and_stop(chronyd, tmp_path, short_directory, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_directory))  # once it was the real one
    monkeypatch.delenv("CHRONOTICK_CONTROL", raising=False)
    monkeypatch.setenv("CHRONOTICK_HISTORY__PATH", str(tmp_path / "history.sqlite3"))
    monkeypatch.setenv("CHRONOTICK_NTP_SERVERS", chronyd)
    with ChronoTick(tmp_path / "record") as clock:
        assert clock.start() is True
        assert clock.start() is False
        assert {"control.sock", "control.sock.log"} <= {
            path.name for path in (short_directory / "chronotick").iterdir()
        }
        assert abs(clock.time() - time.time()) < 0.01
        assert clock.status()["status"] in {"warming-up", "synchronised"}
    with pytest.raises(DaemonUnavailable):
        clock.now()


def test_a_reading_is_of_one_instant(start_daemon, chronyd):
    """``read --json`` once took the estimate and the system time at two instants, 2 ms apart."""
    daemon = start_daemon("--server", chronyd)
    daemon.wait_for(Status.SYNCHRONISED)
    command = [sys.executable, "-m", "chronotick", "read", "--json"]
    done = subprocess.run(command, env=daemon.environ, capture_output=True, text=True, check=True)
    reading = json.loads(done.stdout)
    apart_s = reading["time_ns"] / 1e9 - reading["system_time"]
    assert apart_s == pytest.approx(reading["offset_correction_s"], abs=1e-6)
    assert reading["earliest_ns"] < reading["time_ns"] < reading["latest_ns"]
