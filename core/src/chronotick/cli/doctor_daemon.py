"""What ``chronotick doctor`` finds about the daemon: its record, socket, history and watchdog."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chronotick.cli.examined import Examined
from chronotick.cli.finding import Finding

_ELSEWHERE = "choose another path: --shm or CHRONOTICK_SHM"
_CANNOT_WRITE = "make room on its disk, or make it writable; nothing has to be restarted"
_KEPT_OUT = "set history.path to a file of its own that the daemon's user may write"


def record(examined: Examined) -> Iterable[Finding]:
    """Whether the record can be written, and what a reader gets from it."""
    path = _record_path(examined)
    obstacle = _in_its_way(path) or (None if examined.told else _in_its_directorys(path.parent))
    yield obstacle or _published(path)


def _in_its_way(path: Path) -> Finding | None:
    """What stands at the record's path and is no record."""
    if os.path.islink(path):  # noqa: PTH114 - pathlib's raises where it may not look
        evidence = f"{path} is a symbolic link, which the daemon does not follow"
        return Finding("bad", "record", evidence, f"remove it, or {_ELSEWHERE}")
    stranger = _stranger(path)
    if stranger:
        fix = f"see whose it is and move it away, or {_ELSEWHERE}"
        return Finding("bad", "record", stranger, fix)
    return None


def _in_its_directorys(directory: Path) -> Finding | None:
    """Why no daemon can make a record there."""
    if not directory.is_dir():
        evidence = f"the directory {directory} does not exist"
        return Finding("bad", "record", evidence, f"create it, or {_ELSEWHERE}")
    if not os.access(directory, os.W_OK):
        return Finding("bad", "record", f"{directory} is not writable", _ELSEWHERE)
    return None


def _published(path: Path) -> Finding:
    """What a reader gets."""
    from chronotick.client import ChronoTick, ChronoTickError, DaemonUnavailable

    try:
        now = ChronoTick(path).now(allow_unsynchronised=False)
    except DaemonUnavailable as error:
        if error.pid is None or not _is_alive(error.pid):
            return Finding("note", "daemon", str(error))
        evidence = f"{path}: process {error.pid} lives, and publishes nothing"
        return Finding("bad", "daemon", evidence, _to_wake(error.pid))
    except ChronoTickError as error:
        return Finding("note", "daemon", str(error))
    return Finding("ok", "daemon", f"{path}: {now.status.name.lower()}")


def _to_wake(pid: int) -> str:
    if _is_stopped(pid):
        return f"it was stopped (SIGSTOP); let it go on: kill -CONT {pid}"
    return f"it hangs: look at its log, then end process {pid}"


def _is_stopped(pid: int) -> bool:
    """Whether somebody has stopped a process; where there is no /proc, nobody has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    after_name = stat.rpartition(b")")[2]  # which may have blanks and parentheses itself (proc(5))
    return after_name.split()[0] in {b"T", b"t"}


def _record_path(examined: Examined) -> Path:
    """Where the daemon publishes: it may have been started with another path."""
    told = (examined.told or {}).get("publication", {}).get("path")
    return Path(told) if told else examined.loaded.config.shm.path


def _stranger(path: Path) -> str:
    """What is wrong with what stands at the record's path; empty if it is a record, or nothing."""
    from chronotick.shm.errors import RecordError, RecordMissing
    from chronotick.shm.file import open_for_reading

    try:
        os.close(open_for_reading(path))
    except RecordMissing:
        return ""
    except RecordError as error:
        return str(error)
    return ""


def _is_alive(pid: int) -> bool:
    """Whether there is such a process: one that published once, and does not now."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


def control(examined: Examined) -> Iterable[Finding]:
    """Whether the daemon answers, and its problems that no other check tells of."""
    told = examined.told
    if told is None:
        yield Finding("note", "control socket", examined.silence)
        return
    yield Finding("ok", "control socket", str(examined.socket))
    elsewhere = {(told.get("watchdog") or {}).get("problem"), *_problems_of_history(told)}
    yield from (
        Finding("note", "daemon", each) for each in told["problems"] if each not in elsewhere
    )


def watchdog(examined: Examined) -> Iterable[Finding]:
    """What the watchdog over a pool has found, where it runs."""
    told = (examined.told or {}).get("watchdog")
    if not told:
        return
    if told["alarm"]:
        fix = "see whom the clock is measured by: chronotick sources; prefer nts://, key:// servers"
        yield Finding("bad", "watchdog", told["problem"], fix)
    elif told["problem"]:
        fix = (
            "check that its servers run, and that UDP port 123 is let through; a new pool takes "
            "half an hour, and DNS"
        )
        yield Finding("note", "watchdog", told["problem"], fix)
    else:
        found = told["verdict"] or "nobody was asked yet"
        yield Finding("ok", "watchdog", f"{found}, pool of {told['pool']} servers")


def history(examined: Examined) -> Iterable[Finding]:
    """Whether the history can be used: by the daemon, or by one that is started."""
    told = examined.told
    if told is None:
        yield from _history_file(examined.loaded.config.history.path)
    elif told.get("history"):
        yield from _history_told(told["history"], _problems_of_history(told))


def _history_told(health: dict[str, Any], problems: list[str]) -> Iterable[Finding]:
    if not problems:
        yield Finding("ok", "history", str(health["path"]))
    for problem in problems:
        evidence = problem.removeprefix("history: ")  # which the finding says already
        if problem == health["problem"]:
            yield Finding("bad", "history", evidence, _CANNOT_WRITE)
        elif health["path"] is None:
            yield Finding("bad", "history", evidence, f"{_KEPT_OUT}, and restart the daemon")
        else:  # it was dealt with
            yield Finding("note", "history", evidence)


def _problems_of_history(told: dict[str, Any]) -> list[str]:
    """Those of the daemon's problems that are its history's."""
    health = told.get("history") or {}
    return [*filter(None, [*health.get("messages", ()), health.get("problem")])]


def _history_file(path: Path) -> Iterable[Finding]:
    from chronotick.history import diagnose

    if not os.path.lexists(path):
        yield from _history_to_come(path)
        return
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        fix = "if the daemon is to run as this user, set history.path to a file it may write"
        yield Finding("note", "history", f"{path} is not writable for this user", fix)
        return
    trouble = diagnose(path)
    if trouble is None:
        yield Finding("ok", "history", str(path))
    elif trouble.aside:
        fix = (
            f"start the daemon: it keeps the file as {trouble.aside} beside it and begins a new "
            "one; the models prove themselves anew"
        )
        yield Finding("bad", "history", trouble.words, fix)
    else:
        yield Finding("bad", "history", trouble.words, _KEPT_OUT)


def _history_to_come(path: Path) -> Iterable[Finding]:
    """Whether one can be made where there is none: the daemon makes the directory, if need be."""
    existing = next(each for each in path.parents if os.path.lexists(each))
    is_directory = os.path.isdir(existing)  # noqa: PTH112 - pathlib's raises where it may not look
    # Root may write everywhere, and yet nothing can be made in /proc: it has no blocks.
    if is_directory and os.access(existing, os.W_OK | os.X_OK) and os.statvfs(existing).f_blocks:
        return
    why = f"{existing} is {'not writable for this user' if is_directory else 'no directory'}"
    if is_directory and existing == path.parent:
        fix = "if the daemon is to run as this user, set history.path to a file it may write"
        yield Finding("note", "history", why, fix)
    else:
        evidence = f"the directory {path.parent} cannot be made: {why}"
        yield Finding("bad", "history", evidence, _KEPT_OUT)
