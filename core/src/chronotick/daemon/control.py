"""The control socket: status, sources and models for root, the daemon's user and its group.

One JSON object per line in, one per line out: ``{"method": "status"}`` is answered by
``{"ok": true, "result": {...}}`` or ``{"ok": false, "error": "..."}``. Nothing that can be asked
changes anything.

Who may connect is said twice. The socket's permissions keep others out; where they do not (the
moment before they are set, a directory that hands its own group on, an operator's chmod) the
kernel's word on the peer does.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import math
import os
import socket
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chronotick.daemon.peers import may_ask, peer_of

MODE = 0o660
DIRECTORY_MODE = 0o700
LONGEST_REQUEST = 65536
CLIENTS = 32  # at once; more are turned away with a sentence
PATIENCE_S = 60.0  # with a client that neither asks nor reads
GOODBYE_S = 1.0  # for the request of one who is turned away, so that it finds the answer

_PROBE_S = 1.0

_ELSEWHERE = "Choose another place with control.socket in the configuration or CHRONOTICK_CONTROL."

_log = logging.getLogger("chronotick.control")

Method = Callable[[], Any]


class ControlSocketError(Exception):
    """Raised when the control socket cannot be opened; the message says why and what to do."""


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
        self._clients = 0
        self._leaving = 0

    async def start(self) -> None:
        """Open the socket; one left behind by a dead daemon is replaced.

        Raises:
            ControlSocketError: it cannot be made here, or another process listens on it.
        """
        try:
            _make_directory(self._path.parent)
            _refuse_foreign(self._path.parent)
            self._remove_stale()
            self._server = await asyncio.start_unix_server(
                self._serve, self._path, limit=LONGEST_REQUEST
            )
            self._path.chmod(MODE)
        except OSError as error:
            raise ControlSocketError(
                f"control socket {self._path} cannot be opened: {error.strerror or error}. "
                "Choose another with control.socket in the configuration or CHRONOTICK_CONTROL."
            ) from error

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is None:
            return
        self._server.close()
        self._path.unlink(missing_ok=True)
        self._server = None

    def _remove_stale(self) -> None:
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise ControlSocketError(
                f"{self._path} is in the way and is no socket. Move it elsewhere."
            )
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_PROBE_S)  # one that accepts nobody must not hold us up
            if probe.connect_ex(str(self._path)) in {0, errno.EAGAIN}:
                raise ControlSocketError(
                    f"another daemon answers on {self._path}. Stop it, or choose another socket "
                    "with control.socket in the configuration or CHRONOTICK_CONTROL."
                )
        self._path.unlink()

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


def _make_directory(directory: Path) -> None:
    """Make it, and what is missing above it, for this user only: mkdir(parents=True) would not."""
    for missing in [
        each for each in (*reversed(directory.parents), directory) if not each.exists()
    ]:
        missing.mkdir(mode=DIRECTORY_MODE, exist_ok=True)


def _refuse_foreign(directory: Path) -> None:
    """Refuse a directory where somebody else could put a socket in place of ours.

    Raises:
        ControlSocketError: it, or a symbolic link to it, is neither ours nor root's, or everybody
            may write to it and remove what others have put there.
    """
    found = directory.stat()
    for owner in (directory.lstat().st_uid, found.st_uid):
        if owner not in {os.geteuid(), 0}:
            raise ControlSocketError(f"{directory} belongs to user {owner}. {_ELSEWHERE}")
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise ControlSocketError(
            f"everybody may replace files in {directory}. Run: chmod o-w {directory}"
        )
