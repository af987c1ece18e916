"""What each route answers, of one snapshot."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from chronotick.access.errors import unavailable
from chronotick.http.answers import json_bytes, send_answer, send_json
from chronotick.http.exposition import exposition
from chronotick.http.queries import Query, TimeQuery
from chronotick.views import Snapshot

MOST_ASKING = 8  # threads that wait for the daemon

KINDS = ("status", "sources", "models")
"""What is asked of the daemon, by the names of its methods."""


class Endpoints:
    """Answers requests; each method one route.

    Args:
        snapshot: of the daemon.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._askers = CapacityLimiter(MOST_ASKING)

    async def time(self, asked: TimeQuery, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell the time, from shared memory: this never waits for anything."""
        del scope, receive
        await send_json(send, self._snapshot.time(asked.ahead_ns).model_dump_json().encode())

    async def status(self, asked: Query, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell the daemon's status."""
        del asked, scope, receive
        await send_json(send, await self._run(lambda: json_bytes(self._snapshot.status())))

    async def sources(self, asked: Query, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell of every source."""
        del asked, scope, receive
        await send_json(send, await self._run(self._told, "sources"))

    async def models(self, asked: Query, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell of every model."""
        del asked, scope, receive
        await send_json(send, await self._run(self._told, "models"))

    async def metrics(self, asked: Query, scope: Scope, receive: Receive, send: Send) -> None:
        """Describe the daemon for Prometheus."""
        del asked, receive
        accept = Headers(scope=scope).get("accept", "")
        body, content_type = await self._run(exposition, self._snapshot, accept)
        await send_answer(send, HTTPStatus.OK, body, content_type)

    async def alive(self, asked: Query, scope: Scope, receive: Receive, send: Send) -> None:
        """Say that this process lives."""
        del asked, scope, receive
        await send_json(send, b'{"status":"alive"}')

    async def ready(self, asked: Query, scope: Scope, receive: Receive, send: Send) -> None:
        """Say whether the daemon vouches for the time."""
        del asked, scope, receive
        await send_json(send, json_bytes({"status": self._vouched_for()}))

    def _vouched_for(self) -> str:
        reading = self._snapshot.time()
        if not reading.reliable:
            raise unavailable("not_ready", f"the daemon does not vouch for time: {reading.status}")
        return reading.status

    def _told(self, kind: str) -> bytes:
        return json_bytes(state_of(self._snapshot, kind))

    async def _run(self, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 - whatever it returns
        return await run_sync(function, *arguments, limiter=self._askers)


def state_of(snapshot: Snapshot, kind: str) -> dict[str, Any]:
    """Ask the daemon, and put its answer into an object, under its name. Blocks.

    Args:
        snapshot: of the daemon.
        kind: one of :data:`KINDS`.

    Raises:
        DaemonUnavailable, ControlError: as :meth:`chronotick.views.Snapshot.status`.
    """
    return {kind: getattr(snapshot, kind)()}
