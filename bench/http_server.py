"""What the HTTP server bears, and whether the clock notices.

``python bench/http_server.py [--seconds N]``: the server runs on one core, those who ask on
another. Three figures, all of one run: requests per second for ``/v1/time`` over kept connections,
and as a yardstick those of uvicorn with an application that says ``hello`` in the same place; the
publication jitter of the daemon meanwhile and without load, as ``bench/daemon.py`` defines it; and
200 WebSockets at 10 Hz: messages that arrived of those due, and how much later than a period after
the one before.

``wrk`` asks where it is installed; else a client of asyncio, which is slower than the server:
figures are then those of the client.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import psutil
from websockets.asyncio.client import connect

from chronotick.client.served import ServedClock
from chronotick.ntp.testing import running_chronyd

T = TypeVar("T")
CONNECTIONS = 16
CLIENTS, RATE_HZ = 200, 10
FREQUENCY_HZ = 100
LOOK_S = 0.001
LEAST_PER_S = 3000
MOST_JITTER_S = 0.020
HELLO = """
import socket
import uvicorn

async def hello(scope, receive, send):
    head = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"hello"})

bare = dict(lifespan="off", access_log=False, proxy_headers=False, log_level="error")
config = uvicorn.Config(hello, **bare)
listening = socket.create_server(("127.0.0.1", 0))
print(f"listening at http://127.0.0.1:{listening.getsockname()[1]}/", flush=True)
uvicorn.Server(config).run([listening])
"""


@dataclass(frozen=True)
class Load:
    """What a server answered."""

    per_s: float
    p99_ms: float
    share: float = 0.0  # of a core that the server used

    @property
    def per_cpu_s(self) -> float:
        """Requests for each second of the server's processor."""
        return self.per_s / self.share


