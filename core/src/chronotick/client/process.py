"""Starting a daemon from an application, and ending it again."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from chronotick.client.control import refuse_foreign
from chronotick.client.errors import DaemonStartError

POLL_S = 0.02
TERMINATION_S = 5.0  # then SIGKILL
_TAIL_BYTES = 2000
_LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SOCKET_KEYS = ("CHRONOTICK_CONTROL", "CHRONOTICK_CONTROL__SOCKET")  # the second one would win


def command(
    config_path: str | os.PathLike[str] | None,
    cpu_affinity: Sequence[int] | None,
    record_path: str | os.PathLike[str],
) -> list[str]:
    """Return the command line of a daemon that writes this record, whatever its configuration."""
    line = [sys.executable, "-m", "chronotick", "run", "--shm", os.fspath(record_path)]
    line += ["--recommended"] if config_path is None else ["--config", os.fspath(config_path)]
    if cpu_affinity:
        line += ["--cpu-affinity", ",".join(map(str, cpu_affinity))]
    return line


def launch(
    line: Sequence[str], control: Path, serves: Callable[[], bool], timeout_s: float
) -> subprocess.Popen[bytes]:
    """Start a daemon in a session of its own and wait until it serves time.

    It writes its log beside its control socket, to ``NAME.log``, anew with each start. Whatever
    ends the wait (Ctrl-C as well) ends the daemon, which nobody would know of.

    Args:
        line: its command line.
        control: its control socket.
        serves: whether there is time to be had from the record.
        timeout_s: how long to wait.

    Raises:
        DaemonStartError: it ended, or was not ready in time and was ended, or its log cannot be
            written.
        ControlError: the directory of the socket may be another user's.
    """
    log = control.with_name(control.name + ".log")
    with _open_log(log) as output:
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            env=_environment(control),
            start_new_session=True,
        )
    try:
        _wait(process, serves, timeout_s, log)
    except BaseException:
        end(process)
        raise
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """End a daemon: SIGTERM, and after five seconds SIGKILL. One that has ended already is fine.

    Ctrl-C does not spare it: it cuts the five seconds short.
    """
    process.terminate()
    try:
        process.wait(TERMINATION_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()  # does nothing if it has ended
        process.wait()


def _wait(
    process: subprocess.Popen[bytes], serves: Callable[[], bool], timeout_s: float, log: Path
) -> None:
    deadline = time.monotonic() + timeout_s
    while not serves():
        code = process.poll()
        if code is not None:
            problem = f"the daemon ended with code {code}; log: {log}"
            raise DaemonStartError(problem, code, _tail(log))
        if time.monotonic() > deadline:
            problem = (
                f"the daemon had no time to offer within {timeout_s:g} s: does any NTP server "
                f"answer? See the log, or pass config_path with other servers; log: {log}"
            )
            raise DaemonStartError(problem, None, _tail(log))
        time.sleep(POLL_S)


def _environment(control: Path) -> dict[str, str]:
    """Return our environment with another control socket."""
    kept = {key: value for key, value in os.environ.items() if key.upper() not in _SOCKET_KEYS}
    return kept | {"CHRONOTICK_CONTROL": os.fspath(control)}


def _open_log(log: Path) -> BinaryIO:
    """Empty the log, unless it is something that others may have put there (in /tmp, say)."""
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_foreign(log.parent, "start")
        file = os.fdopen(os.open(log, _LOG_FLAGS, 0o600), "wb")
    except OSError as error:
        raise _no_log(log, str(error.strerror)) from error
    found = os.fstat(file.fileno())
    if found.st_uid != os.geteuid() or not stat.S_ISREG(found.st_mode):
        file.close()
        raise _no_log(log, f"not a file of user {os.geteuid()}")
    file.truncate(0)
    return file


def _no_log(log: Path, problem: str) -> DaemonStartError:
    advice = "choose another control socket with control= or CHRONOTICK_CONTROL"
    return DaemonStartError(
        f"{log}: the daemon's log is not written ({problem}); {advice}", None, ""
    )


def _tail(log: Path) -> str:
    text = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    return text.strip()
