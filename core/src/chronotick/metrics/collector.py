"""One scrape: asks a daemon for each part, and tells what came of it.

A scrape never fails because of the daemon. What cannot be asked for, or not be understood, is left
out and counted in ``chronotick_scrape_errors``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from chronotick.client.errors import ChronoTickError, DaemonUnavailable
from chronotick.metrics import clock, daemon, models, sources
from chronotick.metrics.families import family
from chronotick.metrics.metric import Metric, counter, gauge
from chronotick.views import Snapshot

_log = logging.getLogger("chronotick.metrics")


@dataclass(frozen=True, slots=True)
class Part:
    """Metrics that are told from one answer.

    Attributes:
        name: value of the label ``part``.
        ask: for the facts.
        metrics: what is told from them.
        over_socket: they come from the control socket.
    """

    name: str
    ask: Callable[[Snapshot], Any]
    metrics: tuple[Metric, ...]
    over_socket: bool = True


@dataclass(slots=True)
class Scrape:
    """What is known of a scrape itself.

    Attributes:
        up: a daemon publishes.
        errors: how much was left out, by part.
        silent: how the control socket failed to answer, if it did.
        retries: reads of the record that were made again.
    """

    up: bool = False
    errors: dict[str, int] = field(default_factory=dict)
    silent: DaemonUnavailable | None = None
    retries: int = 0

    def failed(self, part: Part, error: ChronoTickError) -> None:
        """Note that a part could not be asked for; no error where no daemon runs."""
        unavailable = error if isinstance(error, DaemonUnavailable) else None
        self.errors[part.name] = int(self.up or unavailable is None)
        if part.over_socket:
            self.silent = unavailable


PARTS: tuple[Part, ...] = (
    Part("clock", clock.look, clock.METRICS, over_socket=False),
    Part("status", Snapshot.status, daemon.METRICS),
    Part("sources", Snapshot.sources, sources.METRICS),
    Part("models", Snapshot.models, models.METRICS),
)

OWN: tuple[Metric, ...] = (
    gauge("chronotick_up", "1: a daemon publishes; 0: none does.", lambda scrape: scrape.up),
    gauge(
        "chronotick_scrape_errors",
        "What this scrape had to leave out though a daemon runs, by part.",
        lambda scrape: {(part,): count for part, count in scrape.errors.items()},
        "part",
    ),
    counter(
        "chronotick_record_read_retries_total",
        "Reads of the record that met the daemon while it was writing, and were made again, by the "
        "process that tells this.",
        lambda scrape: scrape.retries,
    ),
)


class DaemonCollector(Collector):
    """Describes a daemon as it is when it is asked to.

    Args:
        snapshot: of the daemon.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Family]:
        """Ask the daemon; yields nothing that is not of this moment."""
        scrape, told = Scrape(), list[Family]()
        for part in PARTS:
            scrape.errors[part.name] = 0
            told += self._part(part, scrape)
        scrape.retries = self._snapshot.clock.retries
        yield from _families("own", OWN, scrape, scrape)
        yield from told

    def _part(self, part: Part, scrape: Scrape) -> Iterator[Family]:
        try:
            if part.over_socket and scrape.silent:
                raise scrape.silent  # a daemon that hangs is waited for once
            facts = part.ask(self._snapshot)
        except ChronoTickError as error:
            scrape.failed(part, error)
        else:
            scrape.up = scrape.up or not part.over_socket
            yield from _families(part.name, part.metrics, facts, scrape)


def _families(
    part: str, metrics: Sequence[Metric], facts: object, scrape: Scrape
) -> Iterator[Family]:
    for metric in metrics:
        samples = _samples(part, metric, facts, scrape)
        if samples is not None:
            yield samples


def _samples(part: str, metric: Metric, facts: object, scrape: Scrape) -> Family | None:
    try:
        return family(metric, metric.read(facts))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other metrics are told
        _log.warning("%s cannot be told: %s: %s", metric.name, type(error).__name__, error)
        scrape.errors[part] += 1
        return None
