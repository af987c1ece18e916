"""Starting the rig: servers, daemon, models, readers, and the end of all of them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chronotick.lab.faults.publications import Publications
from chronotick.lab.faults.readers import Reader, Readers
from chronotick.lab.faults.rig import Rig, StatusPoller
from chronotick.lab.faults.servers import serving
from chronotick.lab.faults.service import RESTART_S, Service
from chronotick.lab.faults.system_clock import SteppedClock, build

SERVERS: Final = 5
VALIDITY_NS: Final = 3_000_000_000
"""``shm.validity_seconds``, the default."""
DISK_MIB: Final = 64
MEMORY_HOG: Final = "echo-9"
"""Takes `MEMORY_HOG_MIB` with each answer, up to its limit."""
MEMORY_HOG_MIB: Final = 2
MEMORY_HOG_LIMIT_MIB: Final = 250
ECHOES: Final = """
from dataclasses import replace
from chronotick.plugin import echo, hookimpl

@hookimpl
def chronotick_models():
    return [replace(spec, name=f"echo-{n}") for spec in echo.chronotick_models() for n in range(10)]
"""
"""A plugin, module ``echoes``: the models echo-0 to echo-9."""
_AT_ONCE_S: Final = 0.1
_TIMING: Final = "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__"

_USUAL: Final = {
    f"{_TIMING}NORMAL_OPERATION__MEASUREMENT_INTERVAL": "1",
    f"{_TIMING}NORMAL_OPERATION__MAX_INTERVAL": "4",
    "CHRONOTICK_SHORT_TERM__INFERENCE_INTERVAL": "5",
}
_HURRIED: Final = {
    f"{_TIMING}NORMAL_OPERATION__MEASUREMENT_INTERVAL": "0.25",
    f"{_TIMING}NORMAL_OPERATION__MAX_INTERVAL": "0.5",
    f"{_TIMING}WARM_UP__DURATION_SECONDS": "0.5",
    f"{_TIMING}WARM_UP__MEASUREMENT_INTERVAL": "0.1",
    "CHRONOTICK_SHORT_TERM__INFERENCE_INTERVAL": "0.5",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a run is made with.

    Attributes:
        directory: a new one, for everything; its path must be short (it has sockets).
        site: a folder of installed plugins, of which one is `ECHOES`.
        models: in workers, besides the echo models.
        environments: where models' environments are.
        c_reader: command of the reader in C.
        clock_source: of the library that moves the daemon's system clock; ``None``: it stays.
        hurried: poll more often, warm up faster and restart at once.
        settings: further variables of the daemon's environment.
        disk: lay the history on a small file system, if this may be mounted.
        memory_hog: have a model that takes more and more memory.
    """

    directory: Path
    site: Path
    models: Sequence[str] = ()
    environments: Path | None = None
    c_reader: Sequence[str] = ()
    clock_source: Path | None = None
    hurried: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    disk: bool = True
    memory_hog: bool = True


@contextlib.contextmanager
def running_rig(setup: Setup, say: Callable[[str], None]) -> Iterator[Rig]:
    """Run servers and a daemon for the length of the block; the caller closes the service.

    Raises:
        ChronydError: chronyd is missing or does not start.
    """
    directory = setup.directory
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(serving(SERVERS))
        disk = stack.enter_context(small_disk(directory / "disk", say)) if setup.disk else None
        history = (disk or directory) / "history.sqlite3"
        clock = _system_clock(setup, say)
        if clock is not None:
            stack.callback(clock.close)
        models = ["echo-1", *([MEMORY_HOG] if setup.memory_hog else []), *setup.models]
        command = [sys.executable, "-m", "chronotick", "run", "--models", ",".join(models)]
        for address in servers.addresses:
            command += ["--server", address]
        command += ["--checkpoint", f"{MEMORY_HOG}=allocate={MEMORY_HOG_MIB}", "--offline"]
        environ = _environment(setup, history, clock)
        restart_s = _AT_ONCE_S if setup.hurried else RESTART_S
        publications = Publications(directory / "record", VALIDITY_NS)
        service = Service(command, environ, directory, publications, say, restart_s=restart_s)
        poller = StatusPoller(directory / "control.sock")
        poller.start()
        stack.callback(poller.close)
        service.start()
        stack.callback(service.close)
        yield Rig(
            directory=directory,
            history=history,
            disk=disk,
            service=service,
            servers=servers,
            poller=poller,
            system_clock=clock,
            memory_hog=MEMORY_HOG,
        )


@contextlib.contextmanager
def running_readers(setup: Setup, say: Callable[[str], None]) -> Iterator[Readers]:
    """Run the readers for the length of the block."""
    record, directory = str(setup.directory / "record"), setup.directory
    python = [sys.executable, "-m", "chronotick.lab.faults.reader", record, str(VALIDITY_NS)]
    commands = {"python": python, "pure": [*python, "pure"]}
    if setup.c_reader:
        commands["c"] = [*setup.c_reader, record, str(VALIDITY_NS)]
    each = [
        Reader(name, command, os.environ, directory / f"reader-{name}")
        for name, command in commands.items()
    ]
    readers = Readers(each, say)
    try:
        yield readers
    finally:
        readers.close()


@contextlib.contextmanager
def small_disk(at: Path, say: Callable[[str], None]) -> Iterator[Path | None]:
    """Mount a small file system of its own, where that is allowed."""
    at.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "tmpfs", str(at)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        say(f"no small file system: {done.stderr.strip()}")
        yield None
        return
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=False)  # noqa: S607 - wherever it is


def _system_clock(setup: Setup, say: Callable[[str], None]) -> SteppedClock | None:
    if setup.clock_source is None:
        return None
    try:
        library = build(setup.clock_source, setup.directory)
        return SteppedClock(library, setup.directory / "clock_page")
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"the daemon's system clock stays as it is: {error}")
        return None


def _environment(setup: Setup, history: Path, clock: SteppedClock | None) -> Mapping[str, str]:
    directory = setup.directory
    limited = {MEMORY_HOG: {"memory_limit_mb": MEMORY_HOG_LIMIT_MIB}}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CHRONOTICK_")}
    path = [str(setup.site), *filter(None, [kept.get("PYTHONPATH")])]
    chosen = {
        "CHRONOTICK_SHM": str(directory / "record"),
        "CHRONOTICK_CONTROL": str(directory / "control.sock"),
        "CHRONOTICK_HISTORY__PATH": str(history),
        "CHRONOTICK_SHORT_TERM__TRIGGER": "interval",
        "CHRONOTICK_WORKERS__OVERRIDES": json.dumps(limited),
        "PYTHONPATH": os.pathsep.join(path),
        "XDG_CACHE_HOME": str(directory / "cache"),
        "XDG_DATA_HOME": str(directory / "data"),
    }
    if setup.environments is not None:
        chosen["CHRONOTICK_WORKERS__ENVIRONMENTS"] = str(setup.environments)
    pace = _HURRIED if setup.hurried else _USUAL
    return {
        **kept,
        **chosen,
        **pace,
        **setup.settings,
        **(clock.environ if clock is not None else {}),
    }
