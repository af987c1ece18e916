"""Failures as clients get to know them: the status that fits, and nothing of our insides."""

from __future__ import annotations

import logging
from http import HTTPStatus

from pydantic import ValidationError

from chronotick.access.errors import HttpError, bad_request, unavailable
from chronotick.client.errors import ChronoTickError, ClockUnsynchronised, DaemonUnavailable
from chronotick.views import HistoryUnreadableError

_log = logging.getLogger("chronotick.http")


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


def invalid(error: ValidationError, hint: str) -> HttpError:
    """Tell a client all that is wrong with its parameters, in a sentence each.

    Args:
        error: what is wrong.
        hint: what would be right.
    """
    parts = [_sentence(each["loc"], each["msg"]) for each in error.errors(include_url=False)]
    return bad_request("; ".join(parts), hint)


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    name, told = ".".join(str(part) for part in location), message.removeprefix(_OF_VALIDATOR)
    return f"{name}: {told}" if name else told


def _internal(error: Exception) -> HttpError:
    _log.error("a request could not be answered", exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return HttpError(status, "internal_error", "a fault of the server", _SEE_LOG)


_OF_VALIDATOR = "Value error, "  # pydantic's, before a sentence of ours
_SEE_LOG = "The log of `chronotick http` says more."
