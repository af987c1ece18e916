"""The one place that knows where metrics come from."""

from __future__ import annotations

from http import HTTPStatus

from chronotick.access.errors import HttpError
from chronotick.views import Snapshot


def exposition(snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    """Describe a daemon for Prometheus. Blocks, as the snapshot does.

    Args:
        snapshot: of the daemon.
        accept: the request's header of that name: which format is wanted.

    Returns:
        Body and content type.

    Raises:
        HttpError: 501: the library that is needed is not installed.
    """
    try:
        from chronotick.metrics import exposition as described
    except ImportError:
        raise HttpError(
            HTTPStatus.NOT_IMPLEMENTED,
            "not_available",
            "this installation has no metrics",
            "Run: pip install 'chronotick[http]'",
        ) from None
    return described(snapshot, accept)
