"""What uv's failures mean: whose fault they are, and what to run."""

from __future__ import annotations

import re
from typing import Final

from chronotick.workers.errors import EnvironmentProblem

_SYNC: Final = "give a directory of wheels: chronotick envs sync NAME --find-links DIR"
_ABSENT: Final = "No solution found"
_UNREACHABLE: Final = (
    r"dns error|error sending request|[Cc]onnection refused|timed out|Failed to fetch"
)
_EXPLANATIONS: Final = (
    (
        r"No space left on device|os error 28",
        "the disk is full.",
        "Free space, or set workers.environments to a directory on another disk.",
    ),
    (
        r"[Nn]o interpreter found|No download found for request|No Python",
        "the Python version it needs is not installed, and uv could not download it.",
        "Run: uv python install VERSION",
    ),
    (
        r"network was disabled|network connectivity is disabled|offline mode|--offline",
        "uv is offline, and neither its cache nor UV_FIND_LINKS holds everything.",
        f"Build it once with a network, or {_SYNC}",
    ),
    (
        _UNREACHABLE,
        "uv could not reach a package index.",
        f"Check the network, name a mirror in UV_DEFAULT_INDEX, or {_SYNC}",
    ),
    (
        r"[Hh]ash mismatch",
        "a package is not the one that was locked.",
        "Its index or mirror serves altered files: tell whoever runs it. Nothing was installed.",
    ),
    (
        r"[Pp]ermission denied|os error 13|Read-only file system",
        "a directory may not be written to.",
        "Correct its permissions, or set workers.environments or UV_CACHE_DIR to another one.",
    ),
    (
        r"not found in the|no version of|no versions of|no wheels",
        "a package it needs is not to be had, in that version and for this Python and machine.",
        f"Look into the message below; {_SYNC}",
    ),
    (
        _ABSENT,
        "its requirements contradict each other.",
        "uv says below which: change the recipe.",
    ),
)


class UvFailed(Exception):  # noqa: N818 - says what happened
    """Raised when uv ended with an error.

    Attributes:
        stage: what was being done.
        output: what uv printed.
    """

    def __init__(self, stage: str, output: str) -> None:
        self.stage = stage
        self.output = output
        super().__init__(f"uv failed while {stage}: {output}")

    @property
    def elsewhere(self) -> bool:
        """Whether it may go better elsewhere: a requirement was not found, or no index reached."""
        return re.search(f"{_ABSENT}|{_UNREACHABLE}", self.output) is not None

    def explain(self, recipe: str, name: str, verb: str = "sync") -> EnvironmentProblem:
        """Say whose fault it is and what to run.

        Args:
            recipe: of the environment that was being built.
            name: of the model it is for, as commands take it.
            verb: of the command that was run, ``sync`` or ``lock``.
        """
        known = (advice for pattern, *advice in _EXPLANATIONS if re.search(pattern, self.output))
        problem, hint = next(known, ("uv gave up.", "Run: chronotick envs sync NAME"))
        last = self.output.strip()[-800:]
        return EnvironmentProblem(
            recipe,
            f"{self.stage} failed: {problem}",
            f"{hint.replace('sync NAME', f'{verb} {name}')}\nuv said: {last}",
        )
