"""What the monitor looks at in one glance: the record, and what the daemon answers."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from chronotick.client.errors import ChronoTickError
from chronotick.views.reading import TimeReading
from chronotick.views.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the daemon says of itself.

    Attributes:
        status: as ``chronotick status --json`` prints it.
        sources: every time server.
        models: every model by name.
    """

    status: dict[str, Any] = field(default_factory=dict)
    sources: tuple[dict[str, Any], ...] = ()
    models: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One glance.

    Attributes:
        at_s: when, on the monotonic clock (s).
        time: the served time; ``None`` where there is none.
        problem: why there is none.
        answers: what the daemon says; ``None`` where it does not answer.
        silence: why it does not.
    """

    at_s: float
    time: TimeReading | None = None
    problem: str = ""
    answers: Answers | None = None
    silence: str = ""


def observe(snapshot: Snapshot) -> Observation:
    """Look once. Blocks for as long as the daemon takes to answer, at most some seconds."""
    told: TimeReading | None = None
    answers: Answers | None = None
    problem = silence = ""
    try:
        answers = Answers(
            status=snapshot.status(),
            sources=tuple(snapshot.sources()),
            models=snapshot.models(),
        )
    except ChronoTickError as error:
        silence = str(error)
    try:
        told = snapshot.time()  # last: it is what must be new when it is shown
    except ChronoTickError as error:
        problem = str(error)
    return Observation(
        at_s=time.monotonic(), time=told, problem=problem, answers=answers, silence=silence
    )