@contextlib.contextmanager
def started(
    line: Sequence[str], environ: dict[str, str], core: int
) -> Iterator[tuple[str, psutil.Process]]:
    """Run a server on one core; yield its address, and the process."""
    process = subprocess.Popen(line, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        psutil.Process(process.pid).cpu_affinity([core])
        first_line = process.stdout.readline() if process.stdout else ""
        url = first_line.removeprefix("listening at ").strip()
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def daemon(directory: Path) -> Iterator[dict[str, str]]:
    environ = os.environ | {
        "CHRONOTICK_SHM": str(directory / "record"),
        "CHRONOTICK_CONTROL": str(directory / "control.sock"),
        "CHRONOTICK_HISTORY__PATH": str(directory / "history.sqlite3"),
    }
    with running_chronyd() as port:
        line = [sys.executable, "-m", "chronotick", "run", "--server", f"127.0.0.1:{port}"]
        line += ["--models", "kalman,line,hold", "--freq", str(FREQUENCY_HZ)]
        process = subprocess.Popen(line, env=environ, stderr=subprocess.DEVNULL)
        try:
            clock = ServedClock(directory / "record")
            while not clock.serves():
                time.sleep(0.1)
            yield environ
        finally:
            process.terminate()
            process.wait()


def used(server: psutil.Process, asking: Callable[[], T]) -> tuple[T, float]:
    """What comes of asking, and how much of a core the server used meanwhile."""
    before_s, began_s = sum(server.cpu_times()[:2]), time.monotonic()
    result = asking()
    return result, (sum(server.cpu_times()[:2]) - before_s) / (time.monotonic() - began_s)


def loaded(server: psutil.Process, url: str, seconds: float, core: int) -> Load:
    load, share = used(server, lambda: asked(url, seconds, core))
    return replace(load, share=share)


def asked(url: str, seconds: float, core: int) -> Load:
    """Ask as fast as it goes."""
    wrk = shutil.which("wrk")
    if wrk is None:
        return asyncio.run(asked_by_us(url, seconds))
    how = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--latency"]
    line = ["taskset", "-c", str(core), wrk, *how, url]
    told = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told:
        raise SystemExit(f"errors were counted:\n{told}")
    per_s = re.search(r"Requests/sec:\s+([\d.]+)", told)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", told)
    if per_s is None or p99 is None:
        raise SystemExit(f"wrk said what nobody understands:\n{told}")
    return Load(float(per_s[1]), float(p99[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[p99[2]])


async def asked_by_us(url: str, seconds: float) -> Load:
    host, _, path = url.removeprefix("http://").partition("/")
    request = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    end_s = time.monotonic() + seconds

    async def ask() -> list[float]:
        name, _, port = host.partition(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        took_s = []
        while (began_s := time.monotonic()) < end_s:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            took_s.append(time.monotonic() - began_s)
        writer.close()
        return took_s

    took_s = list(itertools.chain(*await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))))
    return Load(len(took_s) / seconds, p99(took_s) * 1e3)


@contextlib.contextmanager
def watched(record: Path) -> Iterator[list[float]]:
    """Yield a list that says after the block how far times between publications were off (s)."""
    clock, ends_ns, done = ServedClock(record), [0], threading.Event()
    offs_s: list[float] = []

    def look() -> None:
        while not done.wait(LOOK_S):
            end_ns = clock.read()[0].void_after_raw_ns
            if end_ns != ends_ns[-1]:
                ends_ns.append(end_ns)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield offs_s
    finally:
        done.set()
        thread.join()
        passed = (after - now for now, after in itertools.pairwise(ends_ns[1:]))
        offs_s += [abs(ns * 1e-9 - 1 / FREQUENCY_HZ) for ns in passed]


def p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


async def streamed(url: str, seconds: float) -> tuple[int, float]:
    """Return how many messages came to all clients, and the 99th percentile of lateness (s)."""
    late_s: list[float] = []
    received = 0
    begin_s = time.monotonic() + 5.0  # by when all are connected

    async def listen() -> None:
        nonlocal received
        async with connect(url, proxy=None, compression=None) as connection:
            last_s = None
            async for text in connection:
                now_s = time.monotonic()
                if now_s > begin_s + seconds:
                    return
                if not text.startswith('{"type":"time"') or now_s < begin_s:
                    continue
                received += 1
                if last_s is not None:
                    late_s.append(now_s - last_s - 1 / RATE_HZ)
                last_s = now_s

    await asyncio.gather(*(listen() for _ in range(CLIENTS)))
    return received, p99(late_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="for each measurement")
    seconds = parser.parse_args().seconds
    cores = sorted(os.sched_getaffinity(0))
    serving, asking = cores[0], cores[-1]
    with tempfile.TemporaryDirectory(prefix="ct-") as name, daemon(Path(name)) as environ:
        record = Path(name) / "record"
        line = [sys.executable, "-m", "chronotick", "http", "--listen", "127.0.0.1:0"]
        with started([sys.executable, "-c", HELLO], environ, serving) as (url, server):
            hello = loaded(server, url, seconds, asking)
        with started(line, environ, serving) as (url, server):
            with watched(record) as idle:
                time.sleep(seconds)
            with watched(record) as busy:
                ours = loaded(server, f"{url}v1/time", seconds, asking)
            os.sched_setaffinity(0, [asking])
            stream = f"{url.replace('http', 'ws')}v1/stream?rate={RATE_HZ}"
            (received, late_s), share = used(server, lambda: asyncio.run(streamed(stream, seconds)))
    tell(hello, ours, idle, busy)
    due = CLIENTS * RATE_HZ
    print(
        f"{CLIENTS} WebSockets at {RATE_HZ} Hz: {received / seconds:.0f} of {due} messages/s, "
        f"p99 {late_s * 1e3:.1f} ms late, {share:.0%} of a core"
    )


def tell(hello: Load, ours: Load, idle: list[float], busy: list[float]) -> None:
    by = "wrk" if shutil.which("wrk") else "an asyncio client, which is the slower side"
    print(f"asked by {by}, {CONNECTIONS} connections, the server on one core:")
    print(f"  uvicorn saying hello  {described(hello)}")
    print(f"  /v1/time              {described(ours)}, ratio {ours.per_s / hello.per_s:.2f}")
    print(f"  bar {LEAST_PER_S} requests/s: {verdict(met=ours.per_s >= LEAST_PER_S)}")
    print(
        f"publication jitter p99 at {FREQUENCY_HZ} Hz: idle {p99(idle) * 1e3:.2f} ms, under that "
        f"load {p99(busy) * 1e3:.2f} ms (bar 20 ms: {verdict(met=p99(busy) <= MOST_JITTER_S)})"
    )


def described(load: Load) -> str:
    return (
        f"{load.per_s:6.0f} requests/s, p99 {load.p99_ms:6.2f} ms, {load.share:4.0%} of the core: "
        f"{load.per_cpu_s:6.0f} for each second of it"
    )


def verdict(*, met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    main()
