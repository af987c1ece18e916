"""Names that tell traces apart: as short as they can be, whatever order they come in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from chronotick.lab.traces.draft import Draft
from chronotick.lab.traces.endings import is_world, stem
from chronotick.lab.traces.trace import Trace, TraceProblem


class _Name:
    """A name that grows to the left."""

    def __init__(self, draft: Draft) -> None:
        self.own = _printable(draft.item.name)
        self.suffix = _printable(draft.suffix)
        self.file = Path(draft.path or draft.item.path).absolute()
        self.parts = _parts(self.file, draft.item.name)
        self.taken = 0

    @property
    def host(self) -> str:
        before = self.parts[: self.taken]
        return "/".join((*reversed(before), self.own))

    @property
    def full(self) -> str:
        return f"{self.host}{self.suffix}"

    @property
    def longest(self) -> tuple[tuple[str, ...], str, str]:
        return self.parts, self.own, self.suffix


def named(drafts: Sequence[Draft]) -> list[Trace | TraceProblem]:
    """Give each trace a name of its own, and its host.

    What shares a name gets that of its folder (of its file, where that has another name) before
    it, until it is unique. Problems take part, so that mending a file renames no other trace.
    """
    names = [_Name(draft) for draft in drafts]
    _tell_formats_apart(names)
    while True:
        count = Counter(name.full for name in names)
        shared = [n for n in names if count[n.full] > 1 and n.taken < len(n.parts)]
        if not shared:
            break
        for name in shared:
            name.taken += 1
    _number_the_rest(names)
    return [_renamed(draft, name) for draft, name in zip(drafts, names, strict=True)]


def _parts(file: Path, name: str) -> tuple[str, ...]:
    """What can be put before a name, the nearest first."""
    folders = [*reversed(file.parts[1:-1])]
    if is_world(file) and folders and folders[0] == name:
        before = folders[1:]
    else:
        before = folders if stem(file.name) == name else [stem(file.name), *folders]
    return tuple(map(_printable, before))


def _printable(name: str) -> str:
    """A name that every file, table and terminal takes."""
    return "".join(each if each.isprintable() else "\ufffd" for each in name)


def _tell_formats_apart(names: Sequence[_Name]) -> None:
    """``a.csv`` and ``a.parquet`` of one folder: no folder tells them apart."""
    same = Counter(name.longest for name in names)
    for name in names:
        if same[name.longest] > 1:
            own = _printable(name.file.name)
            name.own = own if name.own == stem(own) else name.own


def _number_the_rest(names: Sequence[_Name]) -> None:
    used: set[str] = set()
    for name in names:
        number, suffix = 1, name.suffix
        while name.full in used:
            number += 1
            name.suffix = f"{suffix}#{number}"
        used.add(name.full)


def _renamed(draft: Draft, name: _Name) -> Trace | TraceProblem:
    if isinstance(draft.item, TraceProblem):
        return replace(draft.item, name=name.full)
    return replace(draft.item, name=name.full, host=_printable(draft.host) or name.host)
