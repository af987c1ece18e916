"""Errors as clients get them: one JSON form, and a status that fits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field

RETRY_AFTER_S = 1


class Problem(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="What it is, for programs.")
    message: str = Field(description="What it is, for people.")
    hint: str = Field(description="What to do about it; empty where there is nothing to say.")


class HttpError(Exception):
    """Raised when a request is answered by an error.

    Attributes:
        status: HTTP status.
        problem: what the answer says.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        hint: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = Problem(code=code, message=message, hint=hint)
        self.headers = {**_retry(status), **(headers or {})}

    @property
    def body(self) -> bytes:
        """The answer's body."""
        return json.dumps({"error": self.problem.model_dump()}).encode()


def bad_request(message: str, hint: str = "") -> HttpError:
    """Say that a request cannot be understood."""
    return HttpError(HTTPStatus.BAD_REQUEST, "bad_request", message, hint)


def unavailable(code: str, message: str, hint: str = "") -> HttpError:
    """Say that there is no answer now."""
    return HttpError(HTTPStatus.SERVICE_UNAVAILABLE, code, message, hint)


def _retry(status: HTTPStatus) -> Mapping[str, str]:
    known = status is HTTPStatus.SERVICE_UNAVAILABLE
    return {"retry-after": str(RETRY_AFTER_S)} if known else {}
