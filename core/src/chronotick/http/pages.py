"""The dashboard's files, as they lie in the package: ``/`` and ``/static/...``."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from chronotick.access.errors import HttpError
from chronotick.http.queries import Query

PAGE = Path(__file__).parent / "page"
PREFIX = "/static/"
INDEX = "index.html"

SECURITY = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",  # kept, and asked for again: unchanged files answer 304
}


class Pages:
    """Serves files, with their types and entity tags."""

    def __init__(self) -> None:
        self._files = StaticFiles(directory=PAGE, check_dir=False)

    async def __call__(self, query: Query, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            HttpError: 404: there is no such file.
        """
        del query
        name = scope["path"].removeprefix(PREFIX).lstrip("/") or INDEX
        try:
            response = await self._files.get_response(name, scope)
        except HTTPException:
            raise HttpError(HTTPStatus.NOT_FOUND, "not_found", "there is no such file") from None
        await response(scope, receive, _secured(send))


def _secured(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(SECURITY)
        await send(message)

    return sending
