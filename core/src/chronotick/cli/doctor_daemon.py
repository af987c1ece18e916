"""What ``chronotick doctor`` finds about the daemon: its record, socket, history and watchdog."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chronotick.cli.examined import Examined, Finding

_CANNOT_WRITE = "make room on its disk, or make it writable; nothing has to be restarted"
_KEPT_OUT = "set history.path to a file of its own that the daemon's user may write"


def record(examined: Examined) -> Iterable[Finding]:
    """Whether the record can be written, and what a reader gets from it."""
    from chronotick.client import ChronoTick, ChronoTickError, DaemonUnavailable

    path = _record_path(examined)
    stranger = _stranger(path)
    if stranger:
        fix = "see whose it is and move it away, or choose another path: --shm or CHRONOTICK_SHM"
        yield Finding("bad", "record", stranger, fix)
        return
    if examined.told is None and not os.access(path.parent, os.W_OK):
        fix = "choose another path: --shm or CHRONOTICK_SHM"
        yield Finding("bad", "record", f"{path.parent} is not writable", fix)
        return
    try:
        now = ChronoTick(path).now(allow_unsynchronised=False)
    except DaemonUnavailable as error:
        if _is_alive(error.pid):
            fix = f"it is stopped or hangs: look at its log, then end process {error.pid}"
            yield Finding("bad", "daemon", f"{error}", fix)
        else:
            yield Finding("note", "daemon", str(error))
    except ChronoTickError as error:
        yield Finding("note", "daemon", str(error))
    else:
        yield Finding("ok", "daemon", f"{path}: {now.status.name.lower()}")


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


def _is_alive(pid: int | None) -> bool:
    """Whether there is such a process: one that published once, and does not now."""
    if pid is None:
        return False
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
        fix = "see whom the clock is measured by: chronotick sources; prefer nts:// servers"
        yield Finding("bad", "watchdog", told["problem"], fix)
    elif told["problem"]:
        fix = "a new pool takes half an hour; else check DNS, and that UDP port 123 is let through"
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
