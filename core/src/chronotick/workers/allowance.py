"""How much a peer may cause: a token bucket. One that floods us must not cost the clock."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Allowance:
    """A budget that refills steadily up to what may be spent at once. Times are monotonic seconds.

    By default that of messages: an honest peer sends a few of them per forecast, and a forecast is
    asked for every second or less often.

    Attributes:
        now_s: when it was last looked at.
        at_once: what it holds at most, and in the beginning.
        per_second: how fast it refills.
    """

    now_s: float
    at_once: float = 400.0
    per_second: float = 100.0
    left: float = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.at_once

    def spend(self, now_s: float) -> bool:
        """Take one out; false, and nothing taken, when the budget is exhausted."""
        self.left = min(self.at_once, self.left + (now_s - self.now_s) * self.per_second)
        self.now_s = now_s
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True
