"""Every exception and warning an application can meet, in one place."""

from __future__ import annotations

from os import PathLike

from chronotick.shm.errors import ChronoTickError, RecordError, RecordHeld, RecordMissing
from chronotick.shm.layout import Status

__all__ = [
    "ChronoTickError",
    "ClockUnsynchronised",
    "ControlError",
    "DaemonStartError",
    "DaemonUnavailable",
    "RecordError",
    "RecordHeld",
    "RecordMissing",
    "SystemTimeWarning",
    "TargetPassed",
]


class SystemTimeWarning(UserWarning):
    """Issued when system time is returned in place of corrected time: once for each reason."""


class DaemonUnavailable(ChronoTickError):  # noqa: N818 - says what is the case, as in the documents
    """Raised when no daemon serves time: no record, an unreadable one, or one no longer published.

    Also raised by :func:`chronotick.status` when no daemon answers on the control socket.

    Attributes:
        path: the record or the socket.
        pid: process that wrote the record last; None when there is no record.
    """

    def __init__(self, message: str, path: PathLike[str], pid: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.pid = pid


class ClockUnsynchronised(ChronoTickError):  # noqa: N818 - same
    """Raised when a daemon runs but does not vouch for the time.

    Attributes:
        status: what it says instead: warming up, unknown or disrupted. DISRUPTED is also said by
            the reader itself, between a suspend of the host and the daemon's next publication.
    """

    def __init__(self, message: str, status: Status) -> None:
        super().__init__(message)
        self.status = status


class ControlError(ChronoTickError):
    """Raised when the daemon refuses a request on its control socket, or the socket is not safe.

    Attributes:
        method: what was asked.
    """

    def __init__(self, message: str, method: str) -> None:
        super().__init__(message)
        self.method = method


class DaemonStartError(ChronoTickError):
    """Raised when a daemon that was started does not come to serve time.

    Attributes:
        exit_code: how it ended (negative: the signal); None when it ran but time ran out.
        log: the end of what it wrote to standard error.
    """

    def __init__(self, message: str, exit_code: int | None, log: str) -> None:
        super().__init__(f"{message}\n{log}" if log else message)
        self.exit_code = exit_code
        self.log = log


class TargetPassed(ChronoTickError, ValueError):  # noqa: N818 - says what is the case
    """Raised when a moment to wait for has already passed by more than the tolerance.

    Attributes:
        target: that moment (Unix s).
        late_s: how long ago it was.
    """

    def __init__(self, target: float, late_s: float) -> None:
        super().__init__(f"{target!r} passed {late_s * 1e3:.3f} ms ago")
        self.target = target
        self.late_s = late_s
