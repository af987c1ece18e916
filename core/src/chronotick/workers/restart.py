"""When a worker that died is started again: full-jitter backoff and a circuit breaker."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_MOST_DOUBLINGS: Final = 32  # a server may be away for months: no float holds 2**1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRules:
    """The numbers of the policy.

    Attributes:
        base_s: mean-defining first delay; the n-th is uniform in (0, base * 2^n], n from 0.
        cap_s: longest delay. Source of the method: M. Brooker, "Exponential Backoff And Jitter",
            AWS Architecture Blog, 2015 ("full jitter").
        crashes: that many crashes ...
        window_s: ... within this time open the breaker: no restarts ...
        open_s: ... until so much later one probe is started.
        proven_answers: real answers after which earlier crashes are forgotten, ...
        proven_s: ... given that the process also lived so long: being alive proves nothing.
    """

    base_s: float = 0.5
    cap_s: float = 60.0
    crashes: int = 3
    window_s: float = 300.0
    open_s: float = 300.0
    proven_answers: int = 5
    proven_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows a crash: wait ``delay_s``, then start; ``open`` says the breaker is."""

    delay_s: float
    open: bool


@dataclass(slots=True)
class RestartPolicy:
    """Counts one worker's crashes and answers. Times are monotonic seconds."""

    rules: RestartRules = field(default_factory=RestartRules)
    uniform: Callable[[float, float], float] = random.uniform
    _crashes: deque[float] = field(default_factory=deque)
    _attempt: int = 0
    _answers: int = 0
    _started_s: float = 0.0

    def started(self, now_s: float) -> None:
        """Note that a process was started."""
        self._started_s = now_s
        self._answers = 0

    def answered(self, now_s: float) -> None:
        """Note a real answer."""
        self._answers += 1
        lived_s = now_s - self._started_s
        if self._answers >= self.rules.proven_answers and lived_s >= self.rules.proven_s:
            self._attempt = 0
            self._crashes.clear()

    def crashed(self, now_s: float, *, retryable: bool = True) -> Verdict:
        """Note a crash and say what follows; one that is not retryable opens the breaker."""
        self._crashes.append(now_s)
        while self._crashes[0] < now_s - self.rules.window_s:
            self._crashes.popleft()
        if not retryable or len(self._crashes) >= self.rules.crashes:
            # The probe after open_s is one more crash inside the window if it fails: the
            # breaker opens again at once.
            self._crashes = deque([now_s + self.rules.open_s] * (self.rules.crashes - 1))
            return Verdict(self.rules.open_s, open=True)
        doublings = min(self._attempt, _MOST_DOUBLINGS)
        ceiling_s = min(self.rules.cap_s, self.rules.base_s * 2**doublings)
        self._attempt += 1
        return Verdict(self.uniform(0.0, ceiling_s), open=False)
