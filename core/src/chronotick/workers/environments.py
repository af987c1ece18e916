"""The environments on disk: which are there, which are in use, which can go.

An environment is a directory ``<recipe>-<hash>``; it counts from the moment its marker is there.
Old ones stay until they are pruned, so going back to an earlier version costs nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from chronotick.workers.errors import EnvironmentProblem
from chronotick.workers.recipes import Plan

_MARKER: Final = ".complete"
_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltEnvironment:
    """An environment on disk.

    Attributes:
        path: its directory.
        complete: whether it was built to the end; nothing else is known otherwise.
        recipe, device: of what was built.
        python: what it was built with, e.g. the path of an interpreter.
        packages_key: equal in environments that hold the same installed packages.
        created_s: when, in seconds since 1970.
        code: our own distributions in it, name to version (empty: editable).
    """

    path: Path
    complete: bool
    recipe: str = ""
    device: str = ""
    python: str = ""
    packages_key: str = ""
    created_s: float = 0.0
    code: Mapping[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Disk space that removing it would free: files shared with others do not count."""
        entries = (entry.lstat() for entry in self.path.rglob("*"))
        return sum(entry.st_blocks * 512 for entry in entries if entry.st_nlink == 1)


@dataclass(frozen=True, slots=True)
class Lease:
    """An interpreter in use: ``prune`` leaves its environment alone until it is released."""

    interpreter: Path
    descriptor: int | None = None

    def release(self) -> None:
        """Allow the environment to be pruned."""
        if self.descriptor is not None:
            os.close(self.descriptor)


def current_interpreter() -> Lease:
    """Return the daemon's own interpreter, which nobody prunes."""
    return Lease(Path(sys.executable))


def lease(directory: Path) -> Lease:
    """Mark an environment as in use by this process."""
    descriptor = _open_lock(directory)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return Lease(directory / "bin" / "python", descriptor)


def is_complete(directory: Path) -> bool:
    """Tell whether an environment was built to the end."""
    return (directory / _MARKER).is_file()


def mark_complete(plan: Plan) -> None:
    """Declare an environment built: the last thing its builder does."""
    about = BuiltEnvironment(
        path=plan.directory,
        complete=True,
        recipe=plan.recipe.recipe,
        device=plan.device,
        python=str(plan.python),
        packages_key=plan.packages_key,
        created_s=time.time(),
        code={code.name: code.version for code in plan.code},
    )
    facts = {name: value for name, value in asdict(about).items() if name != "path"}
    draft = plan.directory / f"{_MARKER}.draft"
    draft.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    draft.replace(plan.directory / _MARKER)


def list_environments(root: Path) -> tuple[BuiltEnvironment, ...]:
    """Return the environments below ``root``, half-built ones included, by name."""
    if not root.is_dir():
        return ()
    return tuple(_read(path) for path in sorted(root.iterdir()) if path.is_dir())


def prune(root: Path, keep: Collection[Path]) -> tuple[Path, ...]:
    """Remove the environments not in ``keep`` that nobody uses or builds; returns which."""
    removed = []
    for built in list_environments(root):
        if built.path in keep:
            continue
        descriptor = _open_lock(built.path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            # The marker first: what is left when we are interrupted is half built, not broken.
            (built.path / _MARKER).unlink(missing_ok=True)
            shutil.rmtree(built.path)
            removed.append(built.path)
        finally:
            os.close(descriptor)
    return tuple(removed)


@contextmanager
def building(
    directory: Path, cancelled: threading.Event, on_wait: Callable[[], None]
) -> Iterator[None]:
    """Hold the lock of an environment while it is built.

    Args:
        directory: of the environment.
        cancelled: gives up waiting when set.
        on_wait: called when another process holds the lock, once.

    Raises:
        EnvironmentProblem: cancelled while another process was building it.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _open_lock(directory)
    try:
        if not _try_lock(descriptor):
            on_wait()
            while not _try_lock(descriptor):
                if cancelled.wait(_POLL_S):
                    raise EnvironmentProblem("", "waiting for it was cancelled.", "Start again.")
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open_lock(directory: Path) -> int:
    # Beside the directory, and never removed: a lock on a removed file guards nothing.
    path = directory.with_name(f"{directory.name}.lock")
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _read(path: Path) -> BuiltEnvironment:
    try:
        facts = json.loads((path / _MARKER).read_text(encoding="utf-8"))
        return BuiltEnvironment(path=path, **facts)
    except (OSError, ValueError, TypeError):
        return BuiltEnvironment(path=path, complete=False)
