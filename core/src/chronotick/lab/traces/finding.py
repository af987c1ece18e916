"""From patterns to files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from chronotick.lab.traces.endings import (
    DESCRIPTION,
    ROWS,
    TABLES,
    holds_results,
    looks_like_a_trace,
    world_in,
)
from chronotick.lab.traces.looking import is_directory
from chronotick.lab.traces.trace import TraceProblem
from chronotick.lab.traces.truth import is_truth


def find(patterns: Sequence[str]) -> list[str | TraceProblem]:
    """Return the files that patterns name, each once, in the order of the patterns and by path.

    Args:
        patterns: each a file, a directory (with what is in it) or a glob. A match of a glob counts
            as if it had been named itself. Where a file lies beside its truth, a glob or directory
            means the measurements alone; where a directory holds a world, nothing else of it.
            Results of a comparison are no traces: directories and globs pass them over.

    Returns:
        Paths, and a problem for each pattern that names none.
    """
    found: dict[str, str | TraceProblem] = {}
    for pattern in patterns:
        files = list(_named(os.path.expanduser(pattern)))  # noqa: PTH111 - Path ends with an error
        if not files:
            found[pattern] = TraceProblem(pattern, pattern, _why_none(pattern))
        for file in files:
            found.setdefault(os.path.realpath(file), file)
    return list(found.values())


def _named(pattern: str) -> Iterator[str]:
    if not pattern or "\0" in pattern:
        return
    if is_directory(Path(pattern)):
        yield from _inside(Path(pattern))
    elif os.path.lexists(pattern):
        yield pattern
    elif glob.has_magic(pattern):
        yield from _matching(pattern)


def _matching(pattern: str) -> Iterator[str]:
    root = root_of(pattern)
    for match in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - absolute too
        path = Path(match)
        if _results_around(path, root):
            continue
        if is_directory(path):
            yield from _inside(path)
        elif not is_truth(path) and not _describes_a_world(path):
            yield match


def _inside(directory: Path) -> Iterator[str]:
    """Traces of a directory: it is a world, or holds some at any depth."""
    if holds_results(directory):
        return
    world = world_in(directory)
    if world is not None:
        yield str(world)
        return
    for entry in _entries(directory):
        if is_directory(entry) and not entry.is_symlink():
            yield from _inside(entry)
        elif looks_like_a_trace(entry.name) and not is_truth(entry):
            yield str(entry)


def _entries(directory: Path) -> list[Path]:
    """What is in a directory and not hidden; what cannot be listed holds nothing for us."""
    try:
        return sorted(each for each in directory.iterdir() if not each.name.startswith("."))
    except OSError:
        return []


def root_of(pattern: str) -> Path:
    """The directory in which a pattern begins to look."""
    fixed = takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts)
    return Path(*fixed)


def _results_around(path: Path, root: Path) -> Path | None:
    """The results in which a match lies, as seen from where its pattern begins."""
    above = (each for each in path.parents if each == root or root in each.parents)
    return next(filter(holds_results, above), None)


def _describes_a_world(path: Path) -> bool:
    return path.name == DESCRIPTION and world_in(path.parent) is not None


def _why_none(pattern: str) -> str:
    results = _results_of(pattern)
    if results is not None:
        return (
            f"there are results of `chronotick compare` ({results}), which are no traces, and "
            "nothing else. Name the traces themselves"
        )
    if pattern and is_directory(Path(pattern)):
        endings = ", ".join((*TABLES, *ROWS))
        return f"no trace is in this directory (files that end in {endings} and such)"
    if glob.has_magic(pattern):
        return (
            f"no file matches. Try: ls {pattern}. ** matches directories at any depth, and a "
            "pattern in quotes is not expanded by the shell, but here"
        )
    return "there is no such file or directory, and it is no pattern with *, ? or [ ]"


def _results_of(pattern: str) -> Path | None:
    """The first results that were passed over."""
    if not pattern or "\0" in pattern:
        return None
    if is_directory(Path(pattern)):
        return next(_results_in(Path(pattern)), None)
    if not glob.has_magic(pattern):
        return None
    for match in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - absolute too
        path = Path(match)
        found = _results_around(path, root_of(pattern)) or next(_results_in(path), None)
        if found:
            return found
    return None


def _results_in(directory: Path) -> Iterator[Path]:
    if holds_results(directory):
        yield directory
        return
    for entry in _entries(directory):
        if is_directory(entry) and not entry.is_symlink():
            yield from _results_in(entry)
