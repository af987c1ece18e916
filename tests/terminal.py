"""A reader's terminal: a clone of the repository, ``.venv/bin`` in the path, files of its own."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINKED = ("bench", "core", "deploy", "docs", "examples", "plugins")
SERVES = re.compile(
    r"([A-Z_]+=\S+ )*chronotick "
    r"(run|lab serve|http|monitor(?!.*--count)|neighbours|worker serve|mcp --http|"
    r"metrics --textfile)\b"
)
SILENT_S = 3.0  # after which one that says nothing is taken to do what it is for
TEMPORARY = re.compile(r"(?<![\w/])/tmp/")
PORTS = ("11123", "11223", "8123", "8124", "7411")  # on the pages; here any that are free
_END_S = 60.0


class Terminal:
    """Runs lines one after the other; what one changes of variables and place, the next finds."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.errors = ""  # what the last line wrote to standard error
        self._environ = dict(environ)
        self.served: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._state, self._place = folder / ".state", folder / ".place"
        self._place.write_text(str(folder))
        self._state.touch()
        self._numbers = itertools.count()

    def enter(self, line: str) -> str:
        """Run a line as if it were typed, or start it, if it runs until it is stopped.

        Returns:
            What it printed.
        """
        if not SERVES.match(line):
            return self._run(line)
        self._serve(line.rstrip().removesuffix("&"))
        return ""

    def close(self) -> dict[str, int]:
        """End what was started, as SIGTERM does; the exit code of each line."""
        for _, process in self.served:
            process.send_signal(signal.SIGTERM)
        return {line: process.wait(timeout=_END_S) for line, process in self.served}

    def _run(self, line: str) -> str:
        script = f"set -eo pipefail\n{self._here()}\n{line}\n{self._remember()}"
        done = self._start(script, subprocess.PIPE, subprocess.PIPE)
        output, self.errors = (text.decode() for text in done.communicate())
        told = f"{line}\nends with {done.returncode}:\n{output}{self.errors}"
        assert done.returncode == 0, told
        return output

    def _serve(self, line: str) -> None:
        log = self.folder / f".log-{next(self._numbers)}"
        with log.open("wb") as file:
            process = self._start(f"{self._here()}\nexec env {line}", file, subprocess.STDOUT)
        self.served.append((line, process))
        begun = time.monotonic()
        while process.poll() is None and not _is_up(line, log, time.monotonic() - begun):
            time.sleep(0.05)
        if (ended := process.poll()) is not None:
            self.served.pop()
            raise AssertionError(f"{line}\nends with {ended}:\n{log.read_text()}")

    def _here(self) -> str:
        return f'. {self._state}; cd "$(cat {self._place})"'

    def _remember(self) -> str:
        return f"export -p > {self._state}; pwd > {self._place}"

    def _start(self, script: str, output: object, errors: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["bash", "-c", script],  # noqa: S607 - wherever it is
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=self._environ,
        )


def _is_up(line: str, log: Path, after_s: float) -> bool:
    said = log.read_text(errors="replace")
    if re.search(r"chronotick run\b", line):
        return "-> synchronised" in said
    silent = ">" in line or "--textfile" in line
    return bool(said) or (silent and after_s > SILENT_S)


@contextlib.contextmanager
def terminal(folder: Path, **variables: str) -> Iterator[Terminal]:
    """A terminal in a new folder; whatever was started in it ends well, and with it."""
    for name in ("tmp", "home", "run", "configs"):
        (folder / name).mkdir(parents=True)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    for path in (ROOT / "configs").iterdir():
        (folder / "configs" / path.name).write_text(elsewhere(path.read_text(), folder))
    opened = Terminal(folder, _environ(folder) | variables)
    try:
        yield opened
    except BaseException:
        opened.close()
        raise
    bad = {line: end for line, end in opened.close().items() if end not in {0, -signal.SIGTERM}}
    assert not bad, f"ended badly: {bad}"


def _environ(folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CHRONOTICK_", "XDG_"))}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "PYTHONWARNINGS": "error",
    }


_free: dict[str, str] = {}


def elsewhere(text: str, folder: Path) -> str:
    """The same with files below ``folder`` and with ports that nobody else uses."""
    if not _free:
        _free.update(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    for port, free in _free.items():
        text = re.sub(rf"(?<=[: ]){port}\b", free, text)
    return TEMPORARY.sub(str(folder / "tmp") + "/", text)


def free_ports(number: int) -> list[int]:
    """Ports that nobody has, with room after each for the servers of ``lab serve``."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < number:
            taken = stack.enter_context(socket.socket())
            taken.bind(("127.0.0.1", 0))
            port = int(taken.getsockname()[1])
            if all(abs(port - other) > 4 for other in found) and port < 65000:
                found.append(port)
    return found
