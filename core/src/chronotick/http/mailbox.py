"""What waits to be sent to one client: of each kind the newest message, and no other."""

from __future__ import annotations

import asyncio

MOST_WAITING = 32


class Mailbox:
    """Messages for a client that takes them at its own speed."""

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}
        self._filled = asyncio.Event()

    def put(self, kind: str, text: str) -> None:
        """Leave a message; one of the same kind that was not taken is forgotten."""
        self._waiting.pop(kind, None)
        self._waiting[kind] = text
        if len(self._waiting) > MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._filled.set()

    async def take(self) -> list[str]:
        """Wait for messages, and take all of them, in the order in which they were left."""
        await self._filled.wait()
        self._filled.clear()
        texts = list(self._waiting.values())
        self._waiting.clear()
        return texts
