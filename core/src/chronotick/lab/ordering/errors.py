"""What keeps nodes from being compared."""

from __future__ import annotations


class OrderingError(Exception):
    """Raised when nodes cannot be compared: too few, no truth, no common time, too short."""
