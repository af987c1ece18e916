"""When a model in a worker may be asked again: decided from what its answers really took.

Pure: whoever drives it says what time it is. All times are seconds of one monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

LONGEST_PAUSE_S: Final = 600.0  # after missed deadlines: a model is asked less, never forgotten


@dataclass(slots=True)
class Pace:
    """Rations one worker among the loops that share it.

    Two rules. *Duty*: after a question that kept the worker busy for L seconds it is left alone
    until the question has used no more than ``max_duty`` of a core over the whole time, that is
    for L * (threads / max_duty - 1). *Misses*: a loop whose deadline was missed pauses for twice
    its interval, then four times, and so on up to ten minutes; the other loop, whose deadline may
    be longer, does not.

    Attributes:
        max_duty: share of one core the worker may use in the long run.
        threads: how many cores it uses while it computes.
    """

    max_duty: float
    threads: int = 1
    _free_s: float = float("-inf")
    _allowed_s: dict[str, float] = field(default_factory=dict)
    _misses: dict[str, int] = field(default_factory=dict)

    def wait_s(self, loop: str, now_s: float) -> float:
        """How long this loop has to wait because it missed deadlines; 0: not at all."""
        return max(0.0, self._allowed_s.get(loop, now_s) - now_s)

    def rest_s(self, now_s: float) -> float:
        """How long the worker has to be left alone by everybody; 0: it may be asked."""
        return max(0.0, self._free_s - now_s)

    def busy(self, from_s: float, to_s: float) -> None:
        """Note that a question, answered or not, kept the worker busy for so long."""
        rest_s = max(0.0, to_s - from_s) * max(0.0, self.threads / self.max_duty - 1.0)
        self._free_s = max(self._free_s, to_s + rest_s)

    def answered(self, loop: str) -> None:
        """Note an answer in time: earlier misses of this loop are forgiven."""
        self._misses.pop(loop, None)
        self._allowed_s.pop(loop, None)

    def missed(self, loop: str, now_s: float, interval_s: float) -> None:
        """Note a missed deadline of a loop that asks every ``interval_s``."""
        misses = self._misses[loop] = self._misses.get(loop, 0) + 1
        # 2.0**1024 is no float any more; the limit is reached long before.
        pause_s = min(interval_s * 2.0 ** min(misses, 64), max(LONGEST_PAUSE_S, interval_s))
        self._allowed_s[loop] = now_s + pause_s

    def misses(self, loop: str) -> int:
        """How many deadlines of this loop were missed in a row."""
        return self._misses.get(loop, 0)
