"""Events as the nodes of a study stamp them by one method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.ordering.estimates import Method
from chronotick.lab.ordering.events import Events, Numbers
from chronotick.lab.ordering.nodes import Node
from chronotick.lab.ordering.settings import Settings
from chronotick.lab.ordering.truetime import Instants, Vector

AnyArray = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stamps:
    """Corrected times of instants.

    Attributes:
        time_ns: local clock and estimated offset, int64 [...].
        error_ns: that less true time, [...].
        half_ns: half-widths of its intervals, [..., levels]; infinite where there is none.
    """

    time_ns: Instants
    error_ns: Vector
    half_ns: Vector

    def part(self, which: slice | Numbers) -> Stamps:
        """Some of them."""
        return Stamps(
            time_ns=self.time_ns[which],
            error_ns=self.error_ns[which],
            half_ns=self.half_ns[which],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stamped:
    """All stamps of a study by one method.

    Attributes:
        first, second: of the events that are really earlier and later, [events].
        everywhere: every node's, of the first ``waits`` earlier events, [nodes, waits].
    """

    first: Stamps
    second: Stamps
    everywhere: Stamps

    @property
    def gap_ns(self) -> Vector:
        """By how much the later event is stamped later, [events]."""
        return (self.second.time_ns - self.first.time_ns).astype(np.float64)


def stamped(
    method: Method,
    nodes: Sequence[Node],
    events: Events,
    settings: Settings,
    asking: Callable[[str], object] = lambda _node: None,
) -> Stamped:
    """Have the nodes stamp their events, and the instants of all waits.

    Args:
        method: how each knows the time.
        nodes: they.
        events: they.
        settings: of the study.
        asking: is told the name of each node before it is asked.
    """
    own, numbers, waiting = [], [], []
    for index, node in enumerate(nodes):
        asking(node.name)
        first = np.flatnonzero(events.first_node == index)
        second = np.flatnonzero(events.second_node == index)
        waits_ns = events.first_ns[: settings.waits]
        times = [events.first_ns[first], events.second_ns[second], waits_ns]
        stamps = _of_node(method, node, np.concatenate(times), settings)
        own.append(stamps.part(slice(None, -settings.waits)))
        waiting.append(stamps.part(slice(-settings.waits, None)))
        numbers += [first, second + settings.events]
    joined = _joined(own, np.concatenate).part(np.argsort(np.concatenate(numbers)))
    return Stamped(
        first=joined.part(slice(None, settings.events)),
        second=joined.part(slice(settings.events, None)),
        everywhere=_joined(waiting, np.stack),
    )


def _of_node(method: Method, node: Node, true_ns: Instants, settings: Settings) -> Stamps:
    local_ns = node.truth.local_at(true_ns)
    instants, place = np.unique(local_ns, return_inverse=True)
    told = method(node, instants, settings.confidences)
    time_ns = local_ns + told.offset_ns[place]
    error_ns = (time_ns - true_ns).astype(np.float64)
    return Stamps(time_ns=time_ns, error_ns=error_ns, half_ns=told.half_ns[place])


def _joined(parts: Sequence[Stamps], join: Callable[[list[AnyArray]], AnyArray]) -> Stamps:
    return Stamps(
        time_ns=join([each.time_ns for each in parts]),
        error_ns=join([each.error_ns for each in parts]),
        half_ns=join([each.half_ns for each in parts]),
    )
