"""What ``chronotick doctor`` says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        state: ``ok``, ``note`` (works, could be better) or ``bad``.
        what: what was looked at.
        evidence: what was found.
        fix: one command or step; empty when all is well.
    """

    state: Literal["ok", "note", "bad"]
    what: str
    evidence: str
    fix: str = ""
