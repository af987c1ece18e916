"""Log lines, for people, for programs or for systemd's journal."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

from chronotick.config.schema import Logging
from chronotick.daemon.events import event_of, iso_time, time_ns
from chronotick.daemon.journald import JOURNAL, JournalHandler
from chronotick.daemon.rate_limit import RateLimited

_log = logging.getLogger("chronotick.daemon")


class JsonFormatter(logging.Formatter):
    """One JSON object per line; the fields of an event stand beside its words."""

    def format(self, record: logging.LogRecord) -> str:
        """Make the line of a record."""
        event, fields = event_of(record)
        unix_ns = time_ns(record)
        line: dict[str, Any] = {
            "time_ns": unix_ns,
            "time": iso_time(unix_ns),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if event:
            line = line | {"event": event} | {k: v for k, v in fields.items() if k not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def quieten() -> None:
    """Keep the log off the terminal of a program that tells itself what went wrong.

    Whoever has set up logging still gets it all.
    """
    log = logging.getLogger("chronotick")
    if not log.handlers:
        log.addHandler(logging.NullHandler())


def configure_logging(config: Logging, journal: Path = JOURNAL) -> None:
    """Send the log where and how it is configured.

    Args:
        config: level, format and limit.
        journal: the journal's socket.
    """
    handler, problem = _handler(config.format, journal)
    if config.rate_limit:
        handler = RateLimited(handler, config.rate_limit)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("chronotick").setLevel(config.level)
    if problem:
        _log.warning("%s", problem)


def _handler(kind: str, journal: Path) -> tuple[logging.Handler, str]:
    """Where lines go, and what stood in the way of what was asked for."""
    handler = logging.StreamHandler(sys.stderr)
    if kind == "json":
        handler.setFormatter(JsonFormatter())
        return handler, ""
    handler.setFormatter(_text_formatter())
    if kind == "journald":
        try:
            return JournalHandler(handler, journal), ""
        except OSError as error:
            return handler, (
                f"the journal cannot be reached at {journal} ({error.strerror}): the log goes to "
                "standard error as text. Set logging.format to text or json where there is none"
            )
    return handler, ""


def _text_formatter() -> logging.Formatter:
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    return formatter
