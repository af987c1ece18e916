"""The control socket: status, sources and models for whoever may open it.

One JSON object per line in, one per line out: ``{"method": "status"}`` is answered by
``{"ok": true, "result": {...}}`` or ``{"ok": false, "error": "..."}``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import socket
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MODE = 0o660
DIRECTORY_MODE = 0o700
LONGEST_REQUEST = 65536
CLIENTS = 32  # at once; more are turned away with a sentence

_log = logging.getLogger("chronotick.control")

Method = Callable[[], Any]


class ControlSocketError(Exception):
    """Raised when the control socket cannot be opened; the message says why and what to do."""


class ControlServer:
    """Answers requests from functions that return JSON types.

    Args:
        path: where the socket is made; its directory is made too, for this user only.
        methods: what can be asked for.
    """

    def __init__(self, path: Path, methods: Mapping[str, Method]) -> None:
        self._path = path
        self._methods = methods
        self._server: asyncio.AbstractServer | None = None
        self._clients = 0

    async def start(self) -> None:
        """Open the socket; one left behind by a dead daemon is replaced.

        Raises:
            ControlSocketError: it cannot be made here, or another process listens on it.
        """
        try:
            self._path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            _refuse_foreign(self._path.parent)
            self._remove_stale()
            # Between bind and chmod only this user can connect: the directory sees to that.
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
            if probe.connect_ex(str(self._path)) == 0:
                raise ControlSocketError(
                    f"another daemon answers on {self._path}. Stop it, or choose another socket "
                    "with control.socket in the configuration or CHRONOTICK_CONTROL."
                )
        self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError) as error:  # ValueError: a line beyond the limit
            _log.debug("a client of the control socket went away: %s", error)
        finally:
            self._clients -= 1
            writer.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        if self._clients > CLIENTS:
            return {"ok": False, "error": f"more than {CLIENTS} clients at once, try again"}
        try:
            request = json.loads(line)
            name = request["method"]
        except (ValueError, TypeError, KeyError):
            return {"ok": False, "error": 'expected a line like {"method": "status"}'}
        method = self._methods.get(name) if isinstance(name, str) else None
        if method is None:
            known = ", ".join(sorted(self._methods))
            return {"ok": False, "error": f"unknown method {name!r}; there are: {known}"}
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


def _refuse_foreign(directory: Path) -> None:
    owner = directory.stat().st_uid
    if owner not in {os.getuid(), 0}:
        raise ControlSocketError(
            f"{directory} belongs to user {owner}. Choose another place with control.socket in "
            "the configuration or CHRONOTICK_CONTROL."
        )
