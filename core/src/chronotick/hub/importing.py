"""Laying a directory of weights out as the cache would hold it, had it been downloaded.

The directory may come from anybody, as an archive of strangers that was unpacked. So nothing in it
is run, names stay within the cache, what is parsed is bounded, and what others could change later
is copied.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from chronotick.hub.cache import COMMIT, Entry, entry
from chronotick.hub.content import CONFIG, lacking, pickles, wanted
from chronotick.hub.download import no_room
from chronotick.hub.errors import OtherWeights, UnusableWeights
from chronotick.hub.tensors import check_tensors

LONGEST_JSON: Final = 256 * 2**20
"""Bytes of settings that are parsed: more than any model's settings or vocabulary have."""

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


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

    Files are linked where source and cache are on one disk and nobody else may change them, else
    copied, with their permissions. The whole appears at once; what is left of an import that was
    killed is removed by the next one.

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
    _check_revision(revision)
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


def _check_revision(revision: str | None) -> None:
    """Refuse a revision that would be a file outside of the cache's ``refs``."""
    path = PurePosixPath(revision or "main")
    if path.is_absolute() or ".." in path.parts:
        raise UnusableWeights(f"{revision!r} is no revision: give a branch, a tag or a commit")


def _check(path: Path) -> None:
    try:
        if path.suffix == ".safetensors":
            check_tensors(path)
        if path.suffix == ".json":
            _check_json(path)
    except RecursionError as error:
        raise UnusableWeights(f"{path} is nested too deeply to be settings") from error


def _check_json(path: Path) -> None:
    size = path.stat().st_size
    if size > LONGEST_JSON:
        raise UnusableWeights(f"{path} has {size} bytes: too many for settings")
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
    origin = source.resolve()
    if _is_ours_alone(origin):
        with suppress(OSError):  # another disk, or a file system that does not allow it
            os.link(origin, target)
            return True
    _copy(origin, target)
    return False


def _is_ours_alone(path: Path) -> bool:
    """Whether nobody else could change what was checked: a link is the same file.

    The group may be one's own: where files are made writable for it, it is the user's private one.
    """
    found = path.stat()
    others = stat.S_IWOTH if found.st_gid == os.getegid() else _OTHERS_WRITE
    return found.st_uid in {os.geteuid(), 0} and not found.st_mode & others


def _copy(source: Path, target: Path) -> None:
    """Copy with no more permissions: a link in there may lead to a secret of ours."""
    mode = source.stat().st_mode & ~_OTHERS_WRITE & 0o666
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with source.open("rb") as there, os.fdopen(descriptor, "wb") as here:
        shutil.copyfileobj(there, here, 1 << 20)


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
