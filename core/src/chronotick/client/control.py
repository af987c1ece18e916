"""Asking the daemon what does not fit into the record: one line of JSON out, one back."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from chronotick.client.errors import ControlError, DaemonUnavailable
from chronotick.shm.paths import default_control_socket

_LONGEST_ANSWER = 16 * 1024 * 1024


def ask(
    method: str,
    params: dict[str, Any] | None = None,
    socket_path: str | os.PathLike[str] | None = None,
    timeout: float = 5.0,
) -> Any:  # noqa: ANN401 - any JSON type
    """Ask the daemon and return its answer, made of JSON types.

    Args:
        method: ``status``, ``sources``, ``models``, ``configuration`` or ``ping``.
        params: arguments of the method, if it has any.
        socket_path: the control socket; default:
            :func:`chronotick.shm.paths.default_control_socket`.
        timeout: how long to wait for the connection and for each part of the answer (s).

    Raises:
        DaemonUnavailable: nobody answers there.
        ControlError: the daemon refuses, does not talk this protocol, or the socket lies in a
            directory where another user may have put it.
    """
    import json

    path = Path(socket_path) if socket_path else default_control_socket()
    refuse_foreign(path.parent, method)
    request = {"method": method} if params is None else {"method": method, "params": params}
    line = _exchange(path, json.dumps(request).encode() + b"\n", timeout)
    try:
        answer = json.loads(line)
        if answer["ok"]:
            return answer["result"]
        problem = str(answer["error"])
    except (ValueError, TypeError, KeyError, RecursionError):
        problem = f"{path}: no ChronoTick daemon: it answered {line[:100]!r}"
    raise ControlError(problem, method)


def refuse_foreign(directory: Path, method: str) -> None:
    """Refuse a directory that anybody may have made: someone else's, below a shared one like /tmp.

    Raises:
        ControlError: it is such a directory.
    """
    try:
        found, above = directory.lstat(), directory.parent.stat()
    except OSError:
        return  # it does not exist, or is not ours to look at: connecting will say so
    shared = above.st_mode & (stat.S_IWOTH | stat.S_ISVTX)
    if shared and found.st_uid not in {os.geteuid(), 0}:
        raise ControlError(
            f"{directory} belongs to user {found.st_uid}, and anyone may have made it in "
            f"{directory.parent}: not used. Set CHRONOTICK_CONTROL to the socket you trust",
            method,
        )


def _exchange(path: Path, request: bytes, timeout: float) -> bytes:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(os.fspath(path))
            connection.sendall(request)
            return _line(connection)
        except TimeoutError as error:
            problem = f"no answer within {timeout:g} s; the daemon hangs or is very busy"
            raise DaemonUnavailable(f"{path}: {problem}", path) from error
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
            raise _without_socket(path, error) from error
        except OSError as error:
            raise _no_answer(path, error) from error


def _no_answer(path: Path, error: OSError) -> DaemonUnavailable:
    problem = f"no daemon answers ({error.strerror or error}); run: chronotick run"
    return DaemonUnavailable(f"{path}: {problem}", path)


def _without_socket(path: Path, error: OSError) -> DaemonUnavailable:
    """No daemon, or one whose socket was removed, has something in its place or lies elsewhere."""
    pid = _publishing_pid()
    if pid is None:
        return _no_answer(path, error)
    return DaemonUnavailable(
        f"the daemon (process {pid}) lives, but its control socket {path} is gone, or lies "
        "elsewhere: try again in some seconds, see its log, or set CHRONOTICK_CONTROL to where "
        "it is",
        path,
        pid,
    )


def _publishing_pid() -> int | None:
    """Process that publishes the usual record, if one does."""
    from contextlib import closing

    from chronotick.shm.errors import RecordError
    from chronotick.shm.reader import RecordReader
    from chronotick.shm.record import is_void

    try:
        with closing(RecordReader()) as reader:
            record, raw_ns = reader.read()
            return None if is_void(record, raw_ns) else reader.writer_pid
    except RecordError:
        return None


def _line(connection: Any) -> bytes:  # noqa: ANN401 - socket is imported late
    received = bytearray()
    while not received.endswith(b"\n") and len(received) < _LONGEST_ANSWER:
        part = connection.recv(65536)
        if not part:
            break
        received += part
    return bytes(received)
