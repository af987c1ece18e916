"""What a replay came to."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from chronotick.lab.replaying.estimate import Estimate
from chronotick.lab.replaying.host import VirtualHost
from chronotick.lab.replaying.models import Models
from chronotick.ntp.selection import Reason

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSummary:
    """One source.

    Attributes:
        measurements: answers taken in.
        too_slow: answers that took longer than ``max_delay``.
        reasons: why it was used or not at its answers, in words, counted.
        selected: why it is used or not at the end.
    """

    measurements: int
    too_slow: int
    reasons: dict[str, int]
    selected: Reason

    @property
    def words(self) -> str:
        """Why its answers were used or not, counted."""
        counts = dict(self.reasons)
        if self.too_slow:
            counts["slower than max_delay"] = self.too_slow
        return ", ".join(f"{why} {count}" for why, count in counts.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """One model.

    Attributes:
        where: it ran.
        asked: how often.
        answered: how often it had a forecast.
        scored: forecasts that a measurement judged.
        mean_weight: over all estimates.
    """

    where: str
    asked: int
    answered: int
    scored: int
    mean_weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A whole replay.

    Attributes:
        rows: estimates.
        replayed_s: virtual time that passed.
        wall_s: real time that passed, without what the caller did between estimates.
        statuses: share of the estimates by status.
        steps: how often served time jumped (a new epoch).
        transitions: changes of status: local time in s, the new status, why.
        sources: by name.
        models: by name.
        warnings: what the daemon would have logged as warnings or errors, counted.
    """

    rows: int
    replayed_s: float
    wall_s: float
    statuses: dict[str, float]
    steps: int
    transitions: list[tuple[float, str, str]]
    sources: dict[str, SourceSummary]
    models: dict[str, ModelSummary]
    warnings: dict[str, int]

    @property
    def silence(self) -> str:
        """What became of the answers, source by source, for people."""
        return "; ".join(f"{name}: {told.words}" for name, told in self.sources.items())

    @property
    def speed_up(self) -> float:
        """How much faster than real time it was."""
        return self.replayed_s / self.wall_s if self.wall_s else math.inf


@dataclass(slots=True)
class Tally:
    """Counts while a replay goes on."""

    rows: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    weights: Counter[str] = field(default_factory=Counter)

    def count(self, estimate: Estimate) -> None:
        """Take an estimate in."""
        self.rows += 1
        self.statuses[estimate.status.words] += 1
        for member in estimate.members:
            self.weights[member.model] += member.weight  # type: ignore[assignment] # sums of shares

    def summary(
        self,
        host: VirtualHost,
        models: Models,
        *,
        replayed_s: float,
        wall_s: float,
        shift_ns: int,
        warnings: dict[str, int],
    ) -> Summary:
        """Say what it came to."""
        rows = max(self.rows, 1)
        return Summary(
            rows=self.rows,
            replayed_s=replayed_s,
            wall_s=wall_s,
            statuses={status: count / rows for status, count in self.statuses.items()},
            steps=host.served.steps,
            transitions=[
                ((each.raw_ns - shift_ns) / NS_PER_S, each.after.words, each.reason)
                for each in host.transitions
            ],
            sources=_sources(host),
            models={
                name: ModelSummary(
                    where=told["where"],
                    asked=told.get("requests", 0),
                    answered=told.get("answers", 0),
                    scored=host.memory.scores[name],
                    mean_weight=self.weights[name] / rows,
                )
                for name, told in models.report().items()
            },
            warnings=warnings,
        )


def _sources(host: VirtualHost) -> dict[str, SourceSummary]:
    reasons, too_slow = host.sources.reasons, host.sources.too_slow
    final = host.sources.selected().reasons
    return {
        source: SourceSummary(
            measurements=reasons.get(source, Counter()).total(),
            too_slow=too_slow[source],
            reasons={why.words: count for why, count in reasons.get(source, Counter()).items()},
            selected=final.get(source, Reason.NOT_MEASURED),
        )
        for source in dict.fromkeys([*reasons, *too_slow])
    }
