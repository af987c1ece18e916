"""``chronotick doctor`` beside a real daemon whose options are not in its file."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from chronotick.client import ChronoTickError


def doctor(daemon, *options: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "chronotick", "doctor", *options]
    return subprocess.run(line, env=daemon.environ, capture_output=True, text=True, check=False)


def answers(daemon) -> bool:
    try:
        return bool(daemon.ask("status"))
    except ChronoTickError:  # it does not listen yet
        return False


def test_what_the_daemon_runs_with_is_examined_and_a_changed_file_told(
    start_daemon, chronyd: str, tmp_path: Path
):
    """Of its file alone, with a model nobody has and no server, none of it would be true."""
    config = tmp_path / "c.yaml"
    config.write_text("long_term: {models: [oracle]}\n")
    (history := tmp_path / "daemon" / "history.sqlite3").parent.mkdir()
    history.write_text("This is no database, and longer than the header of one would be. " * 4)
    options = ("--config", str(config), "--models", "hold", "--server", chronyd)
    daemon = start_daemon(*options)
    daemon.wait_until(lambda: answers(daemon))
    shown, pid = doctor(daemon), daemon.process.pid
    first = (
        f"ok    configuration: as process {pid} runs it: {config}, and its options and variables"
    )
    assert shown.stdout.splitlines()[0] == first
    assert (shown.returncode, "oracle" in shown.stdout) == (0, False)
    assert f"note  history: {history} is damaged (file is not a database)" in shown.stdout
    config.write_text("long_term: {models: [oracle]}\nshm: {frequency: 20}\n")
    changed = f"note  configuration: {config} has changed since process {pid} read it\n"
    assert changed in doctor(daemon).stdout
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: "configuration reloaded" in daemon.log)
    assert changed not in doctor(daemon).stdout
    told = daemon.ask("configuration")
    assert told["config"]["shm"]["frequency"] == 20
    assert told["config"]["clock_measurement"]["ntp"]["servers"] == [chronyd]
    config.write_text("shm: {frequency: fast}\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: "configuration not reloaded" in daemon.log)
    shown = doctor(daemon)  # what was refused is not what it runs with
    refused = f"shm.frequency ({config}:1): got 'fast'"
    assert f"bad   configuration: {refused}" in shown.stdout
    assert shown.returncode == 1
