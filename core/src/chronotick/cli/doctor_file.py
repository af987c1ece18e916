"""What ``chronotick doctor`` finds about the file that a daemon has read, since it did."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from chronotick.cli.finding import Finding

if TYPE_CHECKING:
    from chronotick.config import Problem


def since_it_was_read(path: Path, read: list[int], pid: int) -> Iterator[Finding]:
    """What has become of the file, if anything has.

    Args:
        path: the file.
        read: its fingerprint (see :func:`chronotick.daemon.in_force.fingerprint`) at the time.
        pid: the daemon's process.
    """
    if not is_written_since(path, read):
        return
    if _is_gone(path):
        evidence = f"{path} does not exist any more; process {pid} goes on with what it read there"
        fix = f"put it back, or write a new one: chronotick config init {path}"
        yield Finding("bad", "configuration", evidence, fix)
        return
    problems = _problems_of(path) if os.access(path, os.R_OK) else []
    to_reload = f"chronotick config check {path} && kill -HUP {pid}"
    for problem in problems:
        evidence = f"{problem} (process {pid} goes on with what it read before)"
        fix = f"it would not start again with it: correct it, then: {to_reload}"
        yield Finding("bad", "configuration", evidence, fix)
    if not problems:
        evidence = f"{path} has changed since process {pid} read it"
        fix = f"to have it taken, send SIGHUP: {to_reload}"
        yield Finding("note", "configuration", evidence, fix)


def is_written_since(path: Path, read: list[int]) -> bool:
    """Whether the file is another now, as far as this user can see it."""
    from chronotick.daemon.in_force import fingerprint

    now = fingerprint(path)
    is_hidden = now is None and not _is_gone(path)
    return not is_hidden and now != read


def _is_gone(path: Path) -> bool:
    """Whether there is no such file, as opposed to one that this user cannot see."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        pass
    return False


def _problems_of(path: Path) -> list[Problem]:
    """What is wrong with a file by itself, whatever variables and options the daemon has."""
    from chronotick.config import ConfigError, load

    try:
        load(path, {}, {})
    except ConfigError as error:
        return [problem for problem in error.problems if not _is_of_several_keys(problem)]
    return []


def _is_of_several_keys(problem: Problem) -> bool:
    """Whether keys do not go together: with another value of one, by an option, they may."""
    from chronotick.config.keys import keys

    if problem.accepted or problem.advice:
        return False
    if not problem.path:  # what is no YAML has a file
        return problem.origin is None or problem.origin.kind != "file"
    return any(key.dotted.startswith(f"{problem.path}.") for key in keys())
