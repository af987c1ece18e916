"""The files of a study."""

from __future__ import annotations

import json
from pathlib import Path

from chronotick.lab.ordering.frames import event_rows, score_rows, separation_rows, wait_rows
from chronotick.lab.ordering.page import page
from chronotick.lab.ordering.study import Study

SUMMARY = "ordering.json"
PAGE = "ordering.html"
SCORES = "scores.csv"
SEPARATIONS = "separations.csv"
EVENTS = "events.parquet"
WAITS = "waits.parquet"
FILES = (SUMMARY, PAGE, SCORES, SEPARATIONS, EVENTS, WAITS)


def write_study(study: Study, directory: Path, *, command: str = "") -> None:
    """Write a study; files of these names are replaced.

    Args:
        study: it.
        directory: is made if it does not exist.
        command: what makes it again, for the summary.

    Raises:
        OSError: the directory cannot be made or written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    told = {"command": command} | study.as_dict()
    (directory / SUMMARY).write_text(json.dumps(told, indent=2, allow_nan=False) + "\n")
    score_rows(study).to_csv(directory / SCORES, index=False)
    separation_rows(study).to_csv(directory / SEPARATIONS, index=False)
    event_rows(study).to_parquet(directory / EVENTS, index=False)
    wait_rows(study).to_parquet(directory / WAITS, index=False)
    (directory / PAGE).write_text(page(study, command), encoding="utf-8")
