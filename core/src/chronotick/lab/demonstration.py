"""The whole system against known truth: simulated servers, the real daemon, a real reader.

The servers answer real NTP packets on loopback. Their time is that of a simulated world whose true
time is known at every instant; nothing the daemon reads tells it. The daemon is the one that
``chronotick run`` starts, in a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chronotick.client.control import ask
from chronotick.clock import read_clocks
from chronotick.lab.server import Servers, serve
from chronotick.lab.world import World
from chronotick.shm.errors import RecordError
from chronotick.shm.layout import Status
from chronotick.shm.reader import RecordReader
from chronotick.shm.record import bound_at, is_void, sigma_at, time_at

READS_PER_SECOND = 50
LOG_LINES = 200
STOP_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One read of the published time, beside the truth.

    Attributes:
        elapsed_s: since the daemon was started.
        status: of the record.
        served_ns: corrected time, Unix ns in the simulated world.
        error_ns: served minus true time.
        bound_ns: hard bound the record states.
        sigma_ns: standard uncertainty it states.
        system_error_ns: what ``time.time()`` is off by, in the simulated world.
    """

    elapsed_s: float
    status: Status
    served_ns: int
    error_ns: int
    bound_ns: int
    sigma_ns: int
    system_error_ns: int

    @property
    def violated(self) -> bool:
        """Whether the truth was outside the hard bound."""
        return abs(self.error_ns) > self.bound_ns


class DemonstrationError(Exception):
    """Raised when the daemon ends or does not serve; the message holds the end of its log."""


class Demonstration:
    """A running world, daemon and reader. Made by :func:`demonstrate`."""

    def __init__(self, servers: Servers, daemon: Process, directory: Path) -> None:
        self.servers = servers
        self._daemon = daemon
        self._directory = directory
        self._started_raw_ns = read_clocks().raw_ns
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._drain = asyncio.create_task(self._read_log())

    async def samples(self, seconds: float) -> AsyncIterator[Sample]:
        """Read the record until ``seconds`` after the start, many times a second.

        Raises:
            DemonstrationError: the daemon ended, or served no time at all.
        """
        reader, served = await self._open_reader(seconds), False
        try:
            while self._elapsed_s(read_clocks().raw_ns) < seconds:
                if self._daemon.returncode is not None:
                    break
                sample = self._sample(reader)
                if sample is not None:
                    served = True
                    yield sample
                await asyncio.sleep(1 / READS_PER_SECOND)
            if not served or self._daemon.returncode is not None:
                raise await self._failure(seconds)
        finally:
            reader.close()

    async def ask(self, method: str) -> Any:  # noqa: ANN401 - any JSON type
        """Ask the daemon over its control socket."""
        return await asyncio.to_thread(ask, method, socket_path=self._directory / "control.sock")

    @property
    def log(self) -> str:
        """The last lines the daemon logged."""
        return "\n".join(self._log)

    async def stop(self) -> None:
        """End the daemon in good order.

        Raises:
            DemonstrationError: it did not end; it was killed.
        """
        if self._daemon.returncode is None:
            self._daemon.terminate()
        ended = asyncio.ensure_future(self._daemon.wait())
        await asyncio.wait([ended], timeout=STOP_S)
        if not ended.done():
            self._daemon.kill()
            await ended
            raise DemonstrationError(f"the daemon had to be killed:\n{self.log}")
        await self._drain

    async def _open_reader(self, seconds: float) -> RecordReader:
        while self._daemon.returncode is None and self._elapsed_s(read_clocks().raw_ns) < seconds:
            with contextlib.suppress(RecordError):  # not there yet
                return RecordReader(self._directory / "record")
            await asyncio.sleep(0.02)
        raise await self._failure(seconds)

    async def _failure(self, seconds: float) -> DemonstrationError:
        if self._daemon.returncode is not None:
            await asyncio.wait([self._drain], timeout=1)  # the end of its log says why
            return DemonstrationError(f"the daemon ended:\n{self.log}")
        said = f" What it said so far:\n{self.log}" if self.log else ""
        return DemonstrationError(
            f"the daemon served no time within {seconds:g} s: it needs a few seconds to start and "
            f"to measure. Let it run longer.{said}"
        )

    def _sample(self, reader: RecordReader) -> Sample | None:
        record, raw_ns = reader.read()
        clocks = read_clocks()
        if is_void(record, raw_ns) or record.status is Status.UNKNOWN:
            return None
        served_ns = time_at(record, raw_ns)
        return Sample(
            elapsed_s=self._elapsed_s(raw_ns),
            status=record.status,
            served_ns=served_ns,
            error_ns=served_ns - self.servers.truth(raw_ns),
            bound_ns=bound_at(record, raw_ns),
            sigma_ns=sigma_at(record, raw_ns),
            system_error_ns=clocks.system_ns - self.servers.truth(clocks.raw_ns),
        )

    def _elapsed_s(self, raw_ns: int) -> float:
        return (raw_ns - self._started_raw_ns) * 1e-9

    async def _read_log(self) -> None:
        assert self._daemon.stderr is not None  # noqa: S101 - it was asked for
        async for line in self._daemon.stderr:
            self._log.append(line.decode(errors="replace").rstrip())


@contextlib.asynccontextmanager
async def demonstrate(world: World, options: Sequence[str] = ()) -> AsyncIterator[Demonstration]:
    """Serve a world, start a daemon on it, and end both when the block is left.

    Args:
        world: what is simulated; it starts now.
        options: further options of ``chronotick run``.
    """
    async with serve(world.starting_now()) as servers:
        with tempfile.TemporaryDirectory(prefix="chronotick-demo-") as name:
            directory = Path(name)
            daemon = await _start_daemon(servers, directory, options)
            demonstration = Demonstration(servers, daemon, directory)
            try:
                yield demonstration
            finally:
                await demonstration.stop()


async def _start_daemon(servers: Servers, directory: Path, options: Sequence[str]) -> Process:
    config = directory / "config.yaml"
    config.write_text(_configuration(directory), encoding="utf-8")
    named = [part for address in servers.addresses for part in ("--server", address)]
    command = [sys.executable, "-m", "chronotick", "run", "--config", str(config), *named, *options]
    # The user's settings are for the user's daemon: its record must never hold simulated time.
    environ = {k: v for k, v in os.environ.items() if not k.startswith("CHRONOTICK_")}
    return await asyncio.create_subprocess_exec(*command, stderr=PIPE, env=environ)


def _configuration(directory: Path) -> str:
    """A minute is short: poll every second or two, forecast often."""
    return f"""\
clock_measurement:
  timing:
    normal_operation: {{measurement_interval: 2, max_interval: 8}}
short_term: {{inference_interval: 1, step: 1, prediction_horizon: 16}}
long_term: {{enabled: false}}
shm: {{path: "{directory}/record"}}
history: {{path: "{directory}/history.sqlite3"}}
control: {{socket: "{directory}/control.sock"}}
"""
