"""The text that Prometheus scrapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import openmetrics
from prometheus_client.exposition import generate_latest

from chronotick.metrics.collector import DaemonCollector
from chronotick.views import Snapshot

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = openmetrics.exposition.CONTENT_TYPE_LATEST
_OPENMETRICS_TYPE: Final = "application/openmetrics-text"


def exposition(snapshot: Snapshot, accept: str = "") -> tuple[bytes, str]:
    """Describe a daemon for Prometheus. Blocks, as the snapshot does: at most some seconds.

    Without a daemon the description says so; it never fails for want of one.

    Args:
        snapshot: of the daemon.
        accept: value of the request's header of that name. OpenMetrics where it is named in it,
            as Prometheus does, and else the older text format.

    Returns:
        Body and content type.
    """
    collector = DaemonCollector(snapshot)
    if _OPENMETRICS_TYPE in accept.lower():
        write: Callable[[DaemonCollector], bytes] = openmetrics.exposition.generate_latest
        return write(collector), OPENMETRICS
    return generate_latest(collector), TEXT
