"""Reads a file of keys, as chrony.keys(5) describes it: ``ID [TYPE] [ASCII:|HEX:]KEY``.

Nothing that stands in the file is ever part of a message but the number of a key: what looks like a
type or a number may be a piece of a secret.
"""

from __future__ import annotations

import binascii
import os
import re
import stat
from pathlib import Path
from typing import Final

from chronotick.config.servers import parse_key_id
from chronotick.ntp.keys.mac import CIPHER_KEY_BYTES, HASHES, Key

SHORTEST_SECRET: Final = 10
"""Bytes. Below that, whoever has seen one packet finds the key by trying."""

_BROKEN: Final = "MD5"  # and what chrony takes a key for whose type is left out
_KINDS: Final = (*CIPHER_KEY_BYTES, *HASHES, _BROKEN)
_LONGEST_FILE: Final = 2**16  # it is read between other work of the event loop
_MODE_OF_OTHERS: Final = 0o026  # the group may read: a chronyd's, often
_COMMENT: Final = re.compile(rb"\s*([!;#%]|$)")
_ASCII, _HEX = b"ASCII:", b"HEX:"


class KeyFileError(Exception):
    """Raised when a key cannot be had; the message says where, why and what to do."""


def read_key(path: Path, number: int) -> Key:
    """Read one key.

    Raises:
        KeyFileError: the file cannot be read, is open to others, or has a mistake in any of its
            lines; the key is not in it, is no good, or needs a package that is not installed.
    """
    found: dict[int, tuple[Key, str]] = {}
    for line, text in enumerate(_read(path).split(b"\n"), start=1):
        if not _COMMENT.match(text):
            where = f"{path}:{line}"
            key = _key(text.split(), where)
            if key.number in found:
                raise KeyFileError(f"{where}: key {key.number} is there already. Remove one")
            found[key.number] = key, where
    if number not in found:
        raise KeyFileError(f"{path}: there is no key {number}. Add the line that {_make(number)}")
    key, where = found[number]
    _check_strength(key, where)
    _check_package(key, where)
    return key


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=_at_once) as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_LONGEST_FILE + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: the keys cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(mode):
        raise KeyFileError(f"{path}: no regular file")
    if mode & _MODE_OF_OTHERS:
        verb = "read" if mode & stat.S_IROTH else "change"
        raise KeyFileError(f"{path}: others may {verb} it. Run: chmod 640 {path}")
    if len(text) > _LONGEST_FILE:
        raise KeyFileError(f"{path}: longer than {_LONGEST_FILE} bytes: is it a file of keys?")
    return text


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe would wait for its other end


def _key(words: list[bytes], where: str) -> Key:
    try:
        number, kind, secret = _fields(words)
        return Key(number, kind, secret)
    except ValueError as error:
        raise KeyFileError(f"{where}: {error}") from None


def _fields(words: list[bytes]) -> tuple[int, str, bytes]:
    """Number, type and secret of a line.

    Raises:
        ValueError: it has none; the message has nothing of the line in it.
    """
    if len(words) == 2:  # noqa: PLR2004 - number and key
        words = [words[0], _BROKEN.encode(), words[1]]
    if len(words) != 3:  # noqa: PLR2004 - number, type and key
        raise ValueError("not of the form: ID [TYPE] [ASCII:|HEX:]KEY")
    id_text, kind_text, secret_text = words
    number = parse_key_id(id_text.decode("latin-1"))
    kind = next((each for each in _KINDS if each.encode() == kind_text), None)
    if kind is None:
        raise ValueError(f"the key's type is none of {', '.join(_KINDS)}")
    secret = _secret(secret_text)
    if len(secret) != CIPHER_KEY_BYTES.get(kind, len(secret)):
        length = CIPHER_KEY_BYTES[kind]
        raise ValueError(f"an {kind} key has {length} bytes: HEX: and {2 * length} digits")
    return number, kind, secret


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
