"""Errors as clients get them: one JSON form, the status that fits, and nothing of our insides."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chronotick.client.errors import ChronoTickError, ClockUnsynchronised, DaemonUnavailable
from chronotick.views import HistoryUnreadableError

RETRY_AFTER_S = 1

_log = logging.getLogger("chronotick.http")


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


def http_error(error: Exception) -> HttpError:
    """Tell clients of a failure what they may know of it, which is never a path of this machine."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, DaemonUnavailable):
        told = str(error).removeprefix(f"{error.path}: ")
        message, _, command = told.partition("; run: ")
        return unavailable("daemon_unavailable", message, f"On its host run: {command}")
    if isinstance(error, ClockUnsynchronised):
        return unavailable("unsynchronised", str(error).partition(";")[0], "/v1/status says more.")
    if isinstance(error, ChronoTickError):
        _log.warning("%s", error)
        return unavailable("daemon_unavailable", "the daemon refuses to answer", _SEE_LOG)
    if isinstance(error, HistoryUnreadableError):
        _log.warning("%s", error)
        return unavailable("history_unreadable", "there is no history that can be read", _SEE_LOG)
    return _internal(error)


def invalid(error: ValidationError) -> HttpError:
    """Tell a client all that is wrong with its parameters, in a sentence each."""
    parts = [_sentence(each["loc"], each["msg"]) for each in error.errors(include_url=False)]
    return bad_request("; ".join(parts))


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    name = ".".join(str(part) for part in location)
    return f"{name}: {message.removeprefix('Value error, ')}" if name else message


def _internal(error: Exception) -> HttpError:
    _log.error("a request could not be answered", exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return HttpError(status, "internal_error", "a fault of the server", _SEE_LOG)


def _retry(status: HTTPStatus) -> Mapping[str, str]:
    known = status is HTTPStatus.SERVICE_UNAVAILABLE
    return {"retry-after": str(RETRY_AFTER_S)} if known else {}


_SEE_LOG = "The log of `chronotick http` says more."
