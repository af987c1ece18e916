"""A study: nodes, methods, the same events for all of them, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from chronotick.lab.ordering.estimates import Method
from chronotick.lab.ordering.events import Events, draw_events
from chronotick.lab.ordering.nodes import Node, check_nodes
from chronotick.lab.ordering.scores import IntervalScore, PointScore, Scoring, separations
from chronotick.lab.ordering.settings import Settings
from chronotick.lab.ordering.stamps import Stamped, stamped
from chronotick.lab.ordering.verdicts import verdicts

FEW_PAIRS = 10

Progress = Callable[[str, str], object]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """What came out.

    Attributes:
        nodes: of whom.
        settings: how.
        span_ns: true time in which the events lie.
        events: they.
        stamped: their stamps, by method.
        points: scores of stamps alone, one for each method.
        intervals: scores of intervals, one for each method and level.
        notes: what limits the result, in sentences.
    """

    nodes: tuple[Node, ...]
    settings: Settings
    span_ns: tuple[int, int]
    events: Events
    stamped: Mapping[str, Stamped]
    points: tuple[PointScore, ...]
    intervals: tuple[IntervalScore, ...]
    notes: tuple[str, ...]

    @property
    def separations_s(self) -> tuple[float, ...]:
        """Limits of the bins of separation."""
        return separations(self.settings)

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods."""
        return tuple(self.stamped)

    def score(self, method: str, level: str) -> IntervalScore:
        """The score of a method's intervals of a level.

        Raises:
            KeyError: there is none.
        """
        for each in self.intervals:
            if (each.method, each.level) == (method, level):
                return each
        raise KeyError(f"{method}, {level}: methods are {self.methods}, levels {self.levels}")

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the levels."""
        return self.settings.levels

    def as_dict(self) -> dict[str, Any]:
        """Everything but the single events, as JSON types; what is infinite or NaN is ``None``."""
        told = {
            "nodes": [_told(node) for node in self.nodes],
            "settings": asdict(self.settings),
            "span_s": [each * 1e-9 for each in self.span_ns],
            "pairs": len(self.events.pairs),
            "separations_s": self.separations_s,
            "points": [asdict(each) for each in self.points],
            "intervals": [asdict(each) for each in self.intervals],
            "notes": self.notes,
        }
        finite: dict[str, Any] = _finite(told)
        return finite


def order(
    nodes: Sequence[Node],
    methods: Mapping[str, Method],
    settings: Settings | None = None,
    progress: Progress = lambda _method, _node: None,
) -> Study:
    """Have nodes stamp events, and decide their order from what each knew.

    Args:
        nodes: at least two.
        methods: how a node knows the time, by name.
        settings: how the study is made.
        progress: is told method and node before each is asked.

    Raises:
        OrderingError: the nodes cannot be compared.
        ModelUnavailableError: a model of the daemon's cannot be started, or died.
        NothingToReplayError: a node has no measurement before its events.
    """
    settings = settings or Settings()
    span_ns = check_nodes(nodes, settings.warm_up_s)
    events = draw_events(len(nodes), span_ns, settings)
    scoring = Scoring(events, [node.name for node in nodes], settings)
    made, points, intervals = {}, [], []
    for name, method in methods.items():
        made[name] = stamped(method, nodes, events, settings, partial(progress, name))
        points.append(scoring.points(name, made[name]))
        for index, level in enumerate(settings.levels):
            judged = verdicts(made[name], index)
            nominal = settings.nominal[index]
            intervals.append(scoring.intervals(name, level, nominal, judged))
    return Study(
        nodes=tuple(nodes),
        settings=settings,
        span_ns=span_ns,
        events=events,
        stamped=made,
        points=tuple(points),
        intervals=tuple(intervals),
        notes=(*_few_pairs(events), *_without_intervals(made, settings)),
    )


def _few_pairs(events: Events) -> list[str]:
    count = len(events.pairs)
    if count == 1:
        return ["one pair of nodes: no bootstrap intervals"]
    if count < FEW_PAIRS:
        shared = f"{count} pairs, and they have nodes in common: bootstrap intervals say how these"
        return [f"{shared} nodes differ, not how others would"]
    return []


def _without_intervals(made: Mapping[str, Stamped], settings: Settings) -> list[str]:
    notes = []
    for method, stamps in made.items():
        infinite = np.isinf(stamps.first.half_ns).mean(axis=0)
        levels: dict[str, list[str]] = {}  # by the share of stamps, as it is told
        for level, share in zip(settings.levels, infinite, strict=True):
            if share:
                levels.setdefault(f"{share:.1%}", []).append(level)
        notes += [
            f"{method}: {share} of the stamps have no interval of level {', '.join(those)}"
            for share, those in levels.items()
        ]
    return notes


def _told(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "path": node.recording.path,
        "measurements": len(node.recording.arrivals),
        "sources": len(node.recording.counts),
        "span_s": [each * 1e-9 for each in node.seen_ns],
    }


def _finite(value: Any) -> Any:  # noqa: ANN401 - JSON types, nested
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value if not isinstance(value, float) or np.isfinite(value) else None
