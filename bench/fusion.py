"""Fusion on rehearsed worlds: what each method makes of members whose errors are known.

Prints, for each set of members, noise of the judging measurements and method, means over the seeds
(and the worst): fused error over that of the best single member, over that of the baseline, the
coverage of the 95 % intervals, their mean sigma over the actual error, the members' mean weights,
and for a member that turns bad in mid-run the time until its weight stays below 1 %. At last the
speed of the timekeeper's two calls with three members; the rehearsal's estimator costs nothing.

    python bench/fusion.py [SEEDS]
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from statistics import mean
from typing import ClassVar

from chronotick.clock import Innovation
from chronotick.daemon.timekeeper import Target, Timekeeper
from chronotick.fusion import Score
from chronotick.lab.rehearsal import Outcome, Rehearsed, Stage, Wrong, rehearse
from chronotick.ntp.measurement import Measurement

US = 1e-6
HOURS = 8.0
TURNS_S = 4 * 3600.0
NOISES_US = (3.0, 30.0, 300.0)
METHODS = ("inverse_variance", "expert", "best", "none")
GOOD = Wrong(level_s=3 * US, slope=0.6e-7)
LIKE_THE_BASELINE = Wrong(level_s=10 * US, slope=2e-7)
MEMBERS = {
    "random 50 us": [Rehearsed(name="random", wrong=Wrong(jitter_s=50 * US))],
    "random 12 us": [Rehearsed(name="random", wrong=Wrong(jitter_s=12 * US))],
    "exaggerated copy": [
        Rehearsed(name="copy", wrong=Wrong(level_s=13 * US, slope=2.6e-7, shared=0.98))
    ],
    "as good": [Rehearsed(name="other", wrong=LIKE_THE_BASELINE)],
    "better": [Rehearsed(name="good", wrong=GOOD)],
    "better, random": [
        Rehearsed(name="good", wrong=GOOD),
        Rehearsed(name="random", wrong=Wrong(jitter_s=50 * US)),
    ],
    "better, its copy": [
        Rehearsed(name="good", wrong=GOOD),
        Rehearsed(name="copy", wrong=GOOD, like="good"),
    ],
    "asked rarely": [Rehearsed(name="good", wrong=GOOD, asked_every_s=600.0)],
    "turns bad": [
        Rehearsed(
            name="good",
            wrong=GOOD,
            later=Wrong(level_s=60 * US, slope=1e-6),
            turns_s=TURNS_S,
        )
    ],
}


def main() -> None:
    logging.disable()
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
    print("baseline: 10 us and 2e-7 s/s wrong; errors from the first hour on; poll 64 s")
    print(
        f"{'members':17} {'noise':>6} {'method':16} {'to best':>15} {'to baseline':>15} "
        f"{'cover':>6} {'sigma':>6}  weights; out after"
    )
    for label, members in MEMBERS.items():
        for noise_us in NOISES_US:
            for method in METHODS:
                stages = (Stage(seed=s, hours=HOURS, noise_s=noise_us * US) for s in seeds)
                outcomes = [rehearse(stage, members, method) for stage in stages]
                print(f"{label:17} {noise_us:3.0f} us {method:16} {row(outcomes, members)}")
    print(speed())


def row(outcomes: Sequence[Outcome], members: Sequence[Rehearsed]) -> str:
    to_best = [o.to_best for o in outcomes]
    to_baseline = [o.rms_s() / o.rms_s("kalman") for o in outcomes]
    weights = ", ".join(f"{mean(o.weights[m.name].mean() for o in outcomes):.3f}" for m in members)
    out = [o.out_after_s(m.name, m.turns_s) for o in outcomes for m in members if m.later]
    return (
        f"{mean(to_best):6.3f} ({max(to_best):5.3f}) {mean(to_baseline):6.3f} "
        f"({max(to_baseline):5.3f}) {mean(o.covered for o in outcomes):6.1%} "
        f"{mean(o.sigma_s.mean() / o.rms_s() for o in outcomes):6.2f}  {weights}"
        + (f"; {mean(out):.0f} s (longest {max(out):.0f} s)" if out else "")
    )


class Timed(Timekeeper):
    """A timekeeper that looks at the watch."""

    spent: ClassVar[dict[str, list[float]]] = {"measure": [], "target": []}

    def measure(self, measurement: Measurement) -> tuple[Innovation, list[Score]]:
        """Take a measurement, timed."""
        begin = time.perf_counter()
        result = super().measure(measurement)
        self.spent["measure"].append(time.perf_counter() - begin)
        return result

    def target(self, raw_ns: int) -> Target | None:
        """Return the target, timed."""
        begin = time.perf_counter()
        result = super().target(raw_ns)
        self.spent["target"].append(time.perf_counter() - begin)
        return result


def speed() -> str:
    """Microseconds of a measurement and of a target, three members in both."""
    three = [*MEMBERS["better, random"], Rehearsed(name="other", wrong=LIKE_THE_BASELINE)]
    rehearse(Stage(hours=HOURS, noise_s=10 * US), three, keeper=Timed)
    return ", ".join(
        f"{name}: {mean(each) * 1e6:.0f} us in the mean of {len(each)}"
        for name, each in Timed.spent.items()
    )


if __name__ == "__main__":
    main()
