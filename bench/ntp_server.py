"""What the NTP server of ``chronotick neighbours`` costs, and what its stamps are worth.

Requests per second: one client that waits for each answer, against our server and against the
least that any UDP server in Python can do, one that sends back what it gets. Error of the stamps:
one exchange after the other with kernel stamps on the client's side, against our server of a record
that is known, and against a chronyd that serves this host's clock: what is measured beyond the
known time is the error of both ends. Each server is a process of its own.
Run: `python bench/ntp_server.py [--seconds S] [--exchanges N]`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from chronotick.client.served import ServedClock
from chronotick.neighbours.ntp_server import NtpServer, bind
from chronotick.neighbours.rate_limit import RateLimiter
from chronotick.neighbours.reference import UNNAMED
from chronotick.neighbours.standing import standing_of
from chronotick.ntp import Endpoint, Measurement, Query, run_exchange
from chronotick.ntp.packet import Packet
from chronotick.ntp.testing import ChronydError, running_chronyd
from chronotick.ntp.timestamps import read_pair, stamping_kept_on
from chronotick.shm.record import time_at
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

VALID_S = 3600.0
PAUSE_S = 0.002
UNLIMITED = 1e6


def serve_time(record: Path, port: Connection) -> None:
    """Our server, as the command runs it."""

    async def run() -> None:
        clock = ServedClock(record)
        sock = bind("127.0.0.1", 0)
        server = NtpServer(
            sock, lambda: standing_of(clock), lambda: UNNAMED, RateLimiter(UNLIMITED)
        )
        server.start()
        port.send(server.address[1])
        await asyncio.Event().wait()

    with stamping_kept_on():
        asyncio.run(run())


def serve_echo(_: Path, port: Connection) -> None:
    """The least a server can do."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port.send(sock.getsockname()[1])
        while True:
            sock.sendto(*sock.recvfrom(2048))


@contextlib.contextmanager
def running(serve: Callable[[Path, Connection], None], record: Path) -> Iterator[int]:
    """Run a server in a process of its own; give its port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(record, theirs))
    process.start()
    try:
        yield int(ours.recv())
    finally:
        process.terminate()
        process.join()


def requests_per_s(port: int, seconds: float) -> float:
    question, count = Packet(transmit_timestamp=1).pack(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(("127.0.0.1", port))
        began_s = time.perf_counter()
        while time.perf_counter() - began_s < seconds:
            sock.send(question)
            sock.recv(2048)
            count += 1
        return count / (time.perf_counter() - began_s)


async def errors_us(port: int, count: int, error_ns: Callable[[Measurement], int]) -> list[float]:
    query = Query(
        endpoint=Endpoint(socket.AF_INET, ("127.0.0.1", port)), timeout_s=2, max_delay_ns=10**9
    )
    found = []
    with stamping_kept_on():
        for _ in range(count):
            outcome = await run_exchange(query)
            if outcome.reply is None:
                raise SystemExit(f"an exchange failed: {outcome.error}")
            found.append(error_ns(outcome.reply.measurement) / 1000)
            await asyncio.sleep(PAUSE_S)
    return found


def against_system(taken: Measurement) -> int:
    pair = read_pair()
    return taken.offset_ns - (pair.realtime_ns - pair.raw_ns)


def show_errors(name: str, errors: list[float]) -> float:
    ordered = sorted(map(abs, errors))
    median, p99 = statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))]
    print(
        f"{name:<12}{statistics.median(errors):>+12.1f}{median:>12.1f}{p99:>12.1f}{ordered[-1]:>12.1f}"
    )
    return median


def compare_rates(path: Path, seconds: float) -> None:
    rates = []
    print("requests/s, one client that waits for each answer")
    for name, serve in (("echo", serve_echo), ("chronotick", serve_time)):
        with running(serve, path) as port:
            requests_per_s(port, 0.2)  # warm
            rates.append(requests_per_s(port, seconds))
        print(f"{name:<12}{rates[-1]:>12,.0f}")
    print(f"{'ratio':<12}{rates[1] / rates[0]:>12.2f}")


def compare_errors(path: Path, exchanges: int) -> None:
    record, _ = ServedClock(path).read()
    print(f"\nerror of {exchanges} exchanges (us)")
    print(f"{'':<12}{'bias':>12}{'|median|':>12}{'|p99|':>12}{'|worst|':>12}")

    def against_record(taken: Measurement) -> int:
        return taken.offset_ns - (time_at(record, taken.raw_ns) - taken.raw_ns)

    with running(serve_time, path) as port:
        ours = show_errors("chronotick", asyncio.run(errors_us(port, exchanges, against_record)))
    try:
        with running_chronyd() as port:
            theirs = show_errors("chronyd", asyncio.run(errors_us(port, exchanges, against_system)))
    except ChronydError as error:
        print(f"chronyd: {error}", file=sys.stderr)
        return
    print(f"{'ratio':<12}{'':>12}{ours / theirs:>12.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="of each rate (default 3)")
    parser.add_argument("--exchanges", type=int, default=500, help="for errors (default 500)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record"
        writer = RecordWriter(path)
        writer.write(good_record(VALID_S))
        compare_rates(path, arguments.seconds)
        compare_errors(path, arguments.exchanges)
        writer.close()


if __name__ == "__main__":
    main()
