"""What is sent back: JSON that nobody keeps, in parts that a slow reader has to take one by one."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from starlette.types import Send

from chronotick.access.errors import HttpError
from chronotick.daemon.control import json_ready

JSON = "application/json"
PART_BYTES = 64 * 1024

_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def json_bytes(value: Any) -> bytes:  # noqa: ANN401 - any JSON type
    """Encode an answer; NaN and infinities, which JSON does not know, become ``null``."""
    try:
        return _encoded(value)
    except ValueError:
        return _encoded(json_ready(value))


def _encoded(value: Any) -> bytes:  # noqa: ANN401 - any JSON type
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


async def send_json(send: Send, body: bytes) -> None:
    """Answer 200 with one JSON document."""
    await send_answer(send, HTTPStatus.OK, body)


async def send_answer(
    send: Send,
    status: int,
    body: bytes,
    content_type: str = JSON,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    """Answer a request. Of a long body no more than one part waits to be sent.

    Args:
        send: as ASGI gives it.
        status: HTTP status.
        body: all of it.
        content_type: of the body.
        headers: further ones, names in small letters.
    """
    own = (
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
    )
    start = {"type": "http.response.start", "status": status}
    await send({**start, "headers": [*own, *_HEADERS, *headers]})
    for at in range(0, max(1, len(body)), PART_BYTES):
        part, more = body[at : at + PART_BYTES], at + PART_BYTES < len(body)
        await send({"type": "http.response.body", "body": part, "more_body": more})


async def send_failure(send: Send, error: HttpError) -> None:
    """Answer a request by an error."""
    headers = tuple((name.encode(), value.encode()) for name, value in error.headers.items())
    await send_answer(send, error.status, error.body, JSON, headers)
