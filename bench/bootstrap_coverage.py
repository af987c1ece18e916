"""How often 95 % bootstrap intervals of the skill score hold the truth, by what is resampled.

Simulates leaderboards: the logarithm of a model's error over the baseline's is a constant, plus an
effect of the host, plus an effect of the task, both normal. Prints the share of leaderboards whose
interval holds the skill that all hosts together have, for tasks resampled as fev does, for hosts,
and for hosts with the BCa interval.

    python bench/bootstrap_coverage.py [--tables 4000] [--tasks 20] [--noise 0.5]
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np

from chronotick.lab.scoring.columns import Floats
from chronotick.lab.scoring.comparisons import SEED
from chronotick.lab.scoring.resampling import Method, resampled
from chronotick.lab.scoring.standing import skill

HOSTS = (5, 10, 20, 40, 80)
EFFECTS = (0.0, 0.2, 0.35)  # standard deviations over hosts, of logarithms of ratios
LOG_RATIO = -0.2  # in truth: 18 % less error than the baseline
RESAMPLES = 1000
WAYS: dict[str, tuple[bool, Method]] = {
    "tasks, percentile": (False, "percentile"),
    "hosts, percentile": (True, "percentile"),
    "hosts, BCa": (True, "bca"),
}


def log_ratios(tables: int, hosts: int, tasks: int, effect: float, noise: float) -> Floats:
    """Leaderboards side by side, shape ``[hosts * tasks, tables]``."""
    rng = np.random.default_rng([hosts, round(1000 * effect)])
    of_hosts = rng.normal(0.0, effect, size=(hosts, 1, tables))
    of_tasks = rng.normal(0.0, noise, size=(hosts, tasks, tables))
    return (LOG_RATIO + of_hosts + of_tasks).reshape(hosts * tasks, tables)


def coverage(values: Floats, hosts: int, *, by_host: bool, method: Method) -> float:
    count = len(values)
    clusters = np.arange(count) // (count // hosts) if by_host else np.arange(count)
    found = resampled(values, clusters, skill, resamples=RESAMPLES, seed=SEED, method=method)
    truth = 1 - math.exp(LOG_RATIO)
    return float(((found.lower <= truth) & (truth <= found.upper)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", type=int, default=4000, help="leaderboards per cell")
    parser.add_argument("--tasks", type=int, default=20, help="tasks of each host")
    parser.add_argument("--noise", type=float, default=0.5, help="sd over tasks of log ratios")
    options = parser.parse_args()
    error = 100 * math.sqrt(0.95 * 0.05 / options.tables)
    print(
        f"share of 95 % intervals that hold the true skill: {options.tables} leaderboards each "
        f"(standard error {error:.1f} %), {options.tasks} tasks per host, log ratios vary by "
        f"{options.noise:g} over tasks, {RESAMPLES} resamples"
    )
    print(f"{'HOSTS':>5} {'HOSTS VARY BY':>13}", *(f"{way:>18}" for way in WAYS))
    began_s = time.process_time()
    for effect in EFFECTS:
        for hosts in HOSTS:
            values = log_ratios(options.tables, hosts, options.tasks, effect, options.noise)
            shares = [
                coverage(values, hosts, by_host=by_host, method=method)
                for by_host, method in WAYS.values()
            ]
            cells = (f"{100 * share:>16.1f} %" for share in shares)
            print(f"{hosts:>5} {effect:>13g}", *cells, flush=True)
    print(f"{time.process_time() - began_s:.0f} s of CPU time")


if __name__ == "__main__":
    main()
