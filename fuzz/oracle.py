"""What makes an input a finding, beside an exception that no caller expects."""

from __future__ import annotations


class Finding(AssertionError):  # noqa: N818 - what a fuzzer looks for
    """Raised when something that was promised does not hold."""


def require(holds: object, promise: str) -> None:
    """Check a promise.

    Raises:
        Finding: it does not hold.
    """
    if not holds:
        raise Finding(promise)
