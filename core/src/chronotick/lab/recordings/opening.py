"""From a path, or standard input, to lines of text."""

from __future__ import annotations

import gzip
import sys
import zlib
from pathlib import Path

from chronotick.lab.recordings.errors import RecordingError

STDIN = "-"
SQLITE_MAGIC = b"SQLite format 3\0"
_GZIP_MAGIC = b"\x1f\x8b"


def content(path: str) -> bytes:
    """Read a file, unpacked.

    Args:
        path: of the file, packed with gzip or not; ``-`` is standard input.

    Raises:
        RecordingError: it cannot be read, is empty or its gzip stream is damaged.
    """
    try:
        data = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    except OSError as error:
        raise RecordingError(path, f"cannot be read: {error.strerror}") from error
    if data.startswith(_GZIP_MAGIC):
        data = _unpacked(path, data)
    if not data.strip():
        raise RecordingError(path, "is empty")
    return data


def is_database(path: str) -> bool:
    """Whether a file is an SQLite database; standard input and what cannot be read are none."""
    try:
        if path == STDIN or not Path(path).is_file():
            return False
        with Path(path).open("rb") as file:
            return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    except OSError:  # whoever reads it next says why
        return False


def text_lines(path: str, data: bytes) -> list[str]:
    """Decode UTF-8 (ASCII) text.

    Raises:
        RecordingError: it is something else, or nothing but a byte order mark.
    """
    if data.startswith(SQLITE_MAGIC):
        raise RecordingError(path, "is a packed or piped database. Unpack it, and give its path")
    if b"\0" in data:
        raise RecordingError(path, f"is not text: byte {data.index(0)} is zero")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RecordingError(path, "is not text in UTF-8", line) from error
    if not text.strip():
        raise RecordingError(path, "is empty")
    return text.splitlines()


def _unpacked(path: str, data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except EOFError as error:
        problem = "its gzip stream ends early: it was cut off. Copy it again"
        raise RecordingError(path, problem) from error
    except (OSError, zlib.error) as error:
        raise RecordingError(path, f"its gzip stream is damaged ({error})") from error
