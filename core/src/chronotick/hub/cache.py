"""The hub's cache on this machine, shared with every other program that uses the hub.

``models--org--name/`` holds ``snapshots/<commit>/`` with the files of a commit (links to
``blobs/<hash>`` when they were downloaded), and ``refs/<revision>``: the commits that branches and
tags stand for. See https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chronotick.hub.errors import NoCache

MAIN: Final = "main"
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_NOTES: Final = "chronotick"


def cache_directory(environ: Mapping[str, str] | None = None) -> Path:
    """Return where the hub's cache is: ``HF_HUB_CACHE``, else below ``HF_HOME``.

    Only variables that workers are given count, or a command would see other weights than they.

    Raises:
        NoCache: it depends on a home directory, and there is none.
    """
    variables = os.environ if environ is None else environ
    chosen = variables.get("HF_HUB_CACHE")
    path = Path(os.path.expandvars(chosen)) if chosen else hub_home(variables) / "hub"
    return _expanded(path)


def hub_home(environ: Mapping[str, str]) -> Path:
    """Return the directory of the hub's settings: ``HF_HOME``, else below ``XDG_CACHE_HOME``.

    Raises:
        NoCache: it depends on a home directory, and there is none.
    """
    base = environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = environ.get("HF_HOME") or f"{base}/huggingface"
    return _expanded(Path(os.path.expandvars(home)))


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise NoCache(
            f"no home directory for {path} ({error}). Set HF_HOME to where weights are kept"
        ) from error


def entry(repository: str, cache: Path | None = None) -> Entry:
    """Return the place of a repository ``org/name`` in the cache, there or not."""
    root = cache_directory() if cache is None else cache
    return Entry(repository, root / f"models--{repository.replace('/', '--')}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One repository's place in the cache.

    Attributes:
        repository: ``org/name``.
        path: of its directory, which need not exist.
    """

    repository: str
    path: Path

    def commit(self, revision: str | None) -> str | None:
        """Return the commit a revision stands for here; ``None`` when it is not known."""
        name = revision or MAIN
        try:
            return (self.path / "refs" / name).read_text(encoding="utf-8").strip()
        except OSError:
            return name if self.snapshot_of(name).is_dir() else None

    def snapshot(self, revision: str | None) -> Path | None:
        """Return the directory with the files of a revision, complete or not."""
        commit = self.commit(revision)
        if commit is None or not self.snapshot_of(commit).is_dir():
            return None
        return self.snapshot_of(commit)

    def snapshots(self) -> list[Path]:
        """Return the directories of all commits that are there."""
        found = (self.path / "snapshots").glob("*")
        return sorted(path for path in found if path.is_dir() and not path.name.startswith("."))

    def snapshot_of(self, commit: str) -> Path:
        """Return where the files of a commit go."""
        return self.path / "snapshots" / commit

    def blob(self, name: str) -> Path:
        """Return where a file with this hash goes."""
        return self.path / "blobs" / name

    def point(self, revision: str | None, commit: str) -> None:
        """Let a branch or tag stand for a commit. A commit stands for itself."""
        name = revision or MAIN
        if name == commit:
            return
        ref = self.path / "refs" / name
        ref.parent.mkdir(parents=True, exist_ok=True)
        draft = ref.with_name(f".{ref.name}.draft")
        draft.write_text(commit, encoding="utf-8")
        draft.replace(ref)

    def note(self, commit: str) -> dict[str, Any]:
        """Return what was noted of a commit's files when they were brought here."""
        try:
            text = (self.path / _NOTES / f"{commit}.json").read_text(encoding="utf-8")
            note: dict[str, Any] = json.loads(text)
        except (OSError, ValueError):
            return {}
        return note

    def write_note(self, commit: str, note: Mapping[str, Any]) -> None:
        """Note where a commit's files come from."""
        path = self.path / _NOTES / f"{commit}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")

    @property
    def notes(self) -> Path:
        """Directory of what :meth:`write_note` wrote."""
        return self.path / _NOTES

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other ChronoTick processes from changing this entry; waits for them first."""
        locks = self.path.parent / ".locks" / self.path.name
        locks.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(locks / "chronotick.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
