"""A simulated network path: how long a packet takes each way, and whether it arrives.

A transit is ``minimum + route extra + queue + burst``; the queue is gamma distributed (exponential
for shape 1), and during bursts a lognormal delay comes on top, as on a busy Wi-Fi channel.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from pydantic import Field, model_validator

from chronotick.lab.description import Description, NonNegative, Positive, Probability

NS_PER_S = 1_000_000_000


class Queue(Description):
    """Waiting in queues, gamma distributed: mean ``shape * scale_s``.

    Attributes:
        shape: 1 is an exponential distribution; more queues in a row, a higher shape.
        scale_s: scale of the distribution; 0 is no waiting.
    """

    shape: Positive = 1.0
    scale_s: NonNegative = 0.0


class Bursts(Description):
    """Times of heavy delay, both kinds of time exponentially distributed.

    Attributes:
        fraction: share of time that is a burst.
        mean_duration_s: mean length of a burst.
        median_s: median of the lognormal delay that each packet then has in addition.
        sigma: standard deviation of that delay's logarithm.
    """

    fraction: float = Field(gt=0, lt=1)
    mean_duration_s: Positive
    median_s: Positive
    sigma: NonNegative


class Leg(Description):
    """One direction of a path.

    Attributes:
        minimum_s: delay without any queueing.
        queue: waiting on top of it.
        bursts: more waiting, at times.
        loss: probability that a packet is lost.
    """

    minimum_s: NonNegative = 0.0
    queue: Queue = Queue()
    bursts: Bursts | None = None
    loss: Probability = 0.0


class RouteChange(Description):
    """From `at_s` on (until the next change), packets take another route.

    Attributes:
        at_s: seconds since the start of the world.
        forward_s: what the way to the server takes in addition to the original route.
        backward_s: the same for the way back.
    """

    at_s: NonNegative
    forward_s: NonNegative
    backward_s: NonNegative


class Outage(Description):
    """Between `from_s` and `until_s` (seconds since the start of the world) nothing arrives."""

    from_s: NonNegative
    until_s: Positive

    @model_validator(mode="after")
    def _lasts(self) -> Outage:
        if self.until_s <= self.from_s:
            raise ValueError(f"until_s ({self.until_s:g}) must be after from_s ({self.from_s:g})")
        return self


class PathModel(Description):
    """A path between the client and one server.

    Attributes:
        forward: client to server.
        backward: server to client.
        route_changes: in order of time.
        outages: in any order.
    """

    forward: Leg = Leg()
    backward: Leg = Leg()
    route_changes: tuple[RouteChange, ...] = ()
    outages: tuple[Outage, ...] = ()


@dataclass(frozen=True, slots=True)
class Transit:
    """How long the two packets of one exchange are under way."""

    forward_ns: int
    backward_ns: int


class Path:
    """A path in use. Delays are drawn in the order of the packets of each direction.

    Args:
        model: the path.
        seed: chance; the two directions are independent.
    """

    def __init__(self, model: PathModel, seed: np.random.SeedSequence) -> None:
        self.model = model
        forward, backward = seed.spawn(2)
        self._forward = _Direction(model.forward, forward)
        self._backward = _Direction(model.backward, backward)

    def transit(self, elapsed_s: float) -> Transit | None:
        """One exchange started `elapsed_s` after the start of the world; None when lost."""
        forward_ns, backward_ns = self.forward_ns(elapsed_s), self.backward_ns(elapsed_s)
        if forward_ns is None or backward_ns is None:
            return None
        return Transit(forward_ns, backward_ns)

    def forward_ns(self, elapsed_s: float) -> int | None:
        """How long the next packet takes to the server; None when it is lost."""
        delay_ns = self._forward.delay_ns(elapsed_s)
        if delay_ns is None or self._is_out(elapsed_s):
            return None
        route = self._route(elapsed_s)
        return delay_ns + round(route.forward_s * NS_PER_S) if route else delay_ns

    def backward_ns(self, elapsed_s: float) -> int | None:
        """How long the next packet takes back; None when it is lost."""
        delay_ns = self._backward.delay_ns(elapsed_s)
        if delay_ns is None or self._is_out(elapsed_s):
            return None
        route = self._route(elapsed_s)
        return delay_ns + round(route.backward_s * NS_PER_S) if route else delay_ns

    def _is_out(self, elapsed_s: float) -> bool:
        return any(outage.from_s <= elapsed_s < outage.until_s for outage in self.model.outages)

    def _route(self, elapsed_s: float) -> RouteChange | None:
        past = [change for change in self.model.route_changes if change.at_s <= elapsed_s]
        return past[-1] if past else None


class _Direction:
    """One direction in use."""

    def __init__(self, leg: Leg, seed: np.random.SeedSequence) -> None:
        packets, bursts = seed.spawn(2)
        self._leg = leg
        self._rng = np.random.default_rng(packets)
        self._bursts = _Timeline(leg.bursts, np.random.default_rng(bursts)) if leg.bursts else None

    def delay_ns(self, elapsed_s: float) -> int | None:
        """How long the next packet takes; None when it is lost."""
        leg, rng = self._leg, self._rng
        lost = rng.random() < leg.loss
        delay_s = leg.minimum_s + rng.gamma(leg.queue.shape, leg.queue.scale_s)
        if leg.bursts and self._bursts and self._bursts.is_on(elapsed_s):
            delay_s += leg.bursts.median_s * rng.lognormal(0.0, leg.bursts.sigma)
        return None if lost else round(delay_s * NS_PER_S)


class _Timeline:
    """When the bursts are: a function of time, whenever packets are sent.

    Off and on alternate; edge ``2k`` starts a burst, edge ``2k + 1`` ends it.
    """

    def __init__(self, bursts: Bursts, rng: np.random.Generator) -> None:
        calm_s = bursts.mean_duration_s * (1 - bursts.fraction) / bursts.fraction
        self._mean_s = (bursts.mean_duration_s, calm_s)
        self._rng = rng
        # Exponential lengths have no memory: starting inside a burst is a calm time of no length.
        starts_on = rng.random() < bursts.fraction
        self._edges_s = [0.0 if starts_on else float(rng.exponential(calm_s))]

    def is_on(self, elapsed_s: float) -> bool:
        """Whether there is a burst `elapsed_s` after the start."""
        while self._edges_s[-1] <= elapsed_s:
            mean_s = self._mean_s[(len(self._edges_s) - 1) % 2]
            self._edges_s.append(self._edges_s[-1] + float(self._rng.exponential(mean_s)))
        return bisect_right(self._edges_s, elapsed_s) % 2 == 1
