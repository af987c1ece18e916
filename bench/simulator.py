"""Whether the simulator makes what it says, and what the recorded worlds are like.

`python bench/simulator.py` measures overlapping and modified Allan deviations of generated
oscillators with allantools and prints them beside theory, in 95 % confidence intervals;
`--figure FILE.svg` draws them. Where the recorded worlds are (`CHRONOTICK_TRACES`, by default
`../shared/traces`), it also prints what they and generated worlds of the same names are like.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import allantools
import matplotlib as mpl
import numpy as np
from allantools.ci import confidence_interval, edf_greenhall

from chronotick.lab.fluctuations import Floats
from chronotick.lab.oscillator import DAY_S, OSCILLATORS, Oscillator, OscillatorModel
from chronotick.lab.polling import Prediction
from chronotick.lab.simulation import Simulation
from chronotick.lab.stability import allan_deviation, modified_allan_deviation
from chronotick.lab.writing import MEASUREMENTS, TRUTH, write

REPOSITORY = Path(__file__).parents[1]
TRACES = Path(os.environ.get("CHRONOTICK_TRACES", REPOSITORY / ".." / "shared" / "traces"))
NS = 1_000_000_000
COUNT, SHORT = 1 << 18, 1 << 14
CONFIDENCE = 0.95
PROCESSES = {
    "white FM 1e-8": (OscillatorModel(white_fm=1e-8), 0),
    "flicker FM 3e-9": (OscillatorModel(flicker_fm=3e-9), -1),
    "random-walk FM 1e-10/√s": (OscillatorModel(wander=1e-10), -2),
    "ageing 1e-8/day": (OscillatorModel(ageing=1e-8 / DAY_S), None),
    "host preset": (OSCILLATORS["host"], -1),
}
KINDS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "oadev": (allantools.oadev, allan_deviation),
    "mdev": (allantools.mdev, modified_allan_deviation),
}
WORLDS = (
    *("dc_calm_p6_s4", "dc_hvac_p6_s4", "dc_load_p6_s4", "wan_calm_p6_s4", "wan_hvac_p6_s4"),
    *("wan_hvacs_p6_s4_false", "wan_rough_p7_s4", "wan_hvacs_def_s4", "wans_hvac_p6_s4"),
    *("wifi_calm_p6_s4", "wifi_hvac_p6_s4", "wifi_load_p7_s4"),
)
QUANTILES = (10, 50, 90, 98, 99.8)
TAUS_STEPS = (1, 6, 26, 102, 410)  # of 10 s


@dataclass(frozen=True)
class Point:
    """A measured deviation, its interval of confidence, and what it should be."""

    tau_s: float
    deviation: float
    low: float
    high: float
    theory: float


def points(
    model: OscillatorModel, alpha: int | None, kind: str, seed: int, count: int = COUNT
) -> list[Point]:
    """The deviations of one oscillator, with their intervals and what theory says.

    ``alpha`` is the exponent of its noise; None is none: the deviation is certain.
    """
    measure, theory = KINDS[kind]
    oscillator = Oscillator(model, seed=seed)
    oscillator.phase_s(count * NS)
    phase_s = np.array([oscillator.phase_s(t * NS) for t in range(count + 1)])
    first = 0 if kind == "oadev" else 2
    wanted = [4**k for k in range(first, 8) if 4**k <= count / 16]
    taus, deviations, _, _ = measure(phase_s, rate=1.0, data_type="phase", taus=wanted)
    return [
        Point(
            float(tau),
            float(found),
            *interval(found, alpha, int(tau), kind, count),
            float(expected),
        )
        for tau, found, expected in zip(taus, deviations, theory(model, taus), strict=True)
    ]


def interval(
    deviation: float, alpha: int | None, tau: int, kind: str, count: int
) -> tuple[float, float]:
    if alpha is None:
        return float(deviation), float(deviation)
    freedom = edf_greenhall(alpha, 2, tau, count, overlapping=True, modified=kind == "mdev")
    low, high = confidence_interval(deviation, freedom, CONFIDENCE)
    return float(low), float(high)


def stability(seed: int) -> dict[str, list[Point]]:
    found = {}
    for kind in KINDS:
        print(f"\n{kind}, {COUNT} s, seed {seed}: measured/theory (95 % interval) at tau")
        for name, (model, alpha) in PROCESSES.items():
            made = points(model, alpha, kind, seed)
            found[f"{name}, {kind}"] = made
            cells = (
                f"{p.tau_s:6.0f} s {ratio(p):5.3f} "
                f"({p.low / p.theory:5.3f}…{p.high / p.theory:5.3f})"
                for p in made
            )
            print(f"{name:24}", "  ".join(cells))
    return found


def coverage(runs: int) -> None:
    """How often the intervals of independent short runs hold the theory: 95 % if all is well."""
    print(f"\noadev, {runs} runs of {SHORT} s: rms ratio to theory, and intervals that hold it")
    for name, (model, alpha) in PROCESSES.items():
        if alpha is None or model.cycles:  # nothing to chance, or not all of it
            continue
        made = [points(model, alpha, "oadev", 1000 + seed, SHORT) for seed in range(runs)]
        cells = (
            f"{same[0].tau_s:6.0f} s {math.sqrt(np.mean([ratio(p) ** 2 for p in same])):.3f} "
            f"({np.mean([p.low < p.theory < p.high for p in same]):4.0%})"
            for same in zip(*made, strict=True)
        )
        print(f"{name:24}", "  ".join(cells))


def ratio(point: Point) -> float:
    return point.deviation / point.theory


def draw(found: dict[str, list[Point]], path: Path) -> None:
    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "chronotick", "svg.fonttype": "none"}  # the same bytes, small
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7.0, 4.6))
    for name in PROCESSES:
        made = found[f"{name}, oadev"]
        taus = [p.tau_s for p in made]
        line = axes.loglog(taus, [p.theory for p in made], label=name)[0]
        off = [[p.deviation - p.low for p in made], [p.high - p.deviation for p in made]]
        axes.errorbar(
            taus, [p.deviation for p in made], off, fmt="o", ms=3, capsize=2, color=line.get_color()
        )
    axes.set(
        xlabel="averaging time τ (s)",
        ylabel="overlapping Allan deviation",
        title="Simulated oscillators (points, 95 %) and theory (lines)",
        ylim=(1e-11, 3e-6),
    )
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=7, loc="upper left", ncols=3)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    print(f"\nwrote {path}")


@dataclass(frozen=True)
class Likeness:
    """What a world is like, in numbers.

    Attributes:
        excess_ms: quantiles of the delay over each server's minimum.
        innovation_us: rms, without the largest hundredth, of what a line through eight replies of a
            server leaves of the next.
        deviations: Allan deviations of the truth.
        polls: answered questions.
    """

    excess_ms: Sequence[float]
    innovation_us: float
    deviations: Sequence[float]
    polls: int


def likeness(directory: Path) -> Likeness:
    measurements, truth = (columns(directory / name) for name in (MEASUREMENTS, TRUTH))
    excess_s, off_s = [], []
    for source in np.unique(measurements["source"]):
        mine = measurements["source"] == source
        delay_s = measurements["delay_s"][mine]
        excess_s.append(delay_s - delay_s.min())
        prediction = Prediction()
        pairs = zip(measurements["t_local_s"][mine], measurements["offset_s"][mine], strict=True)
        off_s += [left_s for t, x in pairs if (left_s := prediction.residual_s(t, x)) is not None]
    kept = np.sort(np.abs(off_s))[: int(0.99 * len(off_s))]
    return Likeness(
        excess_ms=np.percentile(np.concatenate(excess_s), QUANTILES) * 1e3,
        innovation_us=float(np.sqrt(np.mean(kept**2))) * 1e6,
        deviations=deviations(truth["offset_s"]),
        polls=len(measurements["offset_s"]),
    )


def columns(path: Path) -> dict[str, Any]:
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = [key for key in rows[0] if not key.startswith("chrony")]
    return {key: np.array([float(row[key]) for row in rows]) for key in wanted}


def deviations(phase_s: Floats) -> Floats:
    taus = [10.0 * m for m in TAUS_STEPS]
    return np.asarray(allantools.oadev(phase_s, rate=0.1, data_type="phase", taus=taus)[1])


def compare(names: Iterable[str], seeds: int) -> None:
    print(f"\nrecorded, then generated (mean of {seeds} seeds; range of the deviations)")
    quantiles = " ".join(f"{q:>6g} %" for q in QUANTILES)
    taus = " ".join(f"{10 * m:>7} s" for m in TAUS_STEPS)
    print(f"{'':22}{'polls':>6}  excess delay (ms) {quantiles}  innov. (µs)  adev at {taus}")
    for name in names:
        show(name, [likeness(TRACES / "sim" / name)])
        with tempfile.TemporaryDirectory(prefix="chronotick-") as folder:
            made = [made_world(name, seed, Path(folder) / str(seed)) for seed in range(seeds)]
        show("", made)


def made_world(name: str, seed: int, directory: Path) -> Likeness:
    write(Simulation.named(name, seed=seed), directory)
    return likeness(directory)


def show(name: str, likes: Sequence[Likeness]) -> None:
    excess_ms = np.mean([each.excess_ms for each in likes], axis=0)
    found = np.array([each.deviations for each in likes])
    low, high = found.min(axis=0), found.max(axis=0)
    adev = " ".join(
        f"{a:9.2e}" if math.isclose(a, b) else f"{a:.1e}…{b:.1e}"
        for a, b in zip(low, high, strict=True)
    )
    print(
        f"{name:22}{np.mean([each.polls for each in likes]):6.0f}  {'':17} "
        f"{' '.join(f'{q:8.3f}' for q in excess_ms)}  "
        f"{np.mean([each.innovation_us for each in likes]):11.1f}  {'':7} {adev}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the oscillators")
    parser.add_argument("--runs", type=int, default=40, help="short runs to judge intervals by")
    parser.add_argument("--seeds", type=int, default=3, help="generated worlds of each name")
    parser.add_argument("--figure", type=Path, metavar="FILE.svg", help="draw the deviations")
    parser.add_argument("--worlds", nargs="*", default=WORLDS, help="recorded worlds to compare")
    given = parser.parse_args()
    found = stability(given.seed)
    coverage(given.runs)
    if given.figure:
        draw(found, given.figure)
    if (TRACES / "sim").is_dir():
        compare(given.worlds, given.seeds)
    else:
        print(f"\nno recorded worlds in {TRACES} (CHRONOTICK_TRACES)")


if __name__ == "__main__":
    main()
