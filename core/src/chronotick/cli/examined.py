"""What ``chronotick doctor`` looks at: a configuration, and the daemon that runs, if one does."""

from __future__ import annotations

import dataclasses
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chronotick.cli.doctor_file import since_it_was_read
from chronotick.cli.finding import Finding

if TYPE_CHECKING:
    from chronotick.config import Config, Loaded, Problem


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
        refused: the configuration that was asked for, or found, cannot be used.
    """

    loaded: Loaded
    told: dict[str, Any] | None
    silence: str
    socket: Path
    origin: tuple[Finding, ...]
    of_another_user: bool = False
    refused: bool = False


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

    One that cannot be used is told, and what else there is to examine is examined.

    Args:
        given: the file that was asked for; None: the daemon's, or whichever a command would use.
    """
    loaded, problems = _loaded(given)
    remarks = [*map(_wrong, problems), *map(_odd, loaded.remarks)]
    socket = loaded.config.control.socket
    told, silence = _status(socket)
    running = _running(socket) if told is not None else None
    if running is None:  # none answers, or one of an earlier version, which does not tell
        origin = [_defaults() if problems else Finding("ok", "configuration", _named(loaded.path))]
    elif given is None or problems:
        loaded, origin = _as_it_runs(running), [_its_origin(running)]
        origin += [] if _is_said(running, problems) else _since(running)
    else:
        origin = [_beside(loaded, running)]
    other = running is not None and running.uid != os.geteuid()
    findings = (*origin, *remarks)
    return Examined(loaded, told, silence, socket, findings, other, refused=bool(problems))


def _loaded(given: Path | None) -> tuple[Loaded, tuple[Problem, ...]]:
    """The configuration, or what there is without a file, and what is wrong with it."""
    from chronotick.config import ConfigError, load

    try:
        return load(given, os.environ, {}), ()
    except ConfigError as error:
        return _without_file(), error.problems


def _without_file() -> Loaded:
    """The defaults and this shell's variables; if those are wrong, the two that find a daemon."""
    from chronotick.config import ConfigError, load

    nothing = Path(os.devnull)
    try:
        loaded = load(nothing, os.environ, {})
    except ConfigError:
        paths = ("CHRONOTICK_CONTROL", "CHRONOTICK_SHM")
        loaded = load(nothing, {name: os.environ.get(name, "") for name in paths}, {})
    return dataclasses.replace(loaded, path=None)


def _wrong(problem: Problem) -> Finding:
    origin = problem.origin
    file = f" {origin.name}" if origin and origin.kind == "file" else ""
    fix = f"correct it, then run: chronotick config check{file}"
    return Finding("bad", "configuration", str(problem), fix)


def _odd(remark: str) -> Finding:
    return Finding("note", "configuration", remark, "unset it, or use the name that is meant")


def _defaults() -> Finding:
    evidence = "the defaults and this shell's variables, since what there is cannot be used"
    return Finding("note", "configuration", evidence)


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


def _its_origin(running: _Running) -> Finding:
    evidence = (
        f"as process {running.pid} runs it: {_named(running.path)}, and its options and variables"
    )
    return Finding("ok", "configuration", evidence)


def _since(running: _Running) -> Iterator[Finding]:
    """What has become of the file that the daemon has read."""
    if running.path is not None and running.file_read is not None:
        yield from since_it_was_read(running.path, running.file_read, running.pid)


def _is_said(running: _Running, problems: tuple[Problem, ...]) -> bool:
    """Whether what is wrong with the daemon's file was found when this shell read the same one."""
    files = {Path(each.origin.name).absolute() for each in problems if each.origin}
    return running.path in files


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
