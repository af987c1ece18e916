"""What a reader of a leaderboard must know of what is not in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chronotick.lab.counting import often, plural

if TYPE_CHECKING:
    from chronotick.lab.comparing.comparison import Comparison
    from chronotick.lab.scoring.metrics import Target

NAMED = 5  # traces in a sentence


def remarks(compared: Comparison, target: Target) -> Iterator[str]:
    """Yield sentences about jobs that are not done, and about traces and horizons left out.

    Args:
        compared: results.
        target: what forecasts are held against.
    """
    pending, jobs = compared.pending
    if pending:
        yield (
            f"{pending} of {often(jobs, 'job')} {plural(pending, 'has', 'have')} no rows yet. "
            "Their windows are counted as failures until then"
        )
    if target == "truth":
        unknown = [trace["name"] for trace in compared.traces if not trace["truth"]]
        if unknown:
            yield (
                f"the truth of {_listing(unknown)} is not known: not in this table. "
                "`chronotick results show --target measured` has all"
            )
    judged = {
        horizon_s
        for part in compared.parts(["horizon_s", target])
        for horizon_s in part.loc[part[target].notna(), "horizon_s"].unique().tolist()
    }
    asked = compared.runs[-1]["settings"]["horizons_s"]
    beyond = [f"{each:g} s" for each in asked if not any(abs(each - near) < 1 for near in judged)]
    if beyond and not pending:
        yield f"no trace is long enough to judge forecasts at {', '.join(beyond)}"


def _listing(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {often(more, 'other')}" if more > 0 else "")
