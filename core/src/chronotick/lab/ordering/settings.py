"""How a study of ordering is made."""

from __future__ import annotations

from dataclasses import dataclass

from chronotick.lab.replaying.truth import WARM_UP_S

BOUND = "bound"
"""Name of the level of hard bounds."""
LEAST_S, MOST_S = 1e-6, 0.1
RESOLUTION_S = 1e-9
CONFIDENCES = (0.95, 0.99, 0.999)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that decides a study, beside its nodes and methods.

    Attributes:
        events: pairs of events.
        waits: of them, at how many first events every node is asked, for the commit-wait.
        confidences: of the intervals, two-sided, ascending.
        least_s, most_s: separations in true time, drawn log-uniformly between them.
        warm_up_s: of each node, from its first measurement with known truth on, without events.
        seed: chance.
        bootstrap: resamples of the node pairs; 0: no intervals.
    """

    events: int = 10_000
    waits: int = 2_000
    confidences: tuple[float, ...] = CONFIDENCES
    least_s: float = LEAST_S
    most_s: float = MOST_S
    warm_up_s: float = WARM_UP_S
    seed: int = 0
    bootstrap: int = 1_000

    def __post_init__(self) -> None:
        if self.events < 1 or not 1 <= self.waits <= self.events:
            raise ValueError(
                f"{self.events} events and {self.waits} waits: at least one, and no more waits "
                "than events"
            )
        if not self.confidences or not all(0 < each < 1 for each in self.confidences):
            raise ValueError(f"confidences {self.confidences}: give some between 0 and 1")
        if list(self.confidences) != sorted(set(self.confidences)):
            raise ValueError(f"confidences {self.confidences}: give each once, in ascending order")
        if not RESOLUTION_S <= self.least_s < self.most_s:
            raise ValueError(
                f"separations from {self.least_s:g} to {self.most_s:g} s: from a nanosecond on, "
                "the longest above the shortest"
            )
        if min(self.warm_up_s, self.seed, self.bootstrap) < 0:
            raise ValueError("warm_up_s, seed and bootstrap must not be below 0")

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the intervals: each confidence, and the hard bound."""
        return (*(f"{each:g}" for each in self.confidences), BOUND)

    @property
    def nominal(self) -> tuple[float, ...]:
        """Share of false orders that each level's intervals allow, in the same order."""
        return (*(1.0 - each for each in self.confidences), 0.0)
