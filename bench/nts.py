"""Ten thousand exchanges with NTS against a real chronyd, and what authentication costs.

A private chronyd on loopback answers both; the rate with NTS is given as a ratio to that of plain
NTP in the same run, in alternating rounds. Every exchange with NTS spends a cookie and gets one; a
failure of any kind, and an offset beyond its bound, ends the program.
Run: `python bench/nts.py [--exchanges N]`.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from chronotick.config.servers import parse_server
from chronotick.ntp import resolve
from chronotick.ntp.asking import Asker, NtpAsker, Terms
from chronotick.ntp.nts import NtsAsker
from chronotick.ntp.nts.key_exchange import exchange_keys, prepare
from chronotick.ntp.nts.testing import Authority, Ports, running_nts_chronyd
from chronotick.ntp.timestamps import read_pair, stamping_kept_on

ROUNDS = 10
KEY_EXCHANGES = 50


async def timed(asker: Asker, exchanges: int, terms: Terms) -> tuple[float, list[float]]:
    """Seconds of wall time for so many exchanges, and |offset error| of each in microseconds."""
    errors_us, began_s = [], time.perf_counter()
    for _ in range(exchanges):
        answer = await asker.ask(terms)
        if answer.measurement is None or answer.drops:
            raise SystemExit(f"an exchange failed: {answer.error or dict(answer.drops)}")
        pair = read_pair()
        offset_ns = answer.measurement.offset_ns - (pair.realtime_ns - pair.raw_ns)
        if abs(offset_ns) > answer.measurement.root_distance_ns:
            raise SystemExit(f"the offset is wrong by {offset_ns} ns, beyond its bound")
        errors_us.append(abs(offset_ns) / 1000)
    return time.perf_counter() - began_s, errors_us


async def measure(ports: Ports, trusted: Path, exchanges: int) -> None:
    terms = Terms(timeout_s=5, max_delay_ns=5_000_000_000, trusted_certs=trusted)
    (plain_at,) = await resolve(parse_server(f"127.0.0.1:{ports.time}"))
    (nts_at,) = await resolve(parse_server(f"nts://127.0.0.1:{ports.keys}"))
    askers: dict[str, Asker] = {"plain NTP": NtpAsker(plain_at), "NTS": NtsAsker(nts_at)}
    seconds: dict[str, list[float]] = {name: [] for name in askers}
    errors_us: dict[str, list[float]] = {name: [] for name in askers}
    for _ in range(ROUNDS):
        for name, asker in askers.items():
            took_s, errors = await timed(asker, exchanges // ROUNDS, terms)
            seconds[name].append(took_s)
            errors_us[name].extend(errors)
    for name in askers:
        rate = len(errors_us[name]) / sum(seconds[name])
        median = statistics.median(errors_us[name])
        count = len(errors_us[name])
        print(f"{name:<10} {count} exchanges, 0 failed, 0 beyond their bound, {rate:.0f}/s")
        print(f"{'':<10} |offset error| median {median:.1f} us, max {max(errors_us[name]):.1f} us")
    ratios = [n / p for n, p in zip(seconds["NTS"], seconds["plain NTP"], strict=True)]
    print(
        f"an exchange with NTS takes {statistics.median(ratios):.2f} times as long as a plain one"
    )
    began_s = time.perf_counter()
    for _ in range(KEY_EXCHANGES):
        await exchange_keys(nts_at, prepare(trusted))
    took_s = (time.perf_counter() - began_s) / KEY_EXCHANGES
    plain_s = statistics.median(seconds["plain NTP"]) / (exchanges // ROUNDS)
    print(
        f"key exchange: {1000 * took_s:.1f} ms, as long as {took_s / plain_s:.0f} plain exchanges"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exchanges", type=int, default=10_000)
    exchanges = parser.parse_args().exchanges
    with tempfile.TemporaryDirectory() as folder, stamping_kept_on():
        authority = Authority(Path(folder))
        with running_nts_chronyd(authority.issue()) as ports:
            asyncio.run(measure(ports, authority.certificate, exchanges))


if __name__ == "__main__":
    main()
