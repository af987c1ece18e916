"""How wrong one NTP exchange is: kernel stamps against user-space stamps.

A private chronyd on loopback serves this host's own clock, so the true offset is exactly zero and
the measured one is the error. The comparison is run idle and beside busy Python threads, as a
model that shares the interpreter would be. Run: `python bench/exchange.py [--exchanges N]`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import statistics
import threading
from collections.abc import Iterator

from chronotick.ntp import Endpoint, Query, run_exchange
from chronotick.ntp.testing import running_chronyd
from chronotick.ntp.timestamps import read_pair, stamping_kept_on

PAUSE_S = 0.002


async def errors_us(port: int, exchanges: int, *, kernel_stamps: bool) -> list[float]:
    query = Query(
        endpoint=Endpoint(socket.AF_INET, ("127.0.0.1", port)),
        timeout_s=2,
        max_delay_ns=2_000_000_000,
        kernel_stamps=kernel_stamps,
    )
    found = []
    for _ in range(exchanges):
        outcome = await run_exchange(query)
        if outcome.reply is None:
            raise SystemExit(f"an exchange with chronyd failed: {outcome.error}")
        pair = read_pair()
        offset_ns = outcome.reply.measurement.offset_ns - (pair.realtime_ns - pair.raw_ns)
        found.append(abs(offset_ns) / 1000)
        await asyncio.sleep(PAUSE_S)
    return found


@contextlib.contextmanager
def busy_threads(count: int) -> Iterator[None]:
    stop = threading.Event()

    def burn() -> None:
        while not stop.is_set():
            sum(range(10_000))

    threads = [threading.Thread(target=burn) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def summary(errors: list[float]) -> tuple[float, float, float]:
    ordered = sorted(errors)
    return statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))], ordered[-1]


def compare(port: int, exchanges: int, threads: int) -> None:
    medians, tails = [], []
    for kernel_stamps in (False, True):
        with busy_threads(threads):
            found = asyncio.run(errors_us(port, exchanges, kernel_stamps=kernel_stamps))
        median, p99, worst = summary(found)
        kind = "kernel" if kernel_stamps else "user"
        print(f"{threads:>12}  {kind:<7}{median:>12.1f}{p99:>12.1f}{worst:>12.1f}")
        medians.append(median)
        tails.append(p99)
    ratios = [user / kernel for user, kernel in (medians, tails)]
    print(f"{'':>12}  {'ratio':<7}{ratios[0]:>11.1f}x{ratios[1]:>11.1f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exchanges", type=int, default=500)
    exchanges = parser.parse_args().exchanges
    print(f"|offset error| of {exchanges} exchanges with chronyd on loopback, µs")
    print(f"{'busy threads':>12}  {'stamps':<7}{'median':>12}{'p99':>12}{'max':>12}")
    with running_chronyd() as port, stamping_kept_on():
        for threads in (0, 1):
            compare(port, exchanges, threads)


if __name__ == "__main__":
    main()
