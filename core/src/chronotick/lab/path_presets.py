"""Named kinds of network path, with the numbers of the recorded simulations.

Each preset draws a `PathModel`, because every server of a world has a route of its own. The drawn
numbers end up in the world's description, so nothing is left to chance afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from chronotick.lab.network import Bursts, Leg, PathModel, Queue

PathPreset = Callable[[np.random.Generator, int], PathModel]
"""Draws the path to server number n (0 is the first) of a world."""

ROUTE_ASYMMETRY = 0.02
"""Standard deviation of half the difference between the two ways, as a fraction of the RTT."""
WAN_LOSS = 0.001
"""Each way: of 22,780 questions in the recorded WAN worlds, 38 went unanswered."""


def _loopback(_rng: np.random.Generator, _index: int) -> PathModel:
    """Nothing but the real path that the packets take."""
    return PathModel()


def _dc(rng: np.random.Generator, index: int) -> PathModel:
    """A data centre: 80 us each way (up to 120 us for further servers) and exp(20 us)."""
    minimum_s = 80e-6 if index == 0 else rng.uniform(80e-6, 120e-6)
    leg = Leg(minimum_s=minimum_s, queue=Queue(scale_s=20e-6))
    return PathModel(forward=leg, backward=leg)


def _wan(rng: np.random.Generator, _index: int) -> PathModel:
    """RTT 10 to 40 ms, routes asymmetric by N(0, 2 % RTT), gamma queues out, exponential back."""
    rtt_s = rng.uniform(10e-3, 40e-3)
    asymmetry = float(np.clip(rng.normal(0.0, ROUTE_ASYMMETRY), -0.4, 0.4))
    out, back = Queue(shape=2.0, scale_s=1e-3), Queue(scale_s=1e-3)
    return PathModel(
        forward=Leg(minimum_s=rtt_s * (0.5 + asymmetry), queue=out, loss=WAN_LOSS),
        backward=Leg(minimum_s=rtt_s * (0.5 - asymmetry), queue=back, loss=WAN_LOSS),
    )


def _wans(rng: np.random.Generator, _index: int) -> PathModel:
    """A symmetric WAN: RTT 10 to 40 ms, the same gamma queues both ways."""
    rtt_s = rng.uniform(10e-3, 40e-3)
    leg = Leg(minimum_s=rtt_s / 2, queue=Queue(shape=1.5, scale_s=1e-3))
    return PathModel(forward=leg, backward=leg)


def _wifi(rng: np.random.Generator, index: int) -> PathModel:
    """RTT 5 ms (10 to 22 ms for further servers), bursts of lognormal(8.5 ms), 1.8 % loss."""
    rtt_s = 5e-3 if index == 0 else rng.uniform(10e-3, 22e-3)
    leg = Leg(
        minimum_s=rtt_s / 2,
        queue=Queue(scale_s=1e-3),
        bursts=Bursts(fraction=0.147, mean_duration_s=320.0, median_s=8.5e-3, sigma=1.2),
        loss=0.009,
    )
    return PathModel(forward=leg, backward=leg)


PATHS: MappingProxyType[str, PathPreset] = MappingProxyType(
    {"loopback": _loopback, "dc": _dc, "wan": _wan, "wans": _wans, "wifi": _wifi}
)
