"""When a simulated client asks: the daemon's own poll intervals, with chance that has a seed."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import Field, model_validator

from chronotick.lab.description import Description, Interval, NonNegative, Positive, Probability
from chronotick.lab.network import NS_PER_S
from chronotick.lab.world import Exchange, LiveWorld
from chronotick.ntp.poll import Poll, PollLimits

FIT_REPLIES = 8
FEWEST_REPLIES = 4
RESOLUTION_S = 1e-9
CHANCE = 3
"""Spawn key of the polls' random streams; 0 is the oscillator's, 1 the paths', 2 the preset's."""


class Polling(Description):
    """How a client asks its servers.

    The defaults are the habits of the recorded simulations, which are chrony's with ``iburst``.

    Attributes:
        interval_s: pause between two questions to a server, the shortest one if adaptive.
        maximum_s: longest pause: the interval adapts as the daemon's does (`chronotick.ntp.poll`);
            None keeps it as it is.
        jitter: each pause is longer by a random share of itself, up to this.
        burst: questions are asked quickly until so many were answered; 0 is no burst.
        burst_interval_s: pause between those.
        start_s: when the first server is asked first.
        stagger_s: how much later each further server is.
    """

    interval_s: Interval = 64.0
    maximum_s: Positive | None = None
    jitter: Probability = 0.02
    burst: int = Field(default=4, ge=0)
    burst_interval_s: Interval = 2.0
    start_s: NonNegative = 0.2
    stagger_s: NonNegative = 0.2

    @model_validator(mode="after")
    def _in_order(self) -> Polling:
        if self.maximum_s is not None and self.maximum_s < self.interval_s:
            raise ValueError(
                f"maximum_s ({self.maximum_s:g}) must not be below interval_s ({self.interval_s:g})"
            )
        return self

    @property
    def limits(self) -> PollLimits:
        """The same in the daemon's terms."""
        return PollLimits(
            minimum_s=self.interval_s,
            maximum_s=self.maximum_s or self.interval_s,
            burst_s=self.burst_interval_s,
            burst_replies=self.burst,
        )


def exchanges(
    live: LiveWorld, server: int, polling: Polling, duration_s: float
) -> Iterator[Exchange | None]:
    """Ask one server from the start of a world on, for `duration_s`; None is a lost question."""
    rng = np.random.default_rng(np.random.SeedSequence(live.world.seed, spawn_key=(CHANCE, server)))
    poll, prediction = Poll(polling.limits, burst=polling.burst > 0), Prediction()
    asked_s = polling.start_s + server * polling.stagger_s
    while asked_s < duration_s:
        exchange = live.exchange(server, live.world.start_raw_ns + round(asked_s * NS_PER_S))
        yield exchange
        if exchange is None:
            poll.failed()
        else:
            poll.replied()
            if polling.maximum_s is not None:
                middle_ns, offset_ns = live.seen(exchange)
                poll.feedback(prediction.innovation(middle_ns / NS_PER_S, offset_ns / NS_PER_S))
        asked_s += poll.interval_s * (1 + polling.jitter * float(rng.random()))


class Prediction:
    """How well a straight line through a server's last replies predicts the next one.

    It is deliberately not the daemon's estimator: a world must not depend on who measures it, nor
    change when the estimator does.
    """

    def __init__(self) -> None:
        self._replies: deque[tuple[float, float]] = deque(maxlen=FIT_REPLIES)

    def innovation(self, at_s: float, offset_s: float) -> float:
        """Predict a reply from those before, then learn from it.

        Args:
            at_s: local time of the reply.
            offset_s: what it says.

        Returns:
            Its innovation in standard deviations of the replies around their line (n - 2 degrees
            of freedom); infinite for the first few, of which nothing can be said.
        """
        line = self._line()
        self._replies.append((at_s, offset_s))
        if line is None:
            return math.inf
        return (offset_s - line.at_s(at_s)) / max(line.noise_s, RESOLUTION_S)

    def residual_s(self, at_s: float, offset_s: float) -> float | None:
        """Like `innovation`, but in seconds; None for the first few replies."""
        line = self._line()
        self._replies.append((at_s, offset_s))
        return None if line is None else offset_s - line.at_s(at_s)

    def _line(self) -> _Line | None:
        if len(self._replies) < FEWEST_REPLIES:
            return None
        times_s, offsets_s = np.array(self._replies).T
        mid_s, mean_s = float(times_s.mean()), float(offsets_s.mean())
        from_mid_s, from_mean_s = times_s - mid_s, offsets_s - mean_s
        slope = float(from_mid_s @ from_mean_s / (from_mid_s @ from_mid_s))
        residuals_s = from_mean_s - slope * from_mid_s
        noise_s = math.sqrt(residuals_s @ residuals_s / (len(times_s) - 2))
        return _Line(mid_s, mean_s, slope, noise_s)


@dataclass(frozen=True, slots=True)
class _Line:
    """A straight line, and how far the points were from it."""

    mid_s: float
    mean_s: float
    slope: float
    noise_s: float

    def at_s(self, time_s: float) -> float:
        return self.mean_s + self.slope * (time_s - self.mid_s)
