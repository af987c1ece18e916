"""Where the control socket stands: made safely, and known again."""

from __future__ import annotations

import errno
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

MODE = 0o660
DIRECTORY_MODE = 0o700

_PROBE_S = 1.0

_ELSEWHERE = "Choose another place with control.socket in the configuration or CHRONOTICK_CONTROL."


class ControlSocketError(Exception):
    """Raised when the control socket cannot be opened; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Listening:
    """A socket that listens at a path.

    Attributes:
        socket: it.
        path: where.
        place: device and inode; nothing else gets these while it is open.
        directory_mode: of the directory it stands in.
    """

    socket: socket.socket
    path: Path
    place: tuple[int, int]
    directory_mode: int

    def is_in_place(self) -> bool:
        """Whether the path still leads to it."""
        try:
            return _place(self.path) == self.place
        except OSError:
            return False


def listen(path: Path, directory_mode: int = DIRECTORY_MODE) -> Listening:
    """Listen at a path; a socket left behind there by a dead daemon is replaced.

    Args:
        path: where the socket is made.
        directory_mode: of its directory, if that is to be made; what is missing above it is made
            for this user only.

    Raises:
        ControlSocketError: it cannot be made here, or another process listens on it.
    """
    try:
        _make_directory(path.parent, directory_mode)
        _refuse_foreign(path.parent)
        _remove_stale(path)
        return _bind(path)
    except OSError as error:
        raise ControlSocketError(
            f"control socket {path} cannot be opened: {error.strerror or error}. "
            "Choose another with control.socket in the configuration or CHRONOTICK_CONTROL."
        ) from error


def _bind(path: Path) -> Listening:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(os.fspath(path))
        path.chmod(MODE)  # before anybody can be let in: it does not listen yet
        bound.listen()  # at once: one that nobody listens on is taken for a dead daemon's
        return Listening(bound, path, _place(path), stat.S_IMODE(path.parent.stat().st_mode))
    except BaseException:
        bound.close()
        raise


def _place(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ControlSocketError(f"{path} is in the way and is no socket. Move it elsewhere.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)  # one that accepts nobody must not hold us up
        if probe.connect_ex(os.fspath(path)) in {0, errno.EAGAIN}:
            raise ControlSocketError(
                f"another daemon answers on {path}. Stop it, or choose another socket "
                "with control.socket in the configuration or CHRONOTICK_CONTROL."
            )
    path.unlink()


def _make_directory(directory: Path, mode: int) -> None:
    for missing in [each for each in reversed(directory.parents) if not each.exists()]:
        missing.mkdir(mode=DIRECTORY_MODE, exist_ok=True)  # parents=True would go by the umask
    if not directory.exists():
        directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        directory.chmod(mode)


def _refuse_foreign(directory: Path) -> None:
    """Refuse a directory where somebody else could put a socket in place of ours.

    Raises:
        ControlSocketError: it, or a symbolic link to it, is neither ours nor root's, or everybody
            may write to it and remove what others have put there.
    """
    found = directory.stat()
    for owner in (directory.lstat().st_uid, found.st_uid):
        if owner not in {os.geteuid(), 0}:
            raise ControlSocketError(f"{directory} belongs to user {owner}. {_ELSEWHERE}")
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise ControlSocketError(
            f"everybody may replace files in {directory}. Run: chmod o-w {directory}"
        )
