"""How true the time is: every world and trace that is here, beside chrony, lines and an oracle.

Takes the recorded worlds and traces from ``CHRONOTICK_TRACES`` (default ``../shared/traces``) where
they are, and any number of fresh worlds of the same kinds (``--seeds``), with what a model of
chrony (``chrony.py``) makes of those. Offsets are true time - local clock; errors count after the
first hour. On ``wan`` worlds the error is the standard deviation, since no client can see a
constant route asymmetry.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import real
from ablations import WHOLE, Ablation, ablations
from chrony import chrony_as_recorded
from estimates import Estimates, bank_alone, replayed
from figures import draw
from numpy.typing import NDArray
from scores import Score, geometric_mean, score, spread
from worlds import FALSE, World, fresh, recorded, recorded_names, traces
from yardsticks import LINES_S, line, oracle

from chronotick.config.schema import Config

BARS = {"dc": 0.25, "wifi": 0.25, "wan": 0.50, "wans": 0.62, "falseticker": 0.12}
BEST_TUNED_OF_README = {
    "dc": 0.22 / 0.36,
    "wifi": 0.26 / 0.49,
    "wan": 0.50 / 0.66,
    "wans": 0.64 / 0.67,
}
"""chrony with the best options for each world over default chrony: from the traces' README."""
KINDS = (
    *("dc_calm_p6_s1", "dc_calm_p6_s4", "dc_hvac_p6_s1", "dc_hvac_p6_s4", "dc_hvacs_p6_s4"),
    *("dc_load_p6_s4", "dc_rough_p6_s1", "wan_calm_p6_s1", "wan_calm_p6_s4", "wan_hvac_p6_s4"),
    *("wan_hvacs_p6_s4_false", "wan_rough_p7_s4", "wans_calm_p6_s1", "wans_hvac_p6_s4"),
    *("wifi_calm_p6_s1", "wifi_calm_p6_s4", "wifi_hvac_p6_s4", "wifi_load_p7_s4"),
)
"""Kinds of fresh worlds where no recorded ones are here to name them."""

LEGEND = """
error us  root mean square error after the first hour, us; on wan worlds its standard deviation
/chrony   that over chrony's (default options) on the same measurements; bar: what is aimed at
/steered  rms error over that of the clock that chrony steers
/tuned    /chrony over the same ratio of chrony with the best options for the world
/line     error over that of the best straight line through the newest measurements
/oracle   error over that of an estimator that sees the future; oracle/chrony: what it would reach
/member   error of the fused estimate over that of its best member
cover     share of errors within the 95 % interval
sigma     mean stated standard uncertainty over rms error
outside   errors outside the hard bound, of all estimates that have one
wall s    time that the replay of a world took
nan       not known: chrony's estimates are not there, or nothing to compare with"""
"""What the columns of both tables mean."""

Vector = NDArray[np.float64]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One world: our score, and ratios of our error to others' on the same measurements."""

    world: str
    network: str
    score: Score
    to_best_line: float
    to_oracle: float
    fused_to_best_member: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Job:
    """A world to be made or read in another process."""

    name: str
    seed: int | None
    models: tuple[str, ...]

    def world(self) -> World:
        """Get it; in a fresh one the model says what chrony would have."""
        if self.seed is None:
            return recorded(self.name)
        world = fresh(self.name, self.seed)
        truth = world.truth
        modelled_s = chrony_as_recorded(world.recording, truth.time_s, truth.offset_s)
        return replace(world, truth=replace(truth, chrony_s=modelled_s))

    @property
    def label(self) -> str:
        """What it is called in tables."""
        return self.name if self.seed is None else f"{self.name} seed {self.seed}"


def judged(job: Job) -> tuple[Row, World, Estimates]:
    """Replay one world and score it."""
    world, liars = job.world(), liars_of(job.name)
    recording, truth = world.recording, world.truth
    estimates = replayed(recording, truth, configured(job.models))
    found = score(world, estimates)
    lines = (line(recording, truth, window_s, liars) for window_s in LINES_S)
    row = Row(
        world=job.label,
        network=world.network,
        score=found,
        to_best_line=found.error_s / least_error(world, lines),
        to_oracle=found.error_s / least_error(world, [oracle(recording, truth, liars)]),
        fused_to_best_member=found.error_s / least_error(world, estimates.members_s.values()),
        wall_s=estimates.wall_s,
    )
    return row, world, estimates


