"""Downloading a release into the cache: goes on where it stopped, checks every byte."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Final

from chronotick.hub.cache import Entry, entry
from chronotick.hub.client import HASH, Hub, Release, RemoteFile, reason
from chronotick.hub.errors import HubProblem, HubUnreachable, UnusableWeights

Progress = Callable[[str, int, int], None]
"""Told the file under way, the bytes of all files that are there, and the bytes of all files."""

_CHUNK_BYTES: Final = 1 << 20
_ATTEMPTS: Final = 5  # in a row without a single byte
_PAUSE_S: Final = 1.0
_SHA256_DIGITS: Final = 64
_OK: Final = 200


def download(
    hub: Hub,
    release: Release,
    cache: Path | None = None,
    progress: Progress = lambda _name, _done, _total: None,
    *,
    pause_s: float = _PAUSE_S,
) -> Path:
    """Bring a release's files into the cache; returns the directory that holds them.

    What was downloaded before, even of one file, is not downloaded again. The directory appears
    when all files are there.

    Args:
        hub: to ask.
        release: what to bring.
        cache: of the hub; the user's own by default.
        progress: told of what is done.
        pause_s: before the first new attempt after a broken connection; grows from there.

    Raises:
        HubUnreachable: the connection broke again and again; what came stays.
        UnusableWeights: a file is not what the hub announced, twice.
        HubProblem: no space, or the hub refuses.
    """
    place = entry(release.repository, cache)
    try:
        with place.held():
            place.blob("").mkdir(parents=True, exist_ok=True)
            _check_space(place, release)
            done = 0
            for file in release.files:
                errand = _Errand(
                    hub=hub,
                    release=release,
                    file=file,
                    part=_part(place, file),
                    tell=partial(_tell, progress, release, file, done),
                    pause_s=pause_s,
                )
                _bring(errand, place.blob(file.blob))
                done += file.size
            return _lay_out(release, place)
    except OSError as error:
        raise no_room(error, place.path) from error


def damaged(directory: Path) -> list[str]:
    """Return names of downloaded files in a commit's directory that are not what their hash says.

    Every byte is read. Files that were imported have no hash to be held against.
    """
    links = ((path, path.resolve()) for path in sorted(directory.iterdir()) if path.is_symlink())
    return [
        path.name
        for path, blob in links
        if HASH.fullmatch(blob.name) and not (blob.is_file() and _is_genuine(blob, blob.name))
    ]


def no_room(error: OSError, place: Path) -> HubProblem:
    """Say what the system refused when files were written to ``place``."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        advice = "Free some, or set HF_HOME to a directory on another disk"
        return HubProblem(f"the disk of {place} is full. {advice}; what came so far is kept")
    name = error.filename or place
    return HubProblem(f"{name}: {error.strerror or error}. Correct it, or set HF_HOME elsewhere")


def _check_space(place: Entry, release: Release) -> None:
    absent = [file for file in release.files if _size(place.blob(file.blob)) != file.size]
    needed = sum(file.size - _size(_part(place, file)) for file in absent)
    free = shutil.disk_usage(place.path).free
    if needed > free:
        raise HubProblem(
            f"{release.repository} needs {needed / 1e6:.0f} MB more, and the disk of {place.path} "
            f"has {free / 1e6:.0f} MB free. Free some, or set HF_HOME elsewhere"
        )


def _tell(progress: Progress, release: Release, file: RemoteFile, before: int, done: int) -> None:
    progress(file.name, before + done, release.size_bytes)


def _part(place: Entry, file: RemoteFile) -> Path:
    # Not the name the hub's library uses: it would not hold our lock.
    return place.blob(f"{file.blob}.part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Errand:
    """One file on its way into ``part``."""

    hub: Hub
    release: Release
    file: RemoteFile
    part: Path
    tell: Callable[[int], None]
    pause_s: float


def _bring(errand: _Errand, blob: Path) -> None:
    if not _is_whole(blob, errand.file):  # perhaps damaged since: it is replaced, never written to
        _complete(errand)
        if not _is_genuine(errand.part, blob.name):
            errand.part.unlink()  # perhaps a damaged rest of an earlier day: once more, all of it
            _complete(errand)
            _insist(errand, blob.name)
        errand.part.replace(blob)
    errand.tell(errand.file.size)


def _is_whole(blob: Path, file: RemoteFile) -> bool:
    return blob.is_file() and _size(blob) == file.size and _is_genuine(blob, blob.name)


def _insist(errand: _Errand, blob: str) -> None:
    if not _is_genuine(errand.part, blob):
        errand.part.unlink()
        raise UnusableWeights(
            f"{errand.file.name} of {errand.release.repository} is not the file that the hub "
            f"announced (its hash differs). {errand.hub.endpoint}, or a proxy on the way, alters it"
        )


def _complete(errand: _Errand) -> None:
    """Append to the part until it has the file's size."""
    failures = 0
    while True:
        before, cause = _size(errand.part), None
        try:
            _append(errand)
        except HubUnreachable as error:
            cause = error
        after = _size(errand.part)
        if cause is None and after == errand.file.size:
            return
        failures = 1 if after > before else failures + 1
        if failures > _ATTEMPTS:
            raise HubUnreachable(
                f"the connection broke {_ATTEMPTS} times in a row at byte {after} of "
                f"{errand.file.name}: {cause or 'it just ended'}. What came is kept: the same "
                "command goes on from there"
            ) from cause
        time.sleep(errand.pause_s * failures)


def _append(errand: _Errand) -> None:
    start, size = _size(errand.part), errand.file.size
    if start == size and errand.part.exists():
        return
    with errand.hub.open(errand.release, errand.file, start if start < size else 0) as answer:
        if answer.status == _OK:  # all of it, whatever was asked for
            start = 0
        with errand.part.open("r+b" if errand.part.exists() else "wb") as target:
            target.truncate(start)
            target.seek(start)
            while chunk := _read(answer, min(_CHUNK_BYTES, size - target.tell())):
                target.write(chunk)
                errand.tell(target.tell())


def _read(answer: HTTPResponse, size: int) -> bytes:
    """Read some bytes; a broken connection is told apart from a disk that fails."""
    try:
        return answer.read(size)
    except (OSError, HTTPException) as error:
        raise HubUnreachable(reason(error)) from error


def _is_genuine(path: Path, blob: str) -> bool:
    if len(blob) == _SHA256_DIGITS:
        digest = hashlib.sha256()
    else:  # what Git calls a blob
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest() == blob


def _lay_out(release: Release, place: Entry) -> Path:
    """Name the files in the commit's directory, and only then the commit."""
    directory = place.snapshot_of(release.commit)
    directory.mkdir(parents=True, exist_ok=True)
    for file in release.files:  # tensors last: without them nothing looks complete
        link = directory / file.name
        draft = directory / f".{file.name}.draft"
        draft.unlink(missing_ok=True)
        draft.symlink_to(os.path.relpath(place.blob(file.blob), directory))
        draft.replace(link)
    place.point(release.revision, release.commit)
    return directory
