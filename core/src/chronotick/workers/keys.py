"""Keys of the encrypted connection to workers on other machines (CURVE), in files of text.

A machine has one pair: ``worker.key`` holds it and is nobody else's to read, ``worker.pub`` is the
half that others are given. Keys are 40 characters of Z85 (https://rfc.zeromq.org/spec/32/).
"""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import zmq
from zmq.utils import z85

from chronotick.config.private_file import PrivateFileError, Readers, check_mode, read_private

SECRET_FILE: Final = "worker.key"  # noqa: S105 - the name of a file
PUBLIC_FILE: Final = "worker.pub"

_KEY_LENGTH: Final = 40
_PRIVATE: Final = 0o600
_LONGEST_FILE: Final = 2**20


class KeyProblem(Exception):  # noqa: N818 - a problem with advice, shown to people
    """Raised when a key or a list of keys cannot be used; says what to do."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """This machine's own keys, as Z85 text. The secret one is never shown."""

    public: str
    secret: str = field(repr=False)


def generate(directory: Path) -> KeyPair:
    """Make a pair and write its two files.

    Raises:
        KeyProblem: there is one already, or the directory cannot be written.
    """
    public, secret = (half.decode() for half in zmq.curve_keypair())
    name = socket.gethostname()
    head = f"# Secret key of {name} for ChronoTick workers. Who has it can pose as this machine.\n"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(directory / SECRET_FILE, f"{head}{public} public\n{secret} secret\n", _PRIVATE)
        (directory / PUBLIC_FILE).write_text(f"{public} {name}\n", encoding="utf-8")
    except FileExistsError as error:
        raise KeyProblem(
            f"{error.filename} exists already: others may know its key. "
            "Remove it first if they no longer should."
        ) from error
    except OSError as error:
        raise KeyProblem(f"{error.filename}: {error.strerror}. Choose another --out") from error
    return KeyPair(public, secret)


def read_pair(directory: Path) -> KeyPair:
    """Read this machine's pair.

    Raises:
        KeyProblem: there is none, it is another user's, others may read it or change the
            directory, or it holds no pair.
    """
    path = directory / SECRET_FILE
    if directory.is_dir():
        check_directory(directory)
    text = _read(path, Readers.OWNER, "make one: chronotick worker keygen")
    halves = {role: key for key, role in _entries(text, path)}
    if halves.keys() != {"public", "secret"}:
        raise KeyProblem(f"{path} must hold two lines, `KEY public` and `KEY secret`. {_AGAIN}")
    pair = KeyPair(**halves)
    if zmq.curve_public(pair.secret.encode()).decode() != pair.public:
        raise KeyProblem(f"the two keys in {path} do not belong together. {_AGAIN}")
    return pair


def read_public(path: Path) -> str:
    """Read the one public key in a file.

    Raises:
        KeyProblem: the file cannot be read, or holds no key or several.
    """
    advice = "run `chronotick worker key` on the machine it belongs to and put what it prints there"
    text = _read(path, Readers.EVERYBODY, advice)
    keys = list(_entries(text, path))
    if len(keys) != 1:
        raise KeyProblem(f"{path} holds {len(keys)} keys, one is needed: {advice}")
    return keys[0][0]


def read_keys(path: Path) -> dict[str, str]:
    """Read a file of public keys, one per line: key to the words that follow it.

    Raises:
        KeyProblem: the file cannot be read, others may write it, or a line is no key.
    """
    text = _read(path, Readers.EVERYBODY, "make it, with one public key per line")
    return dict(_entries(text, path))


def check_directory(directory: Path) -> None:
    """Refuse a directory of keys that others may put keys into.

    Raises:
        KeyProblem: they may, or it cannot be looked at.
    """
    try:
        mode = directory.stat().st_mode
    except OSError as error:
        raise KeyProblem(f"{directory} cannot be read: {error}") from error
    try:
        check_mode(mode, directory, Readers.EVERYBODY)
    except PrivateFileError as error:
        raise KeyProblem(str(error)) from error


_AGAIN: Final = "Remove it and run: chronotick worker keygen"


def _read(path: Path, readers: Readers, advice: str) -> str:
    try:
        return read_private(path, readers, _LONGEST_FILE).decode("utf-8")
    except PrivateFileError as error:
        raise KeyProblem(str(error)) from error
    except FileNotFoundError:
        raise KeyProblem(f"there is no {path}: {advice}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyProblem(f"{path} cannot be read: {error}") from error


def _entries(text: str, path: Path) -> Iterator[tuple[str, str]]:
    """Keys and the words behind them. No key begins with ``#``: its first digit is too high."""
    for number, line in enumerate(text.splitlines(), start=1):
        word, _, rest = line.strip().partition(" ")
        if not word or word.startswith("#"):
            continue
        if not _is_key(word):
            raise KeyProblem(
                f"{path}:{number}: {word[:50]!r} is no key: one has {_KEY_LENGTH} characters "
                "of Z85, as `chronotick worker key` prints it"
            )
        yield word, _printable(rest)


def _is_key(word: str) -> bool:
    if len(word) != _KEY_LENGTH:
        return False
    try:
        z85.decode(word)
    except (KeyError, ValueError, struct.error):  # no such character, not ASCII, too large
        return False
    return True


def _printable(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", text.strip())


def _write(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
