"""Worlds of the scenarios: hosts behind networks with three to six servers."""

from __future__ import annotations

from typing import Any

from chronotick.lab.network import Leg, Outage, PathModel, Queue
from chronotick.lab.world import World

MIXED_UP = 1
"""Of the presets' draws: which routes there are. What a run is seeded with changes the rest."""


def world(preset: str = "wan-host", servers: int = 4, **oscillator: Any) -> World:  # noqa: ANN401
    """A world of honest servers.

    Args:
        preset: as :meth:`World.from_preset` takes it.
        servers: how many there are.
        oscillator: attributes of the oscillator that are otherwise.
    """
    found = World.from_preset(preset, servers=servers, seed=MIXED_UP)
    changed = type(found.oscillator).model_validate(dict(found.oscillator) | oscillator)
    return found.model_copy(update={"oscillator": changed})


def with_servers(found: World, numbers: range | tuple[int, ...], **behaviour: Any) -> World:  # noqa: ANN401
    """The world with some servers that behave otherwise.

    Args:
        found: the world.
        numbers: of the servers.
        behaviour: attributes of :class:`chronotick.lab.world.ServerModel`.
    """
    servers = [
        type(server).model_validate(dict(server) | (behaviour if number in numbers else {}))
        for number, server in enumerate(found.servers)
    ]
    return found.model_copy(update={"servers": tuple(servers)})


def with_paths(found: World, numbers: range | tuple[int, ...], **changes: Any) -> World:  # noqa: ANN401
    """The world with other paths to some servers.

    Args:
        found: the world.
        numbers: of the servers.
        changes: attributes of :class:`chronotick.lab.network.PathModel`.
    """
    for number in numbers:
        path = dict(found.servers[number].path) | changes
        found = with_servers(found, (number,), path=PathModel.model_validate(path))
    return found


def silent(from_s: float, until_s: float) -> Outage:
    """Nothing arrives between two instants."""
    return Outage(from_s=from_s, until_s=until_s)


def leg(minimum_s: float, queue_s: float = 0.0, loss: float = 0.0) -> Leg:
    """One direction, with an exponential queue."""
    return Leg(minimum_s=minimum_s, queue=Queue(scale_s=queue_s), loss=loss)
