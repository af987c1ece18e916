"""The control socket: status, sources and models for root, the daemon's user and its group.

One JSON object per line in, one per line out: ``{"method": "status"}`` is answered by
``{"ok": true, "result": {...}}`` or ``{"ok": false, "error": "..."}``. Nothing that can be asked
changes anything.

Who may connect is said twice. The socket's permissions keep others out; where they do not (the
moment before they are set, a directory that hands its own group on, an operator's chmod) the
kernel's word on the peer does.

A socket that somebody removes (logind does, with the rest of the user's runtime directory) is made
anew: see :meth:`ControlServer.watch`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chronotick.daemon.listening import ControlSocketError, Listening, listen
from chronotick.daemon.peers import may_ask, peer_of

__all__ = ["ControlServer", "ControlSocketError", "json_ready"]

LONGEST_REQUEST = 65536
CLIENTS = 32  # at once; more are turned away with a sentence
PATIENCE_S = 60.0  # with a client that neither asks nor reads
GOODBYE_S = 1.0  # for the request of one who is turned away, so that it finds the answer
LOOK_PERIOD_S = 1.0  # how often the socket is looked after

_log = logging.getLogger("chronotick.control")

Method = Callable[[], Any]


class ControlServer:
    """Answers requests from functions that return JSON types.

    Args:
        path: where the socket is made; its directory is made too, for this user only.
        methods: what can be asked for.
        patience_s: how long a client may neither ask nor read before it is cut off.

    Attributes:
        refused: how many connections were not answered for who they came from.
    """

    def __init__(
        self, path: Path, methods: Mapping[str, Method], patience_s: float = PATIENCE_S
    ) -> None:
        self.refused = 0
        self._path = path
        self._methods = methods
        self._patience_s = patience_s
        self._server: asyncio.AbstractServer | None = None
        self._listening: Listening | None = None
        self._trouble = ""
        self._clients = 0
        self._leaving = 0

    async def start(self) -> None:
        """Open the socket; one left behind by a dead daemon is replaced.

        Raises:
            ControlSocketError: it cannot be made here, or another process listens on it.
        """
        await self._answer_on(listen(self._path))

    async def watch(self) -> None:
        """Look after the socket each second until cancelled: :meth:`ensure_in_place`."""
        while True:
            await asyncio.sleep(LOOK_PERIOD_S)
            await self.ensure_in_place()

    async def ensure_in_place(self) -> bool:
        """Make the socket anew if somebody removed it; return whether that was so.

        (logind does it when the daemon's user logs out.) Its directory is made anew as well, with
        the mode it had. Who is connected stays so. What stands in its place is told of once and
        left alone, but for a socket that nobody listens on. Files are touched in a thread: a disk
        may be slow, and the event loop has a clock to keep.
        """
        try:
            listening = await asyncio.to_thread(self._listen_anew)
            if listening is not None:
                await self._answer_on(listening)
        except (ControlSocketError, OSError) as error:
            self._tell(str(error))
            return False
        except (MemoryError, RuntimeError) as error:  # RuntimeError: no thread can be started
            _log.debug("the control socket was not looked after: %s", error)
            return False
        self._trouble = ""
        if listening is None:
            return False
        _log.warning("the control socket had been removed by someone; it was made anew")
        return True

    async def close(self) -> None:
        """Stop listening and remove the socket, but nothing that stands in its place."""
        if self._server is None or self._listening is None:
            return
        if self._listening.is_in_place():
            self._path.unlink(missing_ok=True)
        self._server.close()
        self._server = self._listening = None

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            _log.warning("the control socket is gone, and is made anew when it can be: %s", trouble)

    def _listen_anew(self) -> Listening | None:
        """Listen again where nobody reaches the present socket; ``None`` where it is in place."""
        if self._listening is None:
            return listen(self._path)
        if self._listening.is_in_place():
            return None
        return listen(self._path, self._listening.directory_mode)

    async def _answer_on(self, listening: Listening) -> None:
        """Answer on this socket, and no longer on the one before."""
        try:
            server = await asyncio.start_unix_server(
                self._serve, sock=listening.socket, limit=LONGEST_REQUEST
            )
        except BaseException:
            listening.socket.close()
            raise
        if self._server is not None:
            self._server.close()
        self._server, self._listening = server, listening

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            refusal = self._refusal(writer)
            if refusal:
                await self._turn_away(reader, writer, refusal)
            else:
                await self._converse(reader, writer)
        except asyncio.TimeoutError:
            _log.debug("a client of the control socket neither asked nor read: cut off")
            writer.transport.abort()  # to close would wait for it to read
        except (OSError, ValueError) as error:  # ValueError: a line beyond the limit
            _log.debug("a client of the control socket went away: %s", error)
        finally:
            writer.close()

    def _refusal(self, writer: asyncio.StreamWriter) -> str:
        """Why a client is not answered, empty if it is."""
        peer = peer_of(writer.get_extra_info("socket"))
        if peer is not None and not may_ask(peer):
            self.refused += 1
            _log.warning("refused on the control socket: %s", peer)
            return (
                f"user {peer.uid} may not ask this daemon: root, its own user ({os.geteuid()}) "
                f"and members of its group ({os.getegid()}) may"
            )
        if self._clients >= CLIENTS:
            return f"more than {CLIENTS} clients at once, try again"
        return ""

    async def _turn_away(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, refusal: str
    ) -> None:
        writer.write(_line({"ok": False, "error": refusal}))
        if self._leaving >= CLIENTS:  # a crowd: descriptors are worth more than manners
            return
        self._leaving += 1
        try:
            await asyncio.wait_for(reader.readline(), GOODBYE_S)
        finally:
            self._leaving -= 1

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            while line := await asyncio.wait_for(reader.readline(), self._patience_s):
                writer.write(_line(self._answer(line)))
                await asyncio.wait_for(writer.drain(), self._patience_s)
        finally:
            self._clients -= 1

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            name = request["method"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return {"ok": False, "error": 'expected a line like {"method": "status"}'}
        method = self._methods.get(name) if isinstance(name, str) else None
        if method is None:
            known = ", ".join(sorted(self._methods))
            return {"ok": False, "error": f"unknown method {str(name)[:80]!r}; there are: {known}"}
        try:
            return {"ok": True, "result": json_ready(method())}
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            _log.exception("%s could not be answered", name)
            return {"ok": False, "error": f"{name} could not be answered: {error!r}"}


def json_ready(value: Any) -> Any:  # noqa: ANN401 - any JSON type
    """Return a value with NaN and infinities, which JSON does not know, as ``None``."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _line(answer: Mapping[str, Any]) -> bytes:
    return json.dumps(answer).encode() + b"\n"
