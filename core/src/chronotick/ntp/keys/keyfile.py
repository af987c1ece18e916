"""Reads a file of keys, as chrony.keys(5) describes it: ``ID [TYPE] [ASCII:|HEX:]KEY``.

A file may be shared with programs that know other types, so what is wrong with a line counts for
the key of its number only. Messages have numbers and types of keys, once they are known to be that;
whatever else stands in the file may be a piece of a secret.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chronotick.config.private_file import PrivateFileError, Readers, read_private
from chronotick.config.servers import parse_key_id
from chronotick.ntp.keys.mac import CIPHER_KEY_BYTES, HASHES, Key

SHORTEST_SECRET: Final = 10
"""Bytes. Below that, whoever has seen one packet finds the key by trying."""

_BROKEN: Final = "MD5"  # and what chrony takes a key for whose type is left out
_KINDS: Final = (*CIPHER_KEY_BYTES, *HASHES, _BROKEN)
_LONGEST_FILE: Final = 2**16  # it is read between other work of the event loop
_COMMENT: Final = re.compile(rb"\s*([!;#%]|$)")
_ASCII, _HEX = b"ASCII:", b"HEX:"


class KeyFileError(Exception):
    """Raised when a key cannot be had; the message says where, why and what to do."""


def read_key(path: Path, number: int) -> Key:
    """Read one key.

    Args:
        path: of the file; a relative one goes by the current directory.
        number: of the key.

    Raises:
        KeyFileError: the file cannot be read, is another user's, or is open to others; the key is
            not in it or twice, has a mistake in its line, is no good, or needs a package that is
            not installed.
    """
    where, words = _find(_absolute(path), number)
    try:
        key = Key(number, *_kind_and_secret(words))
    except ValueError as error:
        raise KeyFileError(f"{where}: {error}") from None
    _check_strength(key, where)
    _check_package(key, where)
    return key


def _absolute(path: Path) -> Path:
    """The path as messages name it: a service's current directory is not its reader's."""
    try:
        return path.absolute()
    except OSError as error:
        raise KeyFileError(f"{path}: there is no current directory ({error.strerror})") from error


def _find(path: Path, number: int) -> tuple[str, list[bytes]]:
    """Where a key's line is, and its words."""
    lines = list(_lines(path))
    ours = [(where, words) for where, its_number, words in lines if its_number == number]
    if not ours:
        raise KeyFileError(f"{path}: there is no key {number}. {_advice(number, lines)}")
    if len(ours) > 1:
        raise KeyFileError(f"{ours[1][0]}: key {number} is there already. Remove one")
    return ours[0]


_Line = tuple[str, int, list[bytes]]


def _lines(path: Path) -> Iterator[_Line]:
    """Where each line is that is no comment, its key's number (0: none) and its words."""
    content = _read(path).removeprefix(codecs.BOM_UTF8)  # editors write it, and do not show it
    for line, text in enumerate(content.split(b"\n"), start=1):
        if not _COMMENT.match(text):
            words = text.split()
            yield f"{path}:{line}", _number(words[0]), words


def _read(path: Path) -> bytes:
    try:
        return read_private(path, Readers.GROUP, _LONGEST_FILE)  # the group: chronyd's, often
    except PrivateFileError as error:
        raise KeyFileError(str(error)) from error
    except OSError as error:
        raise KeyFileError(f"{path}: the keys cannot be read ({error.strerror})") from error


def _number(text: bytes) -> int:
    try:
        return parse_key_id(text.decode("latin-1"))
    except ValueError:
        return 0


def _advice(number: int, lines: list[_Line]) -> str:
    """What to do about a missing key: perhaps it is in a line that does not say so."""
    strange = next((where for where, its_number, _ in lines if not its_number), None)
    line = f"the server's line of that number. A new key has to be on both: what {_make(number)}"
    if strange is None:
        return f"Add {line}"
    return f"Mend {strange}, which begins with no number from 1 to {2**32 - 1}, or add {line}"


def _kind_and_secret(words: list[bytes]) -> tuple[str, bytes]:
    """Type and secret of a line.

    Raises:
        ValueError: it has none; the message has nothing of the line in it.
    """
    rest = words[1:]
    if len(rest) == 1:
        rest = [_BROKEN.encode(), *rest]
    if len(rest) != 2:  # noqa: PLR2004 - type and key
        comment = ". A comment needs a line of its own" if len(rest) > 2 else ""  # noqa: PLR2004
        raise ValueError(f"not of the form: ID [TYPE] [ASCII:|HEX:]KEY{comment}")
    kind = next((each for each in _KINDS if each.encode() == rest[0]), None)
    if kind is None:
        raise ValueError(f"the key's type is none of {', '.join(_KINDS)}")
    secret = _secret(rest[1])
    if len(secret) != CIPHER_KEY_BYTES.get(kind, len(secret)):
        length = CIPHER_KEY_BYTES[kind]
        raise ValueError(f"an {kind} key has {length} bytes: HEX: and {2 * length} digits")
    return kind, secret


def _secret(text: bytes) -> bytes:
    if text.startswith(_HEX):
        try:
            secret = binascii.unhexlify(text[len(_HEX) :])
        except binascii.Error:
            raise ValueError("behind HEX: stand no pairs of hexadecimal digits") from None
    else:
        secret = text.removeprefix(_ASCII)
    if not secret:
        raise ValueError("the key is empty")
    return secret


def _check_strength(key: Key, where: str) -> None:
    if key.kind == _BROKEN:
        problem = "is of type MD5, which is given up (RFC 8573)"
    elif len(key.secret) < SHORTEST_SECRET:
        problem = f"is shorter than {SHORTEST_SECRET} bytes: it can be found by trying"
    else:
        return
    raise KeyFileError(
        f"{where}: key {key.number} {problem}. Here and on the server, write what "
        f"{_make(key.number)}"
    )


def _check_package(key: Key, where: str) -> None:
    try:
        key.mac(b"")
    except ImportError:
        raise KeyFileError(
            f"{where}: {key.kind} keys need more packages. Run: pip install 'chronotick[nts]'"
        ) from None


def _make(number: int) -> str:
    return f"`chronyc keygen {number} AES128` prints"
