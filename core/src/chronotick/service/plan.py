"""What is to be done to the host, as values: shown by ``--dry-run``, or carried out."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chronotick.service.errors import ServiceError
from chronotick.service.signed import Standing, standing

MODE = 0o644
PATIENCE_S = 120.0  # of one command: `systemctl restart` waits until the daemon serves
_NO_BUS = "Failed to connect to"


@dataclass(frozen=True, slots=True)
class Write:
    """A file to write. Its directory is made; what is there is replaced as a whole."""

    path: Path
    text: str

    def __str__(self) -> str:
        """Say it as a person would."""
        return f"write {self.path}"


@dataclass(frozen=True, slots=True)
class Remove:
    """A file to remove, and its directory if that is empty then and one of drop-ins."""

    path: Path

    def __str__(self) -> str:
        """Say it as a person would."""
        return f"remove {self.path}"


@dataclass(frozen=True, slots=True)
class Run:
    """A command to run.

    Attributes:
        words: program and arguments.
        hint: what to do where it fails.
        optional: whether the rest is done all the same.
    """

    words: tuple[str, ...]
    hint: str = ""
    optional: bool = False

    def __str__(self) -> str:
        """Say it as one would type it."""
        return f"run   {shlex.join(self.words)}"


Step = Write | Remove | Run
Plan = tuple[Step, ...]


def check_ours(plan: Plan) -> None:
    """Refuse a plan that would lose what somebody else wrote.

    Raises:
        ServiceError: it names every such file.
    """
    problems = []
    for step in plan:
        if isinstance(step, Run):
            continue
        found = standing(step.path)
        if found is Standing.FOREIGN:
            problems.append(f"{step.path} was not written by `chronotick service`")
        elif found is Standing.CHANGED:
            problems.append(f"{step.path} was changed since it was written")
    if problems:
        raise ServiceError(
            f"{'; '.join(problems)}. Keep what you need of it in a drop-in (systemctl edit), and "
            "move it away or say --force"
        )


def carry_out(plan: Plan, tell: Callable[[str], None]) -> None:
    """Do each step in turn, after telling of it.

    Raises:
        ServiceError: a step failed; those before it stay done, and doing all again is harmless.
    """
    for step in plan:
        tell(str(step))
        if isinstance(step, Write):
            _write(step)
        elif isinstance(step, Remove):
            _remove(step.path)
        else:
            _run(step)


def _write(step: Write) -> None:
    path = step.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.write(step.text)
        os.chmod(file.name, MODE)  # noqa: PTH101 - it is a name
        os.replace(file.name, path)  # noqa: PTH105 - it is a name
    except OSError as error:
        raise ServiceError(f"{path} cannot be written ({error.strerror})") from error


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ServiceError(f"{path} cannot be removed ({error.strerror})") from error
    if path.parent.name.endswith(".service.d"):
        with contextlib.suppress(OSError):  # there are others in it
            path.parent.rmdir()


def _run(step: Run) -> None:
    try:
        done = subprocess.run(
            step.words, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
    except FileNotFoundError:
        raise ServiceError(f"there is no program {step.words[0]} on this host") from None
    except subprocess.TimeoutExpired:
        done = subprocess.CompletedProcess(step.words, 1, "", f"no answer in {PATIENCE_S:g} s")
    if done.returncode == 0 or step.optional:
        return
    said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0]
    hint = _bus_hint(step, said) or step.hint
    raise ServiceError(f"`{shlex.join(step.words)}` failed: {said.rstrip('.')}. {hint}".rstrip())


def _bus_hint(step: Run, said: str) -> str:
    if not said.startswith(_NO_BUS):
        return ""
    if "--user" in step.words:
        return (
            "Log in as this user (su and sudo do not start its systemd), or run: "
            f"loginctl enable-linger; export XDG_RUNTIME_DIR=/run/user/{os.getuid()}"
        )
    return "systemd does not run here: in a container, or in an image with --root, nothing starts"
