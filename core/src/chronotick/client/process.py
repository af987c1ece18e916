"""Starting a daemon from an application, and ending it again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from chronotick.client.control import refuse_foreign
from chronotick.client.errors import DaemonStartError
from chronotick.shm.paths import runtime_dir

POLL_S = 0.02
TERMINATION_S = 5.0  # then SIGKILL
_TAIL_BYTES = 2000


def command(
    config_path: str | os.PathLike[str] | None,
    cpu_affinity: Sequence[int] | None,
    record_path: str | os.PathLike[str] | None,
) -> list[str]:
    """Return the command line of a daemon."""
    line = [sys.executable, "-m", "chronotick", "run"]
    if config_path is not None:
        line += ["--config", os.fspath(config_path)]
    if cpu_affinity:
        line += ["--cpu-affinity", ",".join(map(str, cpu_affinity))]
    if record_path is not None:
        line += ["--shm", os.fspath(record_path)]
    return line


def launch(
    line: Sequence[str], serves: Callable[[], bool], timeout_s: float
) -> subprocess.Popen[bytes]:
    """Start a daemon in a session of its own and wait until it serves time.

    It writes its log to ``daemon.log`` in the runtime directory, anew with each start.

    Args:
        line: its command line.
        serves: whether there is time to be had from the record.
        timeout_s: how long to wait.

    Raises:
        DaemonStartError: it ended, or was not ready in time; then it is ended.
        ControlError: the runtime directory may be another user's.
    """
    log = _log_path()
    with log.open("wb") as output:
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + timeout_s
    while not serves():
        if process.poll() is not None:
            code = process.returncode
            raise DaemonStartError(
                f"the daemon ended with code {code}; log: {log}", code, _tail(log)
            )
        if time.monotonic() > deadline:
            end(process)
            raise DaemonStartError(
                f"the daemon had no time to offer within {timeout_s:g} s; log: {log}",
                None,
                _tail(log),
            )
        time.sleep(POLL_S)
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """End a daemon: SIGTERM, and after five seconds SIGKILL. One that has ended already is fine."""
    process.terminate()
    try:
        process.wait(TERMINATION_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _log_path() -> Path:
    directory = runtime_dir()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    refuse_foreign(directory, "start")
    return directory / "daemon.log"


def _tail(log: Path) -> str:
    text = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    return text.strip()
