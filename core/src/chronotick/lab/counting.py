"""Nouns after numbers."""

from __future__ import annotations


def plural(counted: int, noun: str, many: str = "") -> str:
    """``trace`` of one, ``traces`` of any other number, or what else ``many`` says."""
    return noun if counted == 1 else many or f"{noun}s"


def often(counted: int, noun: str) -> str:
    """``1 trace``, ``2 traces``."""
    return f"{counted} {plural(counted, noun)}"


def being(counted: int, noun: str) -> str:
    """``1 trace is``, ``2 traces are``."""
    return f"{often(counted, noun)} {'is' if counted == 1 else 'are'}"
