"""When rows were computed, as far as runs tell: a repeated run finds them done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

Run = Mapping[str, Any]

_KEYS = ("started", "ended")


def dated(runs: Sequence[Run]) -> str:
    """Return when the rows of the newest run were computed, and when it was if that is another."""
    if not runs:
        return ""
    newest, computing = runs[-1], _computing(runs)
    if len(computing) == 1 and computing[0] is newest:
        text = ", ".join(f"{key} {_instant(newest[key])}" for key in _KEYS if newest.get(key))
        return f"{text[0].upper()}{text[1:]}." if text else ""
    last = computing[-1]
    until = f" to {_instant(last['ended'])}" if last.get("ended") else " on"
    several = f", in {len(computing)} runs" if len(computing) > 1 else ""
    told = f"Computed from {_instant(computing[0]['started'])}{until}{several}."
    if last is newest:
        return told
    return f"{told} Run again at {_instant(newest['started'])}, when all of it was there."


def _computing(runs: Sequence[Run]) -> list[Run]:
    """Runs that computed some of what the newest one shows; itself if nothing is known."""
    shown, found = _jobs(runs[-1]), []
    waiting = set(shown)
    for run in runs:
        retries = (run.get("settings") or {}).get("retry_failed")
        its = _jobs(run) & (shown if retries else waiting)
        if its and run.get("started"):
            found.append(run)
        if _is_complete(run):
            waiting -= its
    return found or [runs[-1]]


def _jobs(run: Run) -> set[tuple[str, ...]]:
    return {tuple(job) for job in run.get("jobs") or ()}


def _is_complete(run: Run) -> bool:
    """Whether a run left nothing to compute for another: no job of it was lost."""
    of_jobs = (each for each in run.get("problems") or () if not each.get("path"))
    return bool(run.get("ended")) and not run.get("interrupted") and not any(of_jobs)


def _instant(text: str) -> str:
    """An instant of ISO 8601 to the second; whatever else it is, as it is."""
    try:
        return f"{datetime.fromisoformat(text).astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return str(text)
