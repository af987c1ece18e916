"""ChronoTick and chrony side by side, on real packets, against truth.

A real chronyd serves this machine's clock on loopback. Each client asks it through relays of its
own (`relay.py`) that add the delays of a named network: the ChronoTick daemon, as a user starts it,
and a second `chronyd -x`, which estimates but never touches the clock. Server and clients share
CLOCK_REALTIME, so the true offset is zero at every instant: whatever a client believes is its
error. No root, no namespaces, nothing leaves the machine.

chrony's estimate is "System time" of `chronyc tracking`: with `-x` its corrections go to a clock
driver that only remembers them, so this is all that chrony would add to CLOCK_REALTIME at that
instant. Its claim is root delay / 2 + root dispersion. ChronoTick's estimate is the published
time minus CLOCK_REALTIME, read at the same instant.

CLOCK_REALTIME is nearly a perfect oscillator for chrony here, because it is the truth;
ChronoTick measures CLOCK_MONOTONIC_RAW, which differs from it by whatever adjusts the clock. The
kernel's state (read, never written) and the drift between both are printed with the result.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kernel_clock import Steadiness, kernel_clock
from live_clients import Estimate, chronotick_client, chronotick_now, chrony_client, chrony_now
from live_network import CHRONOTICK, CHRONY, PATH_MODELS, network, relaying

from chronotick.lab.network import PathModel
from chronotick.lab.path_presets import PATHS
from chronotick.ntp.testing import running_chronyd
from chronotick.shm.reader import RecordReader

EVERY_S = 1.0
NORMAL = 1.96
LATE_US = 100.0


@dataclass(frozen=True)
class Summary:
    """How one client did, microseconds and shares."""

    rms_us: float
    sd_us: float
    median_us: float
    p95_us: float
    max_us: float
    mean_us: float
    bound_us: float
    violations: int
    coverage95: float
    sigma_us: float


@dataclass(frozen=True)
class Span:
    """How long to look: until `seconds` have passed, or `instants` after `warmup_s` were good."""

    seconds: float
    warmup_s: float
    instants: float


def sample(
    reader: RecordReader, command_port: int, span: Span, steadiness: Steadiness
) -> list[tuple[Estimate, Estimate]]:
    """What both believe, ChronoTick first, whenever both believe something."""
    found: list[tuple[Estimate, Estimate]] = []
    began_s = time.monotonic()
    while (elapsed_s := time.monotonic() - began_s) < span.seconds and len(found) < span.instants:
        steadiness.look()
        ours, theirs = chronotick_now(reader), chrony_now(command_port)
        if elapsed_s >= span.warmup_s and ours is not None and theirs is not None:
            found.append((ours, theirs))
        time.sleep(max(EVERY_S - (time.monotonic() - began_s) % EVERY_S, 0.01))
    return found


def summarise(estimates: Sequence[Estimate]) -> Summary:
    errors_us = [1e6 * each.error_s for each in estimates]
    sizes_us = sorted(map(abs, errors_us))
    return Summary(
        rms_us=math.sqrt(statistics.fmean(e * e for e in errors_us)),
        sd_us=statistics.pstdev(errors_us),
        median_us=statistics.median(sizes_us),
        p95_us=sizes_us[int(0.95 * (len(sizes_us) - 1))],
        max_us=sizes_us[-1],
        mean_us=statistics.fmean(errors_us),
        bound_us=1e6 * statistics.fmean(each.bound_s for each in estimates),
        violations=sum(abs(each.error_s) > each.bound_s for each in estimates),
        coverage95=statistics.fmean(
            abs(each.error_s) <= NORMAL * each.sigma_s for each in estimates
        ),
        sigma_us=1e6 * statistics.fmean(each.sigma_s for each in estimates),
    )


def compare(given: argparse.Namespace, paths: Sequence[PathModel]) -> dict[str, Any]:
    """Run both clients and return all that is known of how they did."""
    steadiness, before = Steadiness(), kernel_clock()
    with (
        running_chronyd() as server_port,
        relaying(server_port, paths, given.seed) as relays,
        chrony_client(relays.ports[CHRONY], given.poll) as command_port,
        chronotick_client(
            relays.ports[CHRONOTICK], given.poll, given.models, given.source
        ) as reader,
    ):
        span = Span(60 * given.minutes, given.warmup, given.instants)
        judged = sample(reader, command_port, span, steadiness)
    if len(judged) < 2:
        raise SystemExit(
            f"only {len(judged)} instants after {given.warmup:g} s at which both had an estimate: "
            "let it run longer (--minutes)"
        )
    ours, theirs = (summarise(side) for side in zip(*judged, strict=True))
    return {
        "network": str(given.paths or given.network),
        "servers": len(paths),
        "poll_s": given.poll,
        "seed": given.seed,
        "minutes": given.minutes,
        "instants": len(judged),
        "relay": relays.report,
        "clock": {"before": before, "after": kernel_clock(), **steadiness.result()},
        CHRONOTICK: asdict(ours),
        CHRONY: {k: v for k, v in asdict(theirs).items() if k not in {"coverage95", "sigma_us"}},
        "ratio": {
            key: asdict(ours)[key] / asdict(theirs)[key]
            for key in ("rms_us", "sd_us", "median_us", "p95_us", "max_us", "bound_us")
        },
    }


def paths(given: argparse.Namespace) -> list[PathModel]:
    if given.paths is not None:
        return PATH_MODELS.validate_json(given.paths.read_text(encoding="utf-8"))
    return network(given.network, given.servers, given.seed, given.least_us / 1e6)


def show(result: dict[str, Any]) -> None:
    ours, theirs, ratio = result[CHRONOTICK], result[CHRONY], result["ratio"]
    print(
        f"{result['network']}: {result['servers']} servers every {result['poll_s']:g} s, "
        f"{result['instants']} instants of {result['minutes']:g} min, seed {result['seed']}"
    )
    print(f"{'':20}{'ChronoTick':>12}{'chrony':>12}{'ratio':>9}")
    for key, text in (
        *(("rms_us", "rms (µs)"), ("sd_us", "standard dev."), ("median_us", "median")),
        *(("p95_us", "95 %"), ("max_us", "max"), ("mean_us", "mean, signed")),
        *(("bound_us", "claimed bound"), ("violations", "outside of it")),
    ):
        tail = f"{ratio[key]:9.2f}" if key in ratio else ""
        print(f"{text:20}{ours[key]:12.1f}{theirs[key]:12.1f}{tail}")
    print(f"{'sigma, 95 % cover':20}{ours['sigma_us']:12.1f}   {100 * ours['coverage95']:.1f} %")
    for way in ("forward", "backward"):
        late = result["relay"][way]
        busy = "; the machine was busy: this is part of the network" * (
            late.get("p95_us", 0) > LATE_US
        )
        print(f"relay, {way}: " + ", ".join(f"{k} {v:.0f}" for k, v in late.items()) + busy)
    clock = result["clock"]
    print(
        f"CLOCK_REALTIME: kernel frequency {clock['before']['frequency_ppm']:g} ppm before and "
        f"{clock['after']['frequency_ppm']:g} after; {clock['drift_ppm']:.4f} ppm against RAW, "
        f"{clock['rms_from_line_us']:.2f} µs rms off a straight line"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=sorted(PATHS), default="wan", help="what lies between")
    parser.add_argument("--paths", type=Path, help="what lies between: a JSON list of PathModels")
    parser.add_argument("--servers", type=int, default=4)
    parser.add_argument("--poll", type=float, default=16.0, help="seconds; a power of two")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--warmup", type=float, default=60.0, help="seconds that are not judged")
    parser.add_argument("--instants", type=float, default=math.inf, help="stop after so many")
    parser.add_argument("--least-us", type=float, default=500.0, help="least delay of each way")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--models", default="", help="of the daemon; default: its own")
    parser.add_argument("--source", type=Path, help="run the daemon of another checkout")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    if given.poll <= 0 or not math.log2(given.poll).is_integer():
        parser.error("--poll: chrony's intervals are powers of two, e.g. 1, 2, 16 or 64")
    if shutil.which("chronyc") is None:
        raise SystemExit("chronyc is not installed. Run: apt-get install chrony")
    result = compare(given, paths(given))
    if given.json:
        print(json.dumps(result, indent=2, allow_nan=False))
    else:
        show(result)


if __name__ == "__main__":
    main()
