"""When keys may be asked for again: a server in trouble is not to be overrun by its clients."""

from __future__ import annotations

FIRST_S = 10.0
BASE = 1.5
LONGEST_S = 3600.0
"""RFC 8915, section 4.2, proposes the same with 5 days in the end. A host whose network was away
for a week would then go without authenticated time for days after its return."""


class Retry:
    """The pause between key exchanges with one server: exponential back-off."""

    def __init__(self) -> None:
        self._attempts = 0
        self._not_before_s: float | None = None

    def wait_s(self, now_s: float) -> float:
        """How long no key exchange may begin yet; 0 if it may."""
        return 0.0 if self._not_before_s is None else max(self._not_before_s - now_s, 0.0)

    def attempted(self, now_s: float) -> None:
        """Count a key exchange, whatever comes of it."""
        self._not_before_s = now_s + min(FIRST_S * BASE**self._attempts, LONGEST_S)
        self._attempts = min(self._attempts + 1, 64)

    def succeeded(self) -> None:
        """Say that a reply was authenticated: only then does the key exchange count as one."""
        self._attempts, self._not_before_s = 0, None
