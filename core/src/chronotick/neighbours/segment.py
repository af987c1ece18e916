"""The file that clients of ClockBound map: a header with a generation, and one statement.

Layout and protocol: aws/clock-bound, docs/PROTOCOL.md (version 2). The magic number is two native
32-bit words there, as upstream's library reads it. The generation is odd while the statement is
being written, even afterwards, and never 0 again.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import stat
import struct
from pathlib import Path

from chronotick.neighbours.problem import NeighbourError

try:
    from chronotick.shm._creader import fence as _fence
except ImportError:  # built without a compiler

    def _fence() -> None:
        """Do nothing: x86-64 keeps stores in order."""


MAGIC = (0x414D5A4E, 0x43420200)  # "AMZN", "CB", 2, 0
VERSION = 2
HEADER = struct.Struct("@IIIHH")  # magic, magic, size, version, generation
BODY_BYTES = 64
SIZE = HEADER.size + BODY_BYTES
HEAD = HEADER.pack(*MAGIC, SIZE, VERSION, 0)[:-2]
"""The header without its generation: the same from the first moment on."""

MODE = 0o644

_GENERATION_WORD = 7  # of 16 bits
_LAST_GENERATION = 0xFFFF
_MARKER = struct.Struct("@Q")
_MARKER_AT = HEADER.size + 40
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ELSEWHERE = "choose another path with --clockbound"


class Segment:
    """The one writer of a segment; the file stays when it closes, and the next one goes on.

    Args:
        path: the file, in a directory that exists.

    Raises:
        NeighbourError: another process writes it, or it is something else.

    Attributes:
        last_marker: the disruption marker that stood there before; 0 in a new file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open(path)
        os.pwrite(self._file, HEAD, 0)  # clients read it at any time, so never again
        self._map = mmap.mmap(self._file, SIZE)
        self._bytes = memoryview(self._map)
        self._words = self._bytes.cast("H")  # one aligned access; struct would copy bytes
        self._generation = self._words[_GENERATION_WORD]
        self.last_marker = int(_MARKER.unpack_from(self._bytes, _MARKER_AT)[0])

    def write(self, body: bytes) -> None:
        """Publish a statement of 64 bytes.

        Raises:
            NeighbourError: somebody else has written here since, or removed the file.
        """
        self._check_alone()
        self._words[_GENERATION_WORD] = self._generation = self._generation | 1
        _fence()
        self._bytes[HEADER.size :] = body
        _fence()
        even = 2 if self._generation == _LAST_GENERATION else self._generation + 1
        self._words[_GENERATION_WORD] = self._generation = even

    def close(self) -> None:
        """Give the file up; what stands in it stays."""
        self._words.release()
        self._bytes.release()
        self._map.close()
        os.close(self._file)

    def _check_alone(self) -> None:
        if self._words[_GENERATION_WORD] != self._generation:
            raise NeighbourError(
                f"ClockBound: another program writes {self.path} too. Stop it, or {_ELSEWHERE}"
            )
        try:
            ours = os.path.samestat(os.fstat(self._file), self.path.stat())
        except OSError:
            ours = False
        if not ours:
            raise NeighbourError(
                f"ClockBound: {self.path} was removed or replaced. Start again, or {_ELSEWHERE}"
            )


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, _FLAGS, MODE)
    except FileNotFoundError:
        raise NeighbourError(
            f"ClockBound: the directory {path.parent} does not exist; create it or {_ELSEWHERE}"
        ) from None
    except OSError as error:
        raise NeighbourError(
            f"ClockBound: {path} cannot be opened ({error.strerror}); {_ELSEWHERE}"
        ) from error
    try:
        _check(descriptor, path)
        os.fchmod(descriptor, MODE)  # whatever the umask
        os.ftruncate(descriptor, SIZE)  # only ever grows an empty file
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(descriptor: int, path: Path) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise NeighbourError(f"ClockBound: {path} is not a regular file; {_ELSEWHERE}")
    if found.st_uid != os.geteuid():
        raise NeighbourError(f"ClockBound: {path} belongs to user {found.st_uid}; {_ELSEWHERE}")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise NeighbourError(
            f"ClockBound: another process writes {path}. Stop it, or {_ELSEWHERE}"
        ) from None
    if found.st_size and not _is_segment(os.pread(descriptor, SIZE + 1, 0)):
        raise NeighbourError(f"ClockBound: {path} is not a segment of version 2; {_ELSEWHERE}")


def _is_segment(content: bytes) -> bool:
    if len(content) != SIZE:
        return False
    if not any(content):
        return True  # the writer before died before its first statement
    return content.startswith(HEAD)
