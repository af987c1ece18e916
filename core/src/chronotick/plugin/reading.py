"""What others' plugins provide: read by a process of its own each, and remembered.

Importing somebody else's module in the daemon would give it the power to hold the clock up: an
import that waits, or holds the GIL, cannot be ended from inside. A process can. Its answer is kept
until one of the files that were imported changes, so that it is paid for once.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final

from chronotick.plugin.contract import Checkpoint, Environment, ModelSpec
from chronotick.plugin.describe import Complaint

# Of wall time, for an import that takes a tenth of a second: a machine that is busy, as while it
# starts, may stall a process of low priority for long, and nothing waits for it but its models.
DEADLINE_S: Final = 30.0
_START: Final = (
    "import json, os, sys; os.nice(10); "  # the clock starts meanwhile
    "question = json.loads(sys.argv[1]); sys.path[:] = question['path']; "
    "from chronotick.plugin.describe import main; main(question)"
)

_log = logging.getLogger("chronotick.plugins")


@dataclass(frozen=True, slots=True)
class Offer:
    """What one plugin provides, and what is wrong with it."""

    models: tuple[ModelSpec, ...] = ()
    complaints: tuple[Complaint, ...] = ()


def remembered(entry: EntryPoint) -> Offer | None:
    """What a plugin provided when it was read last; ``None`` if that may have changed."""
    try:
        answer = json.loads(_cache_file(entry).read_text(encoding="utf-8"))
        if any(_stamp(path) != stamp for path, stamp in answer["files"].items()):
            return None
        return _offer(answer)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError):
        return None  # RuntimeError: nobody's home directory is known


def read(entry: EntryPoint, deadline_s: float = DEADLINE_S) -> Offer:
    """Have a plugin described by a process of its own; blocks until it is done or too late."""
    name = entry.dist.name if entry.dist is not None else ""
    question = {
        "path": [os.path.abspath(folder) for folder in sys.path],  # noqa: PTH100 - "" is the folder we are in
        "name": entry.name,
        "value": entry.value,
        "distribution": name,
        "deadline_s": deadline_s + 1.0,
    }
    popen = subprocess.Popen(
        [sys.executable, "-c", _START, json.dumps(question)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",  # with -c the present folder is a place modules are looked for
        start_new_session=True,
    )
    with popen:
        try:
            text, _ = popen.communicate(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            return Offer(complaints=(_too_late(deadline_s, name),))
        finally:
            _end(popen)
    return _understood(entry, text, popen.returncode)


def _end(popen: subprocess.Popen[bytes]) -> None:
    """End the process and what it started, whatever holds the pipe open."""
    with suppress(ProcessLookupError):
        os.killpg(popen.pid, signal.SIGKILL)
    if popen.stdout is not None:
        popen.stdout.close()


def _understood(entry: EntryPoint, text: bytes, returncode: int) -> Offer:
    try:
        answer = json.loads(text)
        offer = _offer(answer)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Offer(complaints=(_ended(returncode, entry),))
    if offer.models and not offer.complaints:
        _remember(entry, answer)
    return offer


def _too_late(deadline_s: float, distribution: str) -> Complaint:
    return Complaint(
        f"import took longer than {deadline_s:g} s",
        "The module its entry point names must wait for nothing and import nothing heavy: report "
        f"it to its author, or remove it: pip uninstall {distribution or 'the plugin'}",
    )


def _ended(returncode: int, entry: EntryPoint) -> Complaint:
    name = entry.dist.name if entry.dist is not None else "the plugin"
    how = f"signal {-returncode}" if returncode < 0 else f"status {returncode}"
    return Complaint(
        f"the process that imported it ended with {how} and no answer",
        f"Try: python -c 'import {entry.module}'. Report it to its author, or remove it: "
        f"pip uninstall {name}",
    )


def _cache_file(entry: EntryPoint) -> Path:
    """Where the answer is kept: a name for everything that tells one installation from another."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    root = Path(chosen) if chosen else Path("~/.cache").expanduser()
    dist = entry.dist
    about = [sys.executable, sys.version, entry.name, entry.value]
    if dist is not None:
        about += [dist.name, dist.version, str(dist.locate_file(""))]
    digest = hashlib.sha256("\0".join(about).encode()).hexdigest()
    return root / "chronotick" / "plugins" / f"{digest[:32]}.json"


def _remember(entry: EntryPoint, answer: dict[str, Any]) -> None:
    try:
        path = _cache_file(entry)
        fresh = path.with_suffix(f".{os.getpid()}")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.write_text(json.dumps(answer), encoding="utf-8")
        fresh.replace(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody's home directory is known
        _log.info("plugin %s will be read anew at each start: %s", entry.name, error)


def _stamp(path: str) -> list[int]:
    stat = os.stat(path)  # noqa: PTH116 - dozens at each start
    return [stat.st_mtime_ns, stat.st_size]


def _offer(answer: dict[str, Any]) -> Offer:
    return Offer(
        tuple(_spec(values) for values in answer["models"]),
        tuple(Complaint(**each) for each in answer["complaints"]),
    )


def _spec(values: dict[str, Any]) -> ModelSpec:
    """A specification from JSON types.

    Raises:
        TypeError, KeyError: it is of another version.
    """
    parts = _tuples(values)
    if parts["environment"] is not None:
        parts["environment"] = Environment(**_tuples(parts["environment"]))
    if parts["checkpoint"] is not None:
        parts["checkpoint"] = Checkpoint(**parts["checkpoint"])
    parts["alternatives"] = tuple(Checkpoint(**each) for each in parts["alternatives"])
    return ModelSpec(**parts)


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """With tuples where JSON has lists."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
