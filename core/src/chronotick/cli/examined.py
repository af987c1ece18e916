"""What ``chronotick doctor`` looks at: a configuration, and the daemon that runs, if one does."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from chronotick.cli.settings import load_settings

if TYPE_CHECKING:
    from chronotick.config import Config, Loaded


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        state: ``ok``, ``note`` (works, could be better) or ``bad``.
        what: what was looked at.
        evidence: what was found.
        fix: one command or step; empty when all is well.
    """

    state: Literal["ok", "note", "bad"]
    what: str
    evidence: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Examined:
    """What is looked at.

    Attributes:
        loaded: the configuration.
        told: the daemon's status; None: none answers.
        silence: why none does.
        socket: the control socket at which one was asked.
        origin: which configuration this is.
        of_another_user: the daemon that answers runs as another user.
    """

    loaded: Loaded
    told: dict[str, Any] | None
    silence: str
    socket: Path
    origin: tuple[Finding, ...]
    of_another_user: bool = False


@dataclass(frozen=True, slots=True)
class _Running:
    """What a daemon runs with, as it told it.

    Attributes:
        pid: its process.
        uid: its user.
        path: the file that it has read; None: there was none.
        file_read: that file's fingerprint at the time.
        config: file, variables and options as one.
    """

    pid: int
    uid: int
    path: Path | None
    file_read: list[int] | None
    config: Config


def examine(given: Path | None) -> Examined:
    """Take the configuration that was given, or else what the daemon that answers runs with.

    Args:
        given: the file that was asked for; None: the daemon's, or whichever a command would use.
    """
    loaded = load_settings(given)
    socket = loaded.config.control.socket
    told, silence = _status(socket)
    running = _running(socket) if told is not None else None
    if running is None:  # a daemon of an earlier version does not tell
        origin = [Finding("ok", "configuration", _named(loaded.path))]
    elif given is None:
        loaded, origin = _as_it_runs(running), [*_its_origin(running)]
    else:
        origin = [_beside(loaded, running)]
    other = running is not None and running.uid != os.geteuid()
    return Examined(loaded, told, silence, socket, tuple(origin), of_another_user=other)


def _status(socket: Path) -> tuple[dict[str, Any] | None, str]:
    from chronotick.client import ChronoTickError
    from chronotick.client.control import ask

    try:
        return ask("status", socket_path=socket), ""
    except ChronoTickError as error:
        return None, str(error)


def _running(socket: Path) -> _Running | None:
    """What the daemon runs with, if it tells it in words that this version knows."""
    from chronotick.client import ChronoTickError
    from chronotick.client.control import ask
    from chronotick.config import Config

    try:
        answer = ask("configuration", socket_path=socket)
        path = Path(answer["path"]) if answer["path"] else None
        config = Config.model_validate(answer["config"])
        return _Running(answer["pid"], answer["uid"], path, answer["file_read"], config)
    except (ChronoTickError, KeyError, TypeError, ValueError):
        return None


def _as_it_runs(running: _Running) -> Loaded:
    """Its configuration; where each value once came from is no longer known."""
    from chronotick.config import Loaded, Origin

    here = Origin("environment", f"process {running.pid}")
    return Loaded(running.config, defaultdict(lambda: here), running.path)


def _its_origin(running: _Running) -> Iterator[Finding]:
    evidence = (
        f"as process {running.pid} runs it: {_named(running.path)}, and its options and variables"
    )
    yield Finding("ok", "configuration", evidence)
    if running.path is not None and _is_written_since(running.path, running.file_read):
        yield Finding(
            "note",
            "configuration",
            f"{running.path} has changed since process {running.pid} read it",
            f"to have it taken, send SIGHUP: chronotick config check {running.path} && "
            f"kill -HUP {running.pid}",
        )


def _is_written_since(path: Path, read: list[int] | None) -> bool:
    from chronotick.daemon.in_force import fingerprint

    now = fingerprint(path)
    is_hidden = now is None and not os.access(path.parent, os.X_OK)
    return read is not None and not is_hidden and now != read


def _beside(loaded: Loaded, running: _Running) -> Finding:
    """The configuration that was asked for, beside what the daemon runs with."""
    from chronotick.daemon.in_force import told

    ours, process = _named(loaded.path), f"the daemon (process {running.pid})"
    if told(loaded.config) == told(running.config):
        return Finding("ok", "configuration", f"{ours}; {process} runs with the same")
    if loaded.path is not None and loaded.path.absolute() == running.path:
        other = "it otherwise: with options or variables of its own, or as it was before"
    else:
        other = _named(running.path)
    fix = f"to examine that: {_asking(loaded)}chronotick doctor"
    return Finding("note", "configuration", f"{ours}; {process} runs with {other}", fix)


def _asking(loaded: Loaded) -> str:
    """What makes a command without the file ask the same daemon."""
    by_file = loaded.origins["control.socket"].kind == "file"
    return f"CHRONOTICK_CONTROL={loaded.config.control.socket} " if by_file else ""


def _named(path: Path | None) -> str:
    return str(path.absolute()) if path else "the defaults (there is no file)"
