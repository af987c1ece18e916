"""Laying a directory of weights out as the cache would hold it, had it been downloaded."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chronotick.hub.cache import COMMIT, Entry, entry
from chronotick.hub.content import CONFIG, lacking, pickles, wanted
from chronotick.hub.download import no_room
from chronotick.hub.errors import OtherWeights, UnusableWeights
from chronotick.hub.tensors import check_tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did.

    Attributes:
        directory: that holds the weights now.
        commit: under which they are known.
        linked, copied: how many files share their disk space with the source, and do not.
        left_out: files that were not taken because loading them runs code.
        already_there: nothing was done: the same files were there.
    """

    directory: Path
    commit: str
    linked: int = 0
    copied: int = 0
    left_out: tuple[str, ...] = ()
    already_there: bool = False


def import_directory(
    source: Path,
    repository: str,
    revision: str | None,
    cache: Path | None = None,
    *,
    needed: Sequence[str] = (CONFIG,),
) -> Imported:
    """Make a directory the cached weights of ``repository`` at ``revision``.

    Files are linked where source and cache are on one disk, else copied. The whole appears at
    once; what is left of an import that was killed is removed by the next one.

    Args:
        source: a directory with safetensors and settings.
        repository: ``org/name`` they are to be found under.
        revision: the one they are to be found under; ``None`` for the main branch. A directory
            does not say which commit it is: for a branch or tag one is made up of its content.
        cache: of the hub; the user's own by default.
        needed: files that must be there besides the tensors.

    Raises:
        UnusableWeights: files are missing, damaged, or pickles; nothing was changed.
        OtherWeights: others are there already.
        HubProblem: they cannot be written.
    """
    place = entry(repository, cache)
    try:
        files = _checked(source, needed)
        known = revision if revision and COMMIT.fullmatch(revision) else None
        commit = known or _digest(files)
        with place.held():
            there = _already(place, revision, files, needed)
            left_out = tuple(pickles(path.name for path in source.iterdir()))
            if there is not None:
                return Imported(
                    directory=there, commit=there.name, left_out=left_out, already_there=True
                )
            linked = _lay_out(place, commit, files)
            place.write_note(commit, {"imported_from": str(source.absolute()), "at": time.time()})
            place.point(revision, commit)
    except OSError as error:
        raise no_room(error, place.path) from error
    return Imported(
        directory=place.snapshot_of(commit),
        commit=commit,
        linked=linked,
        copied=len(files) - linked,
        left_out=left_out,
    )


def _checked(source: Path, needed: Sequence[str]) -> list[Path]:
    if not source.is_dir():
        raise UnusableWeights(f"there is no directory {source}")
    files = sorted(path for path in source.iterdir() if path.is_file() and wanted(path.name))
    missing = lacking(source, needed)
    if missing:
        unsafe = pickles(path.name for path in source.iterdir())
        because = (
            f". It holds {', '.join(unsafe)}: pickles run code when they are loaded and are never "
            "used; save the model as safetensors where you trust them"
            if unsafe
            else ""
        )
        raise UnusableWeights(f"{source} lacks {' and '.join(missing)}{because}")
    for path in files:
        _check(path)
    return files


def _check(path: Path) -> None:
    if path.suffix == ".safetensors":
        check_tensors(path)
    if path.suffix == ".json":
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UnusableWeights(f"{path} is not JSON: {error}") from error


def _already(
    place: Entry, revision: str | None, files: Sequence[Path], needed: Sequence[str]
) -> Path | None:
    """Return the weights that are there, if they are the same ones.

    Raises:
        OtherWeights: they are others.
    """
    there = place.snapshot(revision)
    if there is None or lacking(there, needed):
        return None
    tensors = [path for path in files if path.suffix == ".safetensors"]
    if all(_same(path, there / path.name) for path in tensors):
        return there
    raise OtherWeights(
        f"other weights of {place.repository} are in {there} already. Remove them first"
    )


def _same(path: Path, other: Path) -> bool:
    if not other.is_file() or path.stat().st_size != other.stat().st_size:
        return False
    return path.samefile(other) or _file_digest(path) == _file_digest(other)


def _lay_out(place: Entry, commit: str, files: Sequence[Path]) -> int:
    """Fill the commit's directory, invisible until it is complete; returns how many are links."""
    target = place.snapshot_of(commit)
    draft = target.with_name(f".{commit}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # of an import that was killed
    draft.mkdir(parents=True)
    try:
        linked = sum(_link_or_copy(path, draft / path.name) for path in files)
        if target.is_dir():  # half downloaded: its blobs stay for a later download
            shutil.rmtree(target)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return linked


def _link_or_copy(source: Path, target: Path) -> bool:
    with suppress(OSError):  # another disk, or a file system or owner that does not allow it
        os.link(source.resolve(), target)
        return True
    shutil.copyfile(source, target)
    return False


def _digest(files: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.name} {_file_digest(path)}\n".encode())
    return whole.hexdigest()[:40]  # as long as a commit's


def _file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
