"""What ends the neighbours: something they need cannot be had."""

from __future__ import annotations


class NeighbourError(Exception):
    """Raised when a port or a file cannot be taken; the message says which, why and what to do."""
