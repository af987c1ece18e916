"""How many messages a peer may send: a token bucket. One that floods us must not cost the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

_PER_SECOND: Final = 100.0
_AT_ONCE: Final = 400.0


@dataclass(slots=True)
class Allowance:
    """A budget that refills at 100 messages per second up to 400. Times are monotonic seconds.

    An honest peer sends a few messages per forecast, and a forecast is asked for every second or
    less often.
    """

    now_s: float
    left: float = field(default=_AT_ONCE)

    def spend(self, now_s: float) -> bool:
        """Take one message out; false when the budget is exhausted."""
        self.left = min(_AT_ONCE, self.left + (now_s - self.now_s) * _PER_SECOND)
        self.now_s = now_s
        self.left -= 1.0
        return self.left >= 0.0
