"""Opening the record's file: a writer must own it alone, a reader must know its layout."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
from pathlib import Path

from chronotick.shm.errors import RecordError, RecordHeld, RecordMissing
from chronotick.shm.layout import ABI_VERSION, MAGIC, MODE, OFFSETS, SIZE

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ELSEWHERE = "choose another path with --shm/CHRONOTICK_SHM"
_MAGIC_AT, _VERSION_AT = OFFSETS["magic"], OFFSETS["magic"] + len(MAGIC) - 1
_NO_DAEMON = "no daemon serves it; run: chronotick run"
_ATTEMPTS = 10


def open_for_writing(path: Path) -> int:
    """Open, lock and check the record, creating it where there is none.

    Returns:
        A descriptor of a file of 128 bytes, exclusively locked.

    Raises:
        RecordHeld: another process has it locked.
        RecordError: the file is not a record of ours, or the directory cannot be written.
    """
    for _ in range(_ATTEMPTS):
        descriptor = _opened(path)
        try:
            _check_kind(descriptor, path)
            _lock(descriptor, path)
            if same_file(os.fstat(descriptor), path):  # not removed between opening and locking
                _check_content(descriptor, path)
                os.fchmod(descriptor, MODE)  # whatever the umask
                os.ftruncate(descriptor, SIZE)  # only ever grows an empty file
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise RecordError(path, "somebody keeps removing it; find out who, or " + _ELSEWHERE)


def open_for_reading(path: Path) -> int:
    """Open and check the record; the caller closes the descriptor.

    Raises:
        RecordMissing: there is no such file, or nothing in it yet.
        RecordError: it cannot be read, or is not a record of this layout version.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise RecordMissing(path, "no such file; " + _NO_DAEMON) from None
    except OSError as error:
        raise RecordError(path, f"cannot be read ({error.strerror}); {_ELSEWHERE}") from error
    try:
        _check_readable(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def same_file(opened: os.stat_result, path: Path) -> bool:
    """Whether the path still leads to the file that was opened."""
    try:
        return os.path.samestat(os.stat(path), opened)  # noqa: PTH116 - the bare call, per read
    except OSError:
        return False


def _opened(path: Path) -> int:
    try:
        return os.open(path, _FLAGS, MODE)
    except OSError as error:
        raise RecordError(path, _why_not(path, error)) from error


def _why_not(path: Path, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return f"a symbolic link, which is not followed; name the file itself or {_ELSEWHERE}"
    if error.errno == errno.EISDIR:
        return f"a directory; {_ELSEWHERE}"
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return f"the directory {path.parent} does not exist; create it or {_ELSEWHERE}"
    if error.errno in {errno.EACCES, errno.EPERM} and os.path.lexists(path):
        return _forbidden(path)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"the directory {path.parent} is not writable for user {os.geteuid()}; {_ELSEWHERE}"
    return f"cannot be opened ({error.strerror}); {_ELSEWHERE}"


def _forbidden(path: Path) -> str:
    owner = path.lstat().st_uid
    if owner == os.geteuid():
        return f"not writable for its owner; make it so if it is a record, or {_ELSEWHERE}"
    return _foreign(owner)


def _foreign(owner: int) -> str:
    us = os.geteuid()
    return f"belongs to user {owner}, not to {us}; run the daemon as that user or {_ELSEWHERE}"


def _check_kind(descriptor: int, path: Path) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise RecordError(path, f"not a regular file; {_ELSEWHERE}")
    if found.st_uid != os.geteuid():
        raise RecordError(path, _foreign(found.st_uid))
    if found.st_nlink > 1:  # a link to a file of ours that another user may have made
        raise RecordError(path, f"a file with {found.st_nlink} names (hard links); {_ELSEWHERE}")
    if found.st_size not in {0, SIZE}:
        raise RecordError(path, f"{_wrong_size(found.st_size)}; {_ELSEWHERE}")


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(descriptor, 4, OFFSETS["writer_pid"])
        raise RecordHeld(path, int.from_bytes(pid, sys.byteorder)) from None


def _check_content(descriptor: int, path: Path) -> None:
    content = os.pread(descriptor, SIZE, 0)
    problem = _strange(content)
    if not problem or not any(content):
        return
    # The path may have been mistyped: never advise to remove what ChronoTick has not written.
    advice = f"remove it (rm {path}) if nobody needs it, or " if _is_ours(content) else ""
    raise RecordError(path, f"{problem}; {advice}{_ELSEWHERE}")


def _check_readable(descriptor: int, path: Path) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise RecordError(path, f"not a regular file; {_ELSEWHERE}")
    try:
        content = os.pread(descriptor, SIZE, 0)
    except OSError as error:  # some files of /proc can be opened and not read
        raise RecordError(path, f"cannot be read: {error.strerror}; {_ELSEWHERE}") from error
    if found.st_size in {0, SIZE} and not any(content):
        raise RecordMissing(path, "nothing written yet; " + _NO_DAEMON)
    problem = _wrong_size(found.st_size) if found.st_size != SIZE else _strange(content)
    if problem:
        raise RecordError(path, f"{problem}; {_ELSEWHERE}")


def _strange(content: bytes) -> str:
    """What is wrong with the first bytes of a record, or ``""``."""
    if not _is_ours(content):
        return "not a ChronoTick record"
    version = content[_VERSION_AT]
    if version == ABI_VERSION:
        return ""
    return (
        f"a record of layout version {version}, this program has version {ABI_VERSION}: "
        "run a daemon and readers of the same version"
    )


def _is_ours(content: bytes) -> bool:
    """Whether a ChronoTick of any version wrote this."""
    return content[_MAGIC_AT:_VERSION_AT] == MAGIC[:-1]


def _wrong_size(size: int) -> str:
    return f"{size} bytes, a record has {SIZE}: not a ChronoTick record"