def least_error(world: World, estimates_s: Iterable[Vector]) -> float:
    """The best of those that said something at every instant; NaN if none did."""
    errors = [spread(world, each - world.truth.offset_s) for each in estimates_s]
    return min((error for error in errors if math.isfinite(error)), default=math.nan)


def configured(models: Sequence[str]) -> Config:
    """Defaults with these models."""
    loops = {"models": list(models)}
    return Config.model_validate({"short_term": loops, "long_term": loops})


def liars_of(world: str) -> frozenset[str]:
    """Sources that lie: yardsticks have no selection and are told."""
    return frozenset({"4"}) if FALSE in world else frozenset()


def ablated(pair: tuple[str, Ablation]) -> tuple[str, str, float]:
    """Network, what was left out, and the error of one recorded world."""
    name, ablation = pair
    world = recorded(name)
    recording = ablation.prepare(world.recording)
    estimates = bank_alone(recording, world.truth, ablation.options, liars_of(name))
    return world.name, ablation.name, spread(world, estimates.offset_s - world.truth.offset_s)


def print_worlds(rows: Sequence[Row]) -> None:
    """One line for each world, then the geometric means beside their bars."""
    print(
        f"{'world':32} {'error us':>9} {'/chrony':>8} {'/steered':>8} {'/line':>6} {'/oracle':>7} "
        f"{'/member':>7} {'cover':>6} {'sigma':>6} {'outside':>15} {'wall s':>6}"
    )
    for row in rows:
        found = row.score
        print(
            f"{row.world:32} {found.error_s * 1e6:9.2f} {found.to_chrony:8.3f} "
            f"{found.to_disciplined:8.3f} {row.to_best_line:6.2f} {row.to_oracle:7.2f} "
            f"{row.fused_to_best_member:7.3f} {found.coverage:6.3f} {found.sigma_to_rms:6.2f} "
            f"{found.violations:>6} of {found.checks:<6} {row.wall_s:5.1f}"
        )


def print_networks(rows: Sequence[Row]) -> None:
    """Geometric means by network, beside their bars."""
    by_network: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_network[row.network].append(row)
    print(
        f"\n{'network':12} {'/chrony':>8} {'bar':>5} {'/tuned':>7} {'/line':>6} {'/oracle':>7} "
        f"{'oracle/chrony':>13} {'cover':>6} {'sigma':>6} {'outside':>8}"
    )
    for network, group in by_network.items():
        ratio = geometric_mean(row.score.to_chrony for row in group)
        sighted = geometric_mean(row.to_oracle for row in group)
        tuned = ratio / BEST_TUNED_OF_README.get(network, math.nan)
        print(
            f"{network:12} {ratio:8.3f} {BARS.get(network, math.nan):5.2f} {tuned:7.2f} "
            f"{geometric_mean(row.to_best_line for row in group):6.2f} {sighted:7.2f} "
            f"{ratio / sighted:13.3f} {mean(row.score.coverage for row in group):6.3f} "
            f"{mean(row.score.sigma_to_rms for row in group):6.2f} "
            f"{sum(row.score.violations for row in group):>8}"
        )
    walls = [row.wall_s for row in rows]
    print(f"\n24 h replayed in {min(walls):.1f} to {max(walls):.1f} s")


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean."""
    return float(np.mean(list(values)))


def print_ablations(pool: Executor, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Geometric mean of the error without a part over that of the whole bank, by network."""
    parts = ablations()
    jobs = [(name, part) for part in parts for name in names]
    errors: dict[str, dict[str, float]] = defaultdict(dict)
    for world, part, error in progress(pool, ablated, jobs, "ablations"):
        errors[part][world] = error
    networks = sorted({name.partition("_")[0] for name in names})
    print(f"\n{'error without it over with it':30} " + " ".join(f"{n:>7}" for n in networks))
    table: dict[str, dict[str, float]] = {}
    for part, by_world in errors.items():
        table[part] = {
            network: geometric_mean(
                error / errors[WHOLE][world]
                for world, error in by_world.items()
                if world.partition("_")[0] == network
            )
            for network in networks
        }
        print(f"{part:30} " + " ".join(f"{table[part][n]:7.3f}" for n in networks))
    return table


