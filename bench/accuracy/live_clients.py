"""The two clients of the live comparison, started as users start them, and what they believe."""

from __future__ import annotations

import contextlib
import csv
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from live_network import CHRONOTICK, CHRONY, NETS

from chronotick.ntp.testing import free_udp_port, running_chronyd
from chronotick.ntp.timestamps import read_pair
from chronotick.shm.errors import RecordError
from chronotick.shm.layout import Status
from chronotick.shm.reader import RecordReader
from chronotick.shm.record import bound_at, is_void, sigma_at, time_at

START_S = 60.0
STOP_S = 20.0


@dataclass(frozen=True)
class Estimate:
    """What a client believes at an instant, seconds.

    Attributes:
        error_s: the time it would give minus the true time.
        bound_s: what it claims to be the most that can be wrong.
        sigma_s: its standard uncertainty; chrony states none.
    """

    error_s: float
    bound_s: float
    sigma_s: float = math.nan


def chronotick_now(reader: RecordReader) -> Estimate | None:
    """What ChronoTick publishes, or None while it is not synchronised."""
    record, _ = reader.read()
    clocks = read_pair()
    if is_void(record, clocks.raw_ns) or record.status is not Status.SYNCHRONISED:
        return None
    return Estimate(
        error_s=(time_at(record, clocks.raw_ns) - clocks.realtime_ns) / 1e9,
        bound_s=bound_at(record, clocks.raw_ns) / 1e9,
        sigma_s=sigma_at(record, clocks.raw_ns) / 1e9,
    )


def chrony_now(command_port: int) -> Estimate | None:
    """What chrony believes, or None while it follows no server."""
    command = ["chronyc", "-c", "-n", "-h", "127.0.0.1", "-p", str(command_port), "tracking"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_S)
    fields = next(csv.reader([done.stdout.strip()]), [])
    if done.returncode or len(fields) < 14 or fields[13] == "Not synchronised":
        return None
    root_delay_s, root_dispersion_s = float(fields[10]), float(fields[11])
    return Estimate(error_s=float(fields[4]), bound_s=root_delay_s / 2 + root_dispersion_s)


@contextlib.contextmanager
def chrony_client(ports: Sequence[int], poll_s: float) -> Iterator[int]:
    """Run `chronyd -x` as a client of the relays; its command port."""
    poll, command_port = round(math.log2(poll_s)), free_udp_port()
    servers = (
        f"server {NETS[CHRONY]}.{number} port {port} minpoll {poll} maxpoll {poll} iburst"
        for number, port in enumerate(ports, start=1)
    )
    commands = (f"cmdport {command_port}", "bindcmdaddress 127.0.0.1")
    with running_chronyd(*servers, *commands, synchronised=False):
        yield command_port


@contextlib.contextmanager
def chronotick_client(
    ports: Sequence[int], poll_s: float, models: str, source: Path | None
) -> Iterator[RecordReader]:
    """Run the daemon as a user does, in a directory of its own; a reader of its record."""
    with tempfile.TemporaryDirectory(prefix="ct-") as name:
        folder = Path(name)
        config = folder / "config.yaml"
        config.write_text(configuration(folder, poll_s), encoding="utf-8")
        named = [f"--server={NETS[CHRONOTICK]}.{n}:{port}" for n, port in enumerate(ports, start=1)]
        command = [sys.executable, "-m", "chronotick", "run", f"--config={config}", *named]
        command += [f"--models={models}"] if models else []
        environ = {k: v for k, v in os.environ.items() if not k.startswith("CHRONOTICK_")}
        if source is not None:
            environ["PYTHONPATH"] = str(source / "core" / "src")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, env=environ, stderr=log)
        try:
            reader = open_reader(folder, process)
            with contextlib.closing(reader):
                yield reader
        finally:
            end(process)


def configuration(folder: Path, poll_s: float) -> str:
    return f"""\
clock_measurement:
  timing:
    normal_operation: {{measurement_interval: {poll_s:g}, max_interval: {poll_s:g}}}
shm: {{path: "{folder}/record"}}
history: {{path: "{folder}/history.sqlite3"}}
control: {{socket: "{folder}/control.sock"}}
"""


def open_reader(folder: Path, process: subprocess.Popen[bytes]) -> RecordReader:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with contextlib.suppress(RecordError):  # not there yet
            return RecordReader(folder / "record")
        time.sleep(0.05)
    raise SystemExit(f"the daemon published nothing:\n{(folder / 'log').read_text()}")


def end(process: subprocess.Popen[Any]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
