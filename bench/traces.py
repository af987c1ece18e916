"""Replay simulated worlds with known truth through the daemon's timekeeper: error and hard bound.

Takes the folder of worlds from ``CHRONOTICK_TRACES`` (default ``../shared/traces``); ends at once
where it is absent. Every 10 s of each world the estimate, which has seen earlier measurements only,
is compared with the truth; chrony's error on the same measurements stands beside it. There is no
selection in this replay: in worlds with a false server its measurements are left out by hand.
"""

from __future__ import annotations

import csv
import gzip
import math
import os
from collections.abc import Iterator
from pathlib import Path

from chronotick.config.schema import Config
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.ntp import Measurement

NS = 1_000_000_000
FALSE_SERVER = "4"
WARM_UP_S = 3600.0  # errors count from here on, the bound from the first measurement


def main() -> None:
    worlds = Path(os.environ.get("CHRONOTICK_TRACES", "../shared/traces")) / "sim"
    if not worlds.is_dir():
        print(f"no worlds in {worlds}: set CHRONOTICK_TRACES")
        return
    print(f"{'world':24} {'rms us':>8} {'to chrony':>9} {'outside the hard bound':>23}")
    outside = checks = 0
    for world in sorted(worlds.iterdir()):
        errors, chronys, violations, count = replay(world)
        ratio = f"{rms(errors) / rms(chronys):.2f}" if chronys else "-"
        print(f"{world.name:24} {rms(errors):8.1f} {ratio:>9} {violations:>12} of {count}")
        outside, checks = outside + violations, checks + count
    print(f"hard bound violated in {outside} of {checks} checks")


def replay(world: Path) -> tuple[list[float], list[float], int, int]:
    keeper, sources = Timekeeper(Config()), set()
    waiting = sorted(measurements(world), key=lambda pair: pair[0], reverse=True)
    errors, chronys, violations, count = [], [], 0, 0
    for row in rows(world / "truth.csv.gz"):
        now_s = float(row["t_local_s"])
        while waiting and waiting[-1][0] <= now_s:
            measurement = waiting.pop()[1]
            sources.add(measurement.source)
            keeper.measure(measurement)
        target = keeper.target(round(now_s * NS), sources)
        if target is None:
            continue
        truth_ns = float(row["offset_s"]) * NS
        count += 1
        violations += not target.low_ns - 2 <= truth_ns <= target.high_ns + 2  # rounding
        if now_s >= WARM_UP_S:
            errors.append((target.offset_ns - truth_ns) / 1e3)
            if row.get("chrony_offset_s") not in {None, "", "nan"}:
                chronys.append((float(row["chrony_offset_s"]) * NS - truth_ns) / 1e3)
    return errors, chronys, violations, count


def measurements(world: Path) -> Iterator[tuple[float, Measurement]]:
    """Each measurement with the local time (s) at which its reply was there."""
    for row in rows(world / "measurements.csv.gz"):
        if "false" in world.name and row["source"] == FALSE_SERVER:
            continue
        yield (
            float(row["t4_s"]),
            Measurement(
                source=row["source"],
                raw_ns=round(float(row["t_local_s"]) * NS),
                offset_ns=round(float(row["offset_s"]) * NS),
                delay_ns=max(round(float(row["delay_s"]) * NS), 1),
                precision_ns=1000,
                root_delay_ns=round(float(row["root_delay_s"]) * NS),
                root_dispersion_ns=round(float(row["root_dispersion_s"]) * NS),
                stratum=1,
            ),
        )


def rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)


def rms(values: list[float]) -> float:
    return math.sqrt(sum(value**2 for value in values) / len(values))


if __name__ == "__main__":
    main()
