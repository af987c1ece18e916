"""Removing one revision's files from the cache, and what only it needed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from chronotick.hub.cache import Entry
from chronotick.hub.download import no_room


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What would be removed.

    Attributes:
        entry: of the repository.
        snapshot: directory of the commit; ``None`` when only parts of a download are there.
        blobs: files no other commit needs.
        whole: nothing of the repository would remain.
        freed_bytes: disk space; files linked from elsewhere free none.
    """

    entry: Entry
    snapshot: Path | None
    blobs: tuple[Path, ...]
    whole: bool
    freed_bytes: int

    def carry_out(self) -> None:
        """Remove it: what of it is still there, and what others have not come to need meanwhile.

        Raises:
            HubProblem: the system does not allow it.
        """
        try:
            with self.entry.held():
                now = _removal(self.entry, self.snapshot)
                if now is not None:
                    now._remove()  # noqa: SLF001 - of this class
        except OSError as error:
            raise no_room(error, self.entry.path) from error

    def _remove(self) -> None:
        if self.snapshot is not None:
            for ref in _refs_to(self.entry, self.snapshot.name):
                ref.unlink()
            shutil.rmtree(self.snapshot)
            (self.entry.notes / f"{self.snapshot.name}.json").unlink(missing_ok=True)
        for blob in self.blobs:
            blob.unlink(missing_ok=True)
        if self.whole:
            shutil.rmtree(self.entry.path)


def removal(entry: Entry, revision: str | None) -> Removal | None:
    """Say what removing a revision would remove; ``None`` when nothing of it is there."""
    return _removal(entry, entry.snapshot(revision))


def _removal(entry: Entry, snapshot: Path | None) -> Removal | None:
    if snapshot is not None and not snapshot.is_dir():  # gone meanwhile
        snapshot = None
    others = [path for path in entry.snapshots() if path != snapshot]
    # In all folders: other programs keep files there that we do not load.
    needed = {path.resolve() for other in others for path in other.rglob("*")}
    blobs = tuple(path for path in sorted(entry.blob("").glob("*")) if path.resolve() not in needed)
    if snapshot is None and not blobs:
        return None
    inside = () if snapshot is None else snapshot.rglob("*")
    plain = (path for path in inside if path.is_file() and not path.is_symlink())
    return Removal(
        entry=entry,
        snapshot=snapshot,
        blobs=blobs,
        whole=not others,
        freed_bytes=_freed((*blobs, *plain)),
    )


def _freed(paths: Iterable[Path]) -> int:
    found = (path.lstat() for path in paths)
    return sum(status.st_blocks * 512 for status in found if status.st_nlink == 1)


def _refs_to(entry: Entry, commit: str) -> list[Path]:
    refs = (path for path in (entry.path / "refs").rglob("*") if path.is_file())
    return [ref for ref in refs if ref.read_text(encoding="utf-8").strip() == commit]
