"""Setting the scene: servers, daemon, models, readers, and the end of all of them."""

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

from chronotick.lab.faults.audience import Audience, Reader
from chronotick.lab.faults.publications import Publications
from chronotick.lab.faults.scene import Inquirer, Scene
from chronotick.lab.faults.servers import serving
from chronotick.lab.faults.service import RESTART_S, Service
from chronotick.lab.faults.system_clock import SteppedClock, build

SERVERS: Final = 5
VALIDITY_NS: Final = 3_000_000_000
"""``shm.validity_seconds``, the default."""
DISK_MIB: Final = 64
GLUTTON: Final = "echo-9"
"""Takes `GLUTTON_MIB` with each answer, up to its limit."""
GLUTTON_MIB: Final = 2
GLUTTON_LIMIT_MIB: Final = 250
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
class Props:
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
        glutton: have a model that takes more and more memory.
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
    glutton: bool = True


@contextlib.contextmanager
def staged(props: Props, say: Callable[[str], None]) -> Iterator[Scene]:
    """Run servers and a daemon for the length of the block; the caller closes the service.

    Raises:
        ChronydError: chronyd is missing or does not start.
    """
    directory = props.directory
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(serving(SERVERS))
        disk = stack.enter_context(small_disk(directory / "disk", say)) if props.disk else None
        history = (disk or directory) / "history.sqlite3"
        clock = _system_clock(props, say)
        if clock is not None:
            stack.callback(clock.close)
        models = ["echo-1", *([GLUTTON] if props.glutton else []), *props.models]
        command = [sys.executable, "-m", "chronotick", "run", "--models", ",".join(models)]
        for address in servers.addresses:
            command += ["--server", address]
        command += ["--checkpoint", f"{GLUTTON}=allocate={GLUTTON_MIB}", "--offline"]
        environ = _environment(props, history, clock)
        restart_s = _AT_ONCE_S if props.hurried else RESTART_S
        publications = Publications(directory / "record", VALIDITY_NS)
        service = Service(command, environ, directory, publications, say, restart_s=restart_s)
        inquirer = Inquirer(directory / "control.sock")
        inquirer.start()
        stack.callback(inquirer.close)
        service.start()
        stack.callback(service.close)
        yield Scene(
            directory=directory,
            history=history,
            disk=disk,
            service=service,
            servers=servers,
            inquirer=inquirer,
            system_clock=clock,
            glutton=GLUTTON,
        )


@contextlib.contextmanager
def seated(props: Props, say: Callable[[str], None]) -> Iterator[Audience]:
    """Run the readers for the length of the block."""
    record, directory = str(props.directory / "record"), props.directory
    python = [sys.executable, "-m", "chronotick.lab.faults.reading", record, str(VALIDITY_NS)]
    commands = {"python": python, "pure": [*python, "pure"]}
    if props.c_reader:
        commands["c"] = [*props.c_reader, record, str(VALIDITY_NS)]
    readers = [
        Reader(name, command, os.environ, directory / f"reader-{name}")
        for name, command in commands.items()
    ]
    audience = Audience(readers, say)
    try:
        yield audience
    finally:
        audience.close()


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


def _system_clock(props: Props, say: Callable[[str], None]) -> SteppedClock | None:
    if props.clock_source is None:
        return None
    try:
        library = build(props.clock_source, props.directory)
        return SteppedClock(library, props.directory / "clock_page")
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"the daemon's system clock stays as it is: {error}")
        return None


def _environment(props: Props, history: Path, clock: SteppedClock | None) -> Mapping[str, str]:
    directory = props.directory
    limited = {GLUTTON: {"memory_limit_mb": GLUTTON_LIMIT_MIB}}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CHRONOTICK_")}
    path = [str(props.site), *filter(None, [kept.get("PYTHONPATH")])]
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
    if props.environments is not None:
        chosen["CHRONOTICK_WORKERS__ENVIRONMENTS"] = str(props.environments)
    pace = _HURRIED if props.hurried else _USUAL
    return {
        **kept,
        **chosen,
        **pace,
        **props.settings,
        **(clock.environ if clock is not None else {}),
    }
