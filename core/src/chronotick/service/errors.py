"""What can go wrong with a service."""

from __future__ import annotations


class ServiceError(Exception):
    """Raised when a service cannot be installed, removed or asked; the message says what to do."""
