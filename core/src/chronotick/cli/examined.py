"""What ``chronotick doctor`` looks at: a configuration, and the daemon that runs, if one does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from chronotick.cli.settings import load_settings

if TYPE_CHECKING:
    from chronotick.config import Loaded


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
        told: the daemon's status; None: none answers on that configuration's control socket.
        silence: why none does.
        origin: which configuration this is.
    """

    loaded: Loaded
    told: dict[str, Any] | None
    silence: str
    origin: Finding


def examine(given: Path | None) -> Examined:
    """Take the configuration that was given, or else that of the daemon that runs.

    Args:
        given: the file that was asked for; None: whichever a command would use.
    """
    loaded = load_settings(given)
    told, silence = _status(loaded)
    theirs = _path(told)
    chosen = given is not None or bool(os.environ.get("CHRONOTICK_CONFIG"))
    if theirs is not None and theirs != _absolute(loaded.path) and not chosen:
        if os.access(theirs, os.R_OK):
            loaded = load_settings(theirs)
        else:
            return Examined(loaded, told, silence, _unreadable(loaded, theirs))
    return Examined(loaded, told, silence, _origin(loaded, told, theirs))


def _status(loaded: Loaded) -> tuple[dict[str, Any] | None, str]:
    from chronotick.client import ChronoTickError
    from chronotick.client.control import ask

    try:
        return ask("status", socket_path=loaded.config.control.socket), ""
    except ChronoTickError as error:
        return None, str(error)


def _path(told: dict[str, Any] | None) -> Path | None:
    """The file that the daemon has read."""
    path = (told or {}).get("configuration")
    return Path(path) if path else None


def _absolute(path: Path | None) -> Path | None:
    return path.absolute() if path else None


def _named(path: Path | None) -> str:
    return str(path) if path else "the defaults (there is no file)"


def _origin(loaded: Loaded, told: dict[str, Any] | None, theirs: Path | None) -> Finding:
    ours = _absolute(loaded.path)
    if told is None:
        return Finding("ok", "configuration", _named(ours))
    daemon = f"the daemon (process {told.get('pid')})"
    if "configuration" not in told or ours == theirs:
        return Finding("ok", "configuration", f"{_named(ours)}; {daemon} runs with it")
    other = str(theirs) if theirs else "the defaults"
    fix = f"chronotick doctor --config {theirs}" if theirs else ""
    return Finding("note", "configuration", f"{_named(ours)}; {daemon} runs with {other}", fix)


def _unreadable(loaded: Loaded, theirs: Path) -> Finding:
    evidence = f"{_named(loaded.path)}; the daemon's cannot be read by this user: {theirs}"
    return Finding("note", "configuration", evidence, "run chronotick doctor as the daemon's user")
