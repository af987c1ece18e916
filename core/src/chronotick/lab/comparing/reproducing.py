"""The command that computes one row again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chronotick.lab.comparing.comparison import Comparison
from chronotick.lab.comparing.yardsticks import YARDSTICKS
from chronotick.lab.counting import often

if TYPE_CHECKING:
    import pandas as pd


class NoSuchRowError(Exception):
    """Raised for a row that is not there."""


def row_of(compared: Comparison, name: str) -> pd.Series:
    """Find a row: ``JOB:N``, the N-th (from 0) of a job, whose hash may be shortened.

    Raises:
        NoSuchRowError: there is none.
    """
    job, _, number = name.partition(":")
    rows = compared.rows[compared.rows["job"].str.startswith(job)] if job else compared.rows[:0]
    if len(set(rows["job"])) != 1 or not (number or "0").isdecimal():
        raise NoSuchRowError(
            f"{name!r} names no row: JOB:N, the N-th row of a job; jobs are in the column `job` of "
            "`chronotick results export`"
        )
    place = int(number or 0)
    if place >= len(rows):
        raise NoSuchRowError(f"{name!r}: that job has {often(len(rows), 'row')}, numbered from 0")
    return rows.iloc[place]


def command_of(compared: Comparison, row: pd.Series, out: str = "again") -> list[str]:
    """The command line that computes a row again, from the same file and with the same weights.

    Args:
        compared: where the row is from.
        row: it.
        out: directory of the results of the command.
    """
    run = compared.runs[-1]
    trace = next(each for each in run["traces"] if each["name"] == row["trace"])
    settings: dict[str, Any] = run["settings"]
    identity = compared.models[row["model"]]  # with the weights that were really loaded
    assumed = [
        f"CHRONOTICK_CLOCK__{key.upper()}={json.dumps(value)}"
        for key, value in settings.get("clock", {}).items()
    ]
    command = ["env", *assumed] if assumed else []
    command += ["chronotick", "compare", "--traces", trace["path"]]
    if row["model"] not in YARDSTICKS:
        command += ["--models", row["model"]]
    if identity.get("checkpoint"):
        command += ["--checkpoint", f"{row['model']}={identity['checkpoint']}"]
    # All of them: how far a model is asked for may change what it says of nearer times.
    command += ["--horizons", ",".join(f"{each!r}s" for each in settings["horizons_s"])]
    command += ["--origin", repr(float(row["origin_s"]))]
    command += ["--context", str(settings["context"])]
    if settings["device"] != "auto":
        command += ["--device", settings["device"]]
    return [*command, *settings.get("reading", ()), "--out", out]
