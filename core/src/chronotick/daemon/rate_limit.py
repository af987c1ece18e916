"""The same line again and again: a few times, and then how often more."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from chronotick.daemon.events import is_change

WINDOW_S = 60.0
MOST_KINDS = 1000  # kinds of lines that are counted; the oldest windows are forgotten first

Kind = tuple[str, int, str]


@dataclass(slots=True)
class _Window:
    """What there was of one kind of line since its first."""

    began_s: float
    told: int = 0
    kept_back: int = 0
    last: str = ""


def _kind(record: logging.LogRecord) -> Kind:
    template = str(record.msg)
    # Of a template that says nothing by itself the words are the kind.
    words = record.getMessage() if template == "%s" else template
    return record.name, record.levelno, words


class RateLimited(logging.Handler):
    """Passes on at most so many lines of one kind (logger, level and template) per window.

    Once a window is over that kept lines back, one line tells how many there were. Changes of state
    and what is below INFO always pass.

    Args:
        target: where lines go.
        most: lines of one kind per window, above 0.
        window_s: length of a window in s.
    """

    def __init__(self, target: logging.Handler, most: int, window_s: float = WINDOW_S) -> None:
        super().__init__()
        self._target = target
        self._most = most
        self._window_s = window_s
        self._windows: dict[Kind, _Window] = {}
        self._timers: dict[Kind, threading.Timer] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a line on, or count it; called with the handler's lock held.

        What is wrong with a line is told on standard error, and never raised.
        """
        try:
            if record.levelno < logging.INFO or is_change(record) or self._passes(record):
                self._target.handle(record)
        except Exception:  # noqa: BLE001 - a line of the log must not end what it tells about
            self.handleError(record)

    def flush(self) -> None:
        """Flush where lines go."""
        self._target.flush()

    def close(self) -> None:
        """Tell at once what is still to be told."""
        with self._held:
            for kind in list(self._timers):
                self._timers.pop(kind).cancel()
                self._tell(kind)
        self._target.close()
        super().close()

    @property
    def _held(self) -> threading.RLock:
        assert self.lock is not None  # noqa: S101 - made by logging.Handler
        return self.lock

    def _passes(self, record: logging.LogRecord) -> bool:
        kind = _kind(record)
        window = self._window(kind)
        if window.told < self._most:
            window.told += 1
            return True
        window.kept_back += 1
        window.last = record.getMessage()
        if kind not in self._timers:
            self._tell_later(kind, window.began_s + self._window_s - time.monotonic())
        return False

    def _window(self, kind: Kind) -> _Window:
        now_s = time.monotonic()
        window = self._windows.get(kind)
        if window is None or now_s - window.began_s >= self._window_s:
            if kind in self._timers:  # about to tell by itself
                self._timers.pop(kind).cancel()
                self._tell(kind)
            self._windows.pop(kind, None)
            window = self._windows[kind] = _Window(now_s)
            self._forget_the_oldest()
        return window

    def _forget_the_oldest(self) -> None:
        if len(self._windows) > MOST_KINDS:
            quiet = (kind for kind in self._windows if kind not in self._timers)
            self._windows.pop(next(quiet), None)

    def _tell_later(self, kind: Kind, wait_s: float) -> None:
        timer = threading.Timer(max(wait_s, 0.0), self._tell_in_time, (kind,))
        timer.daemon = True
        timer.start()  # raises where there can be no more threads
        self._timers[kind] = timer  # in time: it waits for the lock

    def _tell_in_time(self, kind: Kind) -> None:
        with self._held:
            if self._timers.get(kind) is threading.current_thread():
                del self._timers[kind]
                self._tell(kind)

    def _tell(self, kind: Kind) -> None:
        window = self._windows.pop(kind)
        name, level, template = kind
        fields = {"count": window.kept_back, "window_s": self._window_s, "template": template}
        self._target.handle(
            logging.makeLogRecord(
                {
                    "name": name,
                    "levelno": level,
                    "levelname": logging.getLevelName(level),
                    "msg": "%d more like this in the last %g s, the last: %s",
                    "args": (window.kept_back, self._window_s, window.last),
                    "event": "repeated",
                    "fields": fields,
                }
            )
        )
