"""Programs that run beside the daemon because its configuration asks for them.

The HTTP server and the neighbours (NTP server, SOCK feed, ClockBound segment) only read what the
daemon publishes. Each is a process of its own: nothing it does can delay the clock, and a daemon
that is asked for neither imports nothing of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from chronotick.config.schema import Config
from chronotick.config.shipped import shipped

LIFELINE: Final = "CHRONOTICK_LIFELINE"
"""Set for a companion: it ends when its standard input does (:mod:`chronotick.cli.lifeline`)."""

PAUSES_S: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Before the next start of one that ended by itself, again and again; the last from there on."""

PROVEN_S: Final = 60.0  # running for so long makes earlier ends forgotten
TERMINATION_S: Final = 5.0  # then SIGKILL
FAILURE: Final = "chronotick: "  # begins the line with which a command of ours fails

_log = logging.getLogger("chronotick.companions")


def wanted(config: Config) -> dict[str, list[str]]:
    """Return the command lines that a configuration asks for, after ``chronotick``, by name."""
    shared = ["--shm", str(config.shm.path), "--socket", str(config.control.socket)]
    lines = {"http": list(_http(config)), "neighbours": list(_neighbours(config))}
    return {name: [name, *line, *shared] for name, line in lines.items() if line}


def _http(config: Config) -> Iterator[str]:
    if config.http.listen is None:
        return
    yield from ("--listen", config.http.listen, "--history", str(config.history.path))
    if config.http.token_file is not None:
        yield from ("--token-file", str(config.http.token_file))


def environment(config: Config) -> dict[str, str]:
    """Return the variables that programs beside the daemon get besides its own.

    All they are to do is in their command lines, and no other file than the daemon's, which it has
    read and checked, may say otherwise. They log as the daemon does.
    """
    logging_keys = config.logging.model_dump(include={"level", "format", "rate_limit"})
    return {
        LIFELINE: "stdin",
        "CHRONOTICK_CONFIG": str(shipped()["default"]),
        **{f"CHRONOTICK_LOGGING__{key.upper()}": str(value) for key, value in logging_keys.items()},
    }


def _neighbours(config: Config) -> Iterator[str]:
    asked = config.neighbours
    for address in asked.ntp:
        yield from ("--ntp", address, "--ntp-rate", f"{asked.ntp_rate:g}")
    for path in asked.sock:
        yield from ("--sock", str(path), "--sock-interval", f"{asked.sock_interval_seconds:g}")
    if asked.clockbound is not None:
        yield from ("--clockbound", str(asked.clockbound))


class Companion:
    """Keeps one program running.

    Args:
        name: what it is called in the log and in status.
        line: its arguments after ``chronotick``.
        environ: variables that it gets besides the daemon's own.
    """

    def __init__(self, name: str, line: Iterable[str], environ: Mapping[str, str]) -> None:
        self.name = name
        self.line = tuple(line)
        self.environ = dict(environ)
        self._process: asyncio.subprocess.Process | None = None
        self._starts = 0
        self._problem = ""
        self._said = ""

    async def run(self) -> None:
        """Start it, and start it again whenever it ends, until cancelled."""
        ends = 0  # since it last ran for long
        while True:
            began_s = time.monotonic()
            try:
                code = await self._run_once()
                reason = f"it ended with code {code}{f' ({self._said})' if self._said else ''}"
            except OSError as error:  # no memory, no process, an interpreter that was replaced
                reason = f"it cannot be started: {error}"
            ends = 0 if time.monotonic() - began_s > PROVEN_S else ends
            pause_s = PAUSES_S[min(ends, len(PAUSES_S) - 1)]
            ends += 1
            self._problem = f"{reason}; started again in {pause_s:g} s"
            _log.warning("%s: %s", self.name, self._problem)
            await asyncio.sleep(pause_s)

    async def _run_once(self) -> int:
        self._starts += 1
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chronotick", *self.line),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | self.environ,
        )
        _log.info("%s: started, process %d", self.name, self._process.pid)
        self._said = ""
        heard = [
            asyncio.create_task(self._hear(self._process.stdout, self._on_output)),
            asyncio.create_task(self._hear(self._process.stderr, self._on_error)),
        ]
        try:
            code = await self._process.wait()
            await asyncio.wait(heard, timeout=TERMINATION_S)  # children of its own may hold them
            return code
        finally:
            await self._end(self._process)
            for task in heard:
                task.cancel()
            self._process = None

    async def _hear(self, stream: asyncio.StreamReader | None, take: Callable[[str], None]) -> None:
        while stream is not None and (line := await stream.readline()):
            take(line.decode(errors="replace").rstrip())

    def _on_output(self, line: str) -> None:
        """Say in the log what it prints: where it listens."""
        self._said = line
        _log.info("%s: %s", self.name, line)

    def _on_error(self, line: str) -> None:
        """Pass its log lines on, which look as ours do; why it fails is a line of ours."""
        if line.startswith(FAILURE):
            self._said = line.removeprefix(FAILURE)
            _log.error("%s: %s", self.name, self._said)
        else:
            sys.stderr.write(f"{line}\n")

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """End it if it runs: SIGTERM, and after five seconds SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            if process.returncode is None:
                process.terminate()
        try:
            await asyncio.wait_for(process.wait(), TERMINATION_S)
        except (TimeoutError, asyncio.TimeoutError):
            process.kill()
            await process.wait()

    def is_like(self, other: Companion) -> bool:
        """Whether it is the same program, told the same."""
        return (self.line, self.environ) == (other.line, other.environ)

    def report(self) -> dict[str, Any]:
        """What it is doing, for status."""
        process = self._process
        return {
            "running": process is not None,
            "pid": process.pid if process else None,
            "restarts": max(0, self._starts - 1),
            "said": self._said if process else "",
            "problem": "" if process else self._problem,
        }


class Companions:
    """All programs beside the daemon."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[Companion, asyncio.Task[None]]] = {}

    async def use(self, config: Config) -> None:
        """Start, end or replace programs as a configuration asks."""
        asked = [
            Companion(name, line, environment(config)) for name, line in wanted(config).items()
        ]
        staying = {each.name for each in asked if self._runs(each)}
        await self._stop([name for name in self._running if name not in staying])
        for companion in asked:
            name = companion.name
            if name not in staying:
                task = asyncio.create_task(companion.run(), name=f"companion {name}")
                self._running[name] = companion, task

    async def close(self) -> None:
        """End all of them."""
        await self._stop(list(self._running))

    def report(self) -> Mapping[str, Mapping[str, Any]]:
        """What each is doing, by name."""
        return {name: companion.report() for name, (companion, _) in self._running.items()}

    def _runs(self, asked: Companion) -> bool:
        there = self._running.get(asked.name)
        return there is not None and there[0].is_like(asked)

    async def _stop(self, names: Iterable[str]) -> None:
        tasks = [self._running.pop(name)[1] for name in names]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