def print_real() -> dict[str, Any]:
    """Holdover of real hosts, and what is known of others."""
    found: dict[str, Any] = {"holdover": []}
    print("\nholdover of free-running hosts, rms error in us")
    for each in real.holdovers():
        found["holdover"].append(asdict(each))
        best = min(rms for who, rms in each.rms_s.items() if who != "kalman")
        errors = "  ".join(f"{who} {rms * 1e6:.1f}" for who, rms in each.rms_s.items())
        print(
            f"{each.trace:28} {each.horizon_s:5.0f} s: {errors}; "
            f"to the best of them {each.rms_s['kalman'] / best:.2f}, cover {each.coverage:.3f}"
        )
    noise = real.bimodal_noise()
    host = real.true_host()
    found |= {"bimodal": asdict(noise), "true_host": asdict(host)}
    print(
        f"\nbimodal delays: noise {noise.kalman_s * 1e6:.1f} us from measurements of "
        f"{noise.raw_s * 1e6:.1f} us"
        f"\na true host's NTP: error {host.bias_s * 1e6:.0f} +- {host.sd_s * 1e6:.0f} us, stated "
        f"sigma {host.mean_sigma_s * 1e6:.0f} us, cover {host.coverage:.3f}, "
        f"outside the bound {host.violations} of {host.checks}"
    )
    return found


def progress(
    pool: Executor, work: Callable[[_Item], _Result], items: Sequence[_Item], what: str
) -> Iterator[_Result]:
    """Yield results in order, counting on standard error where that is a terminal."""
    shown = sys.stderr.isatty()
    for number, result in enumerate(pool.map(work, items), 1):
        if shown:
            print(f"\r{what}: {number} of {len(items)} ", end="", file=sys.stderr, flush=True)
        yield result
    if shown:
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr, flush=True)


def as_json(found: object) -> object:
    """The same with ``None`` for what is not finite: JSON has no NaN."""
    if isinstance(found, dict):
        return {key: as_json(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [as_json(value) for value in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", default="", help="only recorded worlds whose name holds this")
    parser.add_argument("--seeds", type=int, default=0, help="fresh worlds of each kind")
    parser.add_argument("--first-seed", type=int, default=1, help="seed of the first of them")
    parser.add_argument("--no-recorded", action="store_true", help="leave the recorded worlds out")
    parser.add_argument("--models", default="kalman", help="models, by comma")
    parser.add_argument("--ablations", action="store_true", help="leave parts of the bank out")
    parser.add_argument("--real", action="store_true", help="real traces as well")
    parser.add_argument("--figures", type=Path, help="directory for one figure per network (SVG)")
    parser.add_argument("--json", type=Path, help="file for all numbers")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    asked = parser.parse_args()
    refuse_impossible(parser, asked)
    return asked


def refuse_impossible(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """End with what to do where something that was asked for cannot be done."""
    where = f"in {traces()} (CHRONOTICK_TRACES says where they are)"
    names = recorded_names()
    if not any(asked.worlds in name for name in names or KINDS):
        parser.error(
            f"no world's name holds {asked.worlds!r}. There are {', '.join(names or KINDS)}"
        )
    if not names and not asked.seeds and not asked.real:
        parser.error(f"no recorded worlds {where}: give --seeds 1 for fresh ones")
    if not names and asked.ablations:
        parser.error(f"--ablations needs recorded worlds; there are none {where}")
    if asked.real and not real.available():
        parser.error(f"--real needs the real traces; there are none {where}")


def main() -> None:
    """Measure and print."""
    asked = arguments()
    names = [name for name in recorded_names() if asked.worlds in name]
    models = tuple(asked.models.split(","))
    seeds = range(asked.first_seed, asked.first_seed + asked.seeds)
    kinds = names or [name for name in KINDS if asked.worlds in name]
    jobs = [] if asked.no_recorded else [Job(name, None, models) for name in names]
    jobs += [Job(name, seed, models) for name in kinds for seed in seeds]
    found: dict[str, Any] = {}
    with ProcessPoolExecutor(asked.jobs) as pool:
        results = list(progress(pool, judged, jobs, "worlds"))
        if results:
            rows = [row for row, _, _ in results]
            print_worlds(rows)
            print_networks(rows)
            print(LEGEND)
            found["worlds"] = [asdict(row) for row in rows]
        if asked.ablations:
            found["ablations"] = print_ablations(pool, names)
    if asked.figures:
        draw([(world, estimates) for _, world, estimates in results], asked.figures)
    if asked.real:
        found["real"] = print_real()
    if asked.json:
        told = json.dumps(as_json(found), indent=1, allow_nan=False)
        asked.json.write_text(told + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
