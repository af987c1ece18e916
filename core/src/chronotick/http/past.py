"""``/v1/history``: what was, with each time in both forms."""

from __future__ import annotations

from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.types import Receive, Scope, Send

from chronotick.access.errors import unavailable
from chronotick.http.answers import json_bytes, send_json
from chronotick.http.queries import HistoryQuery
from chronotick.views import Past, iso8601

MOST_AT_ONCE = 8  # until the last byte is taken: each may be of several megabytes
MOST_READING = 2

Row = dict[str, Any]


class HistoryAnswers:
    """Tells stretches of a history.

    Args:
        past: the history.
    """

    def __init__(self, past: Past) -> None:
        self._past = past
        self._readers = CapacityLimiter(MOST_READING)
        self._running = 0

    async def __call__(
        self, asked: HistoryQuery, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request.

        Raises:
            HttpError: 503: too many are being answered.
            HistoryUnreadableError: there is no history that can be read.
        """
        del scope, receive
        if self._running >= MOST_AT_ONCE:
            raise unavailable("busy", "too many ask for the history at once", "Ask again.")
        self._running += 1
        try:
            await send_json(send, await run_sync(self._body, asked, limiter=self._readers))
        finally:
            self._running -= 1

    def _body(self, asked: HistoryQuery) -> bytes:
        return json_bytes(told(self._past, asked))


def told(past: Past, asked: HistoryQuery) -> dict[str, Any]:
    """Ask a history.

    Raises:
        HistoryUnreadableError: there is none that can be read.
    """
    found = past.between(asked.from_ns, asked.to_ns, asked.fields.split(","), asked.points)
    return {
        "from_ns": asked.from_ns,
        "from": iso8601(asked.from_ns),
        "to_ns": asked.to_ns,
        "to": iso8601(asked.to_ns),
        "rows": {name: [dated(row) for row in rows] for name, rows in found.items()},
    }


def dated(row: Row) -> Row:
    """Add the time in ISO 8601 to a row that has it in nanoseconds."""
    return {"time_ns": row["time_ns"], "time": iso8601(row["time_ns"]), **row}
