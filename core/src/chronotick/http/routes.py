"""The table of routes: requests are led by it, and the OpenAPI document is made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.types import Receive, Scope, Send

from chronotick.access.errors import HttpError
from chronotick.http import shapes
from chronotick.http.answers import JSON
from chronotick.http.endpoints import Endpoints
from chronotick.http.pages import Pages
from chronotick.http.past import HistoryAnswers
from chronotick.http.queries import HistoryQuery, NoQuery, Query, StreamQuery, TimeQuery
from chronotick.views import TimeReading

STREAM = "/v1/stream"
OPENAPI = "/openapi.json"
FILES = "/static/{name}"

Tell = Callable[[Any, Scope, Receive, Send], Awaitable[None]]
"""Answers a request, whose parameters are the first argument."""


@dataclass(frozen=True)
class Route:
    """What can be asked for at one path.

    Attributes:
        summary: what it answers, in a few words.
        tell: answers.
        query: the type of its parameters.
        answer: the type of its answer, if that is JSON.
        content_type: of the answer.
        open: whether no token is needed, as it holds nothing of the clock.
    """

    summary: str
    tell: Tell
    query: type[Query] = NoQuery
    answer: type[Any] | None = None
    content_type: str = JSON
    open: bool = False


def routes(endpoints: Endpoints, history: HistoryAnswers, pages: Pages) -> dict[str, Route]:
    """Return all routes by path but that of the OpenAPI document, which is made from them."""
    return {
        "/v1/time": Route("The time, and what it is worth", endpoints.time, TimeQuery, TimeReading),
        "/v1/status": Route("The daemon at a glance", endpoints.status, answer=shapes.Status),
        "/v1/sources": Route("Every time server", endpoints.sources, answer=shapes.Sources),
        "/v1/models": Route("Every model", endpoints.models, answer=shapes.Models),
        "/v1/history": Route("What was", history, HistoryQuery, shapes.History),
        STREAM: Route("A WebSocket of all that", _upgrade, StreamQuery),
        "/healthz": Route("This process lives", endpoints.alive, answer=shapes.Alive, open=True),
        "/readyz": Route("Time can be relied on", endpoints.ready, answer=shapes.Ready, open=True),
        "/metrics": Route("For Prometheus", endpoints.metrics, content_type="text/plain"),
        "/": Route("The dashboard", pages, content_type="text/html", open=True),
        FILES: Route("Its files", pages, content_type="*/*", open=True),
    }


def find(table: Mapping[str, Route], path: str) -> Route:
    """Find the route of a path.

    Raises:
        HttpError: 404: there is none; the hint names those that there are.
    """
    found = table.get(path)
    if found is None and path.startswith(FILES.partition("{")[0]):
        found = table[FILES]
    if found is None or path == FILES:
        known = ", ".join(table)
        status = HTTPStatus.NOT_FOUND
        raise HttpError(status, "not_found", "there is no such route", f"There are: {known}.")
    return found


async def _upgrade(query: Query, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer those who ask for the stream without a WebSocket."""
    del query, scope, receive, send
    raise HttpError(
        HTTPStatus.UPGRADE_REQUIRED,
        "upgrade_required",
        "the stream is a WebSocket (version 13)",
        "Open it with a WebSocket client.",
        {"upgrade": "websocket", "connection": "upgrade, close"},
    )
