"""Changing parts of a simulation by name: ``servers.*.path.forward.loss=0.05``."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Any

from chronotick.lab.simulation import Simulation
from chronotick.lab.world import World

EVERY = "*"


def assign(simulation: Simulation, assignments: Iterable[str]) -> Simulation:
    """The simulation with some values replaced.

    Args:
        simulation: what to start from.
        assignments: ``KEY=VALUE``. The key is the place in the description, its parts joined by
            dots; parts of the world need no ``world.`` before them, and ``*`` is every server (or
            cycle, or step). The value is JSON; what is not JSON is text.

    Raises:
        ValueError: no such place, or a value that is not allowed there.
    """
    described = simulation.model_dump(mode="json")
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r} is not KEY=VALUE, as in oscillator.wander=3e-9")
        parts = key.split(".")
        if parts[0] in World.model_fields:
            parts = ["world", *parts]
        _put(described, parts, _value(value), key)
    return Simulation.model_validate(described)


def _value(text: str) -> Any:  # noqa: ANN401 - any JSON type
    try:
        return json.loads(text)
    except ValueError:
        return text


def _put(place: Any, parts: list[str], value: Any, key: str) -> None:  # noqa: ANN401 - any JSON
    name, *rest = parts
    for index in _found(place, name, key):
        if not rest:
            place[index] = value
            continue
        if place[index] is None:  # an option not taken: its parts may be set one by one
            place[index] = _Anything()
        _put(place[index], rest, value, key)


class _Anything(dict[str, Any]):
    """An object whose keys are not known here; pydantic checks them."""


def _found(place: Any, name: str, key: str) -> list[Any]:  # noqa: ANN401 - any JSON type
    """The keys or indices that a part of the name means."""
    if isinstance(place, list):
        return _indices(place, name, key)
    if isinstance(place, _Anything):
        place.setdefault(name, None)
    known = list(place) if isinstance(place, dict) else []
    if name in known:
        return [name]
    if not known:
        raise ValueError(f"{key}: there is nothing below {place!r}, so no {name!r}")
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{key}: {name!r} is not one of {', '.join(known)}.{hint}")


def _indices(place: list[Any], name: str, key: str) -> list[int]:
    if name == EVERY:
        return list(range(len(place)))
    if name.isdecimal() and int(name) < len(place):
        return [int(name)]
    there = f"0 to {len(place) - 1} or {EVERY}" if place else "none: set the whole list"
    raise ValueError(f"{key}: {name!r} is not an item of the list; there are {there}")
