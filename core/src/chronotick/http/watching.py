"""Watching the daemon for all clients of the stream: its answers, and its changes of state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from anyio.to_thread import run_sync

from chronotick.http.answers import json_bytes
from chronotick.http.endpoints import KINDS, state_of
from chronotick.http.past import dated
from chronotick.http.problems import http_error
from chronotick.views import Past, Snapshot
from chronotick.views.snapshot import MAX_AGE_S

EVERY_S = 2.0
_FOREVER_NS = 1 << 62

Tell = Callable[[str, str], None]
"""Is told the kind of a message, and the message."""


class Watch:
    """Asks the daemon in turn, and tells what it says.

    Args:
        snapshot: of the daemon.
        past: its history.
    """

    def __init__(self, snapshot: Snapshot, past: Past) -> None:
        self._snapshot, self._past = snapshot, past
        self._changed = asyncio.Event()
        self._told_ns: int | None = None
        self.newest: dict[str, str] = {}

    def hurry(self) -> None:
        """Have the daemon asked soon, as its status has changed."""
        self._changed.set()

    async def run(self, tell: Tell) -> None:
        """Tell until cancelled."""
        self.newest.clear()
        self._told_ns = None
        while True:
            for kind in KINDS:
                self.newest[kind] = await run_sync(self._state, kind)
                tell(kind, self.newest[kind])
            for kind, text in await run_sync(self._changes):
                tell(kind, text)
            await self._pause()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), EVERY_S)
        except (TimeoutError, asyncio.TimeoutError):
            return
        self._changed.clear()
        await asyncio.sleep(MAX_AGE_S)  # until then the snapshot tells what was before

    def _state(self, kind: str) -> str:
        try:
            return message(kind, state_of(self._snapshot, kind))
        except Exception as error:  # noqa: BLE001 - clients are told, and watching goes on
            return error_message(kind, error)

    def _changes(self) -> list[tuple[str, str]]:
        """Messages of changes of state that nobody was told; at first of none."""
        since_ns = self._told_ns
        try:
            found = self._past.between(since_ns or 0, _FOREVER_NS, ("transitions",), points=1)
            changes = [dated(each) for each in found["transitions"]]
        except Exception as error:  # noqa: BLE001 - it is in the log, and watching goes on
            http_error(error)
            return []
        self._told_ns = max([since_ns or 0, *(each["time_ns"] + 1 for each in changes)])
        told = changes if since_ns is not None else []
        return [(f"transition {each['time_ns']}", message("transition", each)) for each in told]


def message(kind: str, content: dict[str, Any]) -> str:
    """One message of the stream."""
    return json_bytes({"type": kind, **content}).decode()


def error_message(about: str, error: Exception) -> str:
    """The message that stands for one which cannot be made."""
    problem = http_error(error).problem
    return message("error", {"about": about, "error": problem.model_dump()})
