"""Log lines on standard error, for people or for programs."""

from __future__ import annotations

import json
import logging
import sys
import time

from chronotick.config.schema import Logging


class _JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time_ns": int(record.created * 1e9),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def quieten() -> None:
    """Keep the log off the terminal of a program that tells itself what went wrong.

    Whoever has set up logging still gets it all.
    """
    log = logging.getLogger("chronotick")
    if not log.handlers:
        log.addHandler(logging.NullHandler())


def configure_logging(config: Logging) -> None:
    """Send the log to standard error as configured."""
    handler = logging.StreamHandler(sys.stderr)
    if config.format == "json":
        handler.setFormatter(_JsonFormatter())
    else:
        formatter = logging.Formatter(
            "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
        )
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("chronotick").setLevel(config.level)
