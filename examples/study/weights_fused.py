"""What weights are worth to the daemon: the same day with and without them, outages and all."""
# ruff: noqa: INP001 - a program, not a package

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

UNTIL = "8h"
GAPS_S = ((3 * 3600.0, 4 * 3600.0), (5 * 3600.0, 6 * 3600.0), (7 * 3600.0, 8 * 3600.0))
"""Stretches in which no server answers."""
WARM_UP_S = 3600.0
MODELS = {"without": "kalman", "with": "kalman,chronos,ttm"}


def fused(world: Path, out: Path) -> pd.DataFrame:
    """Replay a world's measurements with and without the models.

    Args:
        world: directory of a simulated world.
        out: where estimates are kept; those that are there are not made again.

    Returns:
        ``rms_s`` of the daemon's estimate, by ``models`` and ``when``: while servers answer, and
        in outages; and ``kalman``, the estimator's mean weight.
    """
    rows = []
    for name, models in MODELS.items():
        estimates = out / f"{world.name}-{name}.csv.gz"
        if not estimates.with_suffix(".json").exists():
            _replay(world, models, estimates)
        error_s, outage = _errors(world, estimates)
        about = json.loads(estimates.with_suffix(".json").read_text(encoding="utf-8"))
        kalman = about["models"]["kalman"]["mean_weight"]
        for when, chosen in (("answered", ~outage), ("outage", outage)):
            rms_s = float(np.sqrt(np.mean(error_s[chosen] ** 2)))
            row = {"world": world.name, "models": name, "when": when, "rms_s": rms_s}
            rows.append(row | {"kalman": kalman})
    return pd.DataFrame(rows)


def _replay(world: Path, models: str, estimates: Path) -> None:
    estimates.parent.mkdir(parents=True, exist_ok=True)
    gaps = [word for begin, end in GAPS_S for word in ("--gap", f"{begin:g}..{end:g}")]
    asked = ("--models", models, "--until", UNTIL, "--members", "--offline", "--json")
    measured = world / "measurements.csv.gz"
    command = [sys.executable, "-m", "chronotick", "lab", "replay", measured, *asked, *gaps]
    ran = subprocess.run([*command, "--out", estimates], check=True, stdout=subprocess.PIPE)
    answered = json.loads(ran.stdout)["models"]
    silent = [name for name, about in answered.items() if not about["answered"]]
    if silent:
        raise SystemExit(f"{world.name}: {', '.join(silent)} never answered")
    estimates.with_suffix(".json").write_bytes(ran.stdout)  # last: it says that all is there


def _errors(world: Path, estimates: Path) -> tuple[np.ndarray, np.ndarray]:
    """Errors in s after the warm-up, and which of them are in an outage."""
    found = pd.read_csv(estimates)
    truth = pd.read_csv(world / "truth.csv.gz")
    found = found[found["t_local_s"] > WARM_UP_S]
    at_s = found["t_local_s"].to_numpy()
    true_s = np.interp(at_s, truth["t_local_s"], truth["offset_s"])
    outage = np.any([(begin <= at_s) & (at_s < end) for begin, end in GAPS_S], axis=0)
    return found["offset_s"].to_numpy() - true_s, outage
