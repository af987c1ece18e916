"""Waiting until a moment has passed, in true time and not in somebody's clock (commit-wait).

Corbett et al., "Spanner: Google's Globally-Distributed Database" (OSDI 2012), section 4.1.2: what
was stamped t is shown once ``TT.after(t)`` holds: when the earliest possible time is past t.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import anyio
from pydantic import BaseModel, ConfigDict, Field

from chronotick.mcp.moments import NS_PER_S, Moment, MomentError
from chronotick.mcp.reading import vouched
from chronotick.views import Snapshot, TimeReading, iso8601

LONGEST_WAIT_S: Final = 300.0
USUAL_WAIT_S: Final = 50.0  # many clients give a call up after 60 s
STEP_S: Final = 1.0
_LEAST_SLEEP_S: Final = 1e-4

Note = Callable[[float, float], Awaitable[None]]
"""Told of progress: seconds waited, and seconds the wait takes in all as far as is known now."""


class Waited(BaseModel):
    """A moment that has passed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target_ns: int = Field(description="The moment that was waited for (Unix ns).")
    certain: bool = Field(
        description="Whether true time is certainly past it; else only the best estimate is."
    )
    waited_seconds: float = Field(ge=0, description="How long the call waited (s).")
    passed_least_ns: int = Field(description="It passed at least so long ago (ns).")
    passed_most_ns: int = Field(description="It passed at most so long ago (ns).")
    time: TimeReading = Field(description="The time when the wait ended.")


async def wait(
    snapshot: Snapshot,
    target: Moment,
    note: Note,
    *,
    certain: bool,
    longest_s: float,
    tolerance_s: float | None = None,
    step_s: float = STEP_S,
) -> Waited:
    """Wait until a moment has passed; never return before.

    Args:
        snapshot: the clock.
        target: the moment; where it is an interval, its end.
        note: told of progress.
        certain: wait until true time is certainly past it, else until the estimate is.
        longest_s: how long to wait at most (s).
        tolerance_s: how long ago it may have passed at the call (s); ``None``: any time.
        step_s: how long nobody looks whether the clock still says the same, nor tells of progress,
            at most (s).

    Raises:
        MomentError: it certainly passed longer ago than that, or is further ahead.
        DaemonUnavailable, ClockUnsynchronised: there is no clock to go by, or no longer.
    """
    target_ns, began_s = target.latest_ns, anyio.current_time()
    _refuse_passed(vouched(snapshot.time()), target_ns, tolerance_s)
    while (
        remaining_s := _remaining_s(reading := vouched(snapshot.time()), target_ns, certain)
    ) > 0:
        waited_s = anyio.current_time() - began_s
        if waited_s >= longest_s:
            raise _not_yet(target_ns, remaining_s, longest_s)
        await note(waited_s, waited_s + remaining_s)
        await anyio.sleep(min(max(remaining_s, _LEAST_SLEEP_S), step_s, longest_s - waited_s))
    return Waited(
        target_ns=target_ns,
        certain=certain,
        waited_seconds=anyio.current_time() - began_s,
        passed_least_ns=reading.earliest_ns - target_ns,
        passed_most_ns=reading.latest_ns - target.earliest_ns,
        time=reading,
    )


def _remaining_s(reading: TimeReading, target_ns: int, certain: bool) -> float:
    past_ns = reading.earliest_ns if certain else reading.time_ns
    return (target_ns + 1 - past_ns) / NS_PER_S  # past it, not at it


def _refuse_passed(reading: TimeReading, target_ns: int, tolerance_s: float | None) -> None:
    late_s = (reading.earliest_ns - target_ns) / NS_PER_S
    if tolerance_s is not None and late_s > tolerance_s:
        raise MomentError(
            f"time: {iso8601(target_ns)} passed at least {late_s:.6f} s ago, and "
            f"tolerance_seconds is {tolerance_s:g}"
        )


def _not_yet(target_ns: int, remaining_s: float, longest_s: float) -> MomentError:
    return MomentError(
        f"time: {iso8601(target_ns)} is still {remaining_s:.3f} s ahead after {longest_s:g} s; "
        "call wait_until again with the same time to go on waiting"
    )
