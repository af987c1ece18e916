"""What cannot be scored or compared."""

from __future__ import annotations


class ScoringError(Exception):
    """Raised when rows or scores cannot mean what they are asked for; says why and what to do."""
