"""Which program a service runs, and whether the service could."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from chronotick.service.errors import ServiceError

NAMED = Path("/opt/chronotick/bin/chronotick")
"""Stands in the texts for the program; installing puts the real one there."""

_HIDDEN = {
    Path("/home"): "ProtectHome=yes",
    Path("/root"): "ProtectHome=yes",
    Path("/run/user"): "ProtectHome=yes",
    Path("/tmp"): "PrivateTmp=yes",  # noqa: S108 - not used: what is there is refused
    Path("/var/tmp"): "PrivateTmp=yes",  # noqa: S108
}
_ADVICE = (
    "Install it where every user may run it: python3 -m venv /opt/chronotick; "
    "/opt/chronotick/bin/pip install 'chronotick[daemon]'; "
    "/opt/chronotick/bin/chronotick service install"
)


def this_program() -> Path:
    """Return the command ``chronotick`` of the interpreter that runs now.

    Raises:
        ServiceError: it has none.
    """
    found = Path(sys.executable).with_name("chronotick")
    if not found.is_file():
        raise ServiceError(
            f"{found} does not exist: ChronoTick is not installed for {sys.executable}. "
            "Name the program with --program"
        )
    return found


def check_reachable(program: Path) -> None:
    """Make sure that a system service, which runs as another user, could run a program.

    Raises:
        ServiceError: it, or its interpreter, is hidden from the unit or may not be executed.
    """
    for path in _needed(program):
        for directory, setting in _HIDDEN.items():
            if directory in path.parents:
                raise ServiceError(
                    f"{path} is below {directory}, which the unit hides ({setting}). {_ADVICE}"
                )
        closed = _closed(path)
        if closed is not None:
            raise ServiceError(f"{closed} may be entered by its owner only. {_ADVICE}")


def _needed(program: Path) -> Iterator[Path]:
    """The program, and the interpreter that its first line names, behind all links."""
    if not program.is_file():
        raise ServiceError(f"{program} does not exist. Name the program with --program")
    yield program.absolute()
    with program.open("rb") as file:
        first = file.readline(4096).decode(errors="replace")
    if first.startswith("#!/"):
        interpreter = Path(first.removeprefix("#!").split()[0])
        if not interpreter.exists():
            raise ServiceError(f"{program}: its interpreter {interpreter} does not exist")
        yield interpreter.absolute()
        yield interpreter.resolve()


def _closed(path: Path) -> Path | None:
    """What on the way to a file others may not execute or enter, if anything."""
    for each in (path, *path.parents):
        if not each.stat().st_mode & stat.S_IXOTH:
            return each
    return None
