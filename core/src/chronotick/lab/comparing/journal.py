"""Answers of a job that is not over yet: a process that dies loses what it was asking, no more."""

from __future__ import annotations

import os
import secrets
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.comparing.rows import Answers

_COLUMNS = ("mean", "quantiles", "latency_s", "alone_s")


class Journal:
    """Files of answered windows, each there in whole or not at all.

    It is an insurance: where it cannot be written or read, windows are asked once more.

    Args:
        directory: of one job; made when something is written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._noted: NDArray[np.bool_] | None = None

    def recall(self, answers: Answers, *, failures: bool = True) -> None:
        """Fill in what was noted by whoever did this job before; ``failures`` too, or not."""
        for path in self._directory.glob("*.npz"):
            with suppress(OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile):
                with path.open("rb") as file, np.load(file) as noted:
                    part = {name: noted[name] for name in ("places", "status", *_COLUMNS)}
                _fill(answers, part, failures=failures)
        self._noted = answers.settled

    def note(self, answers: Answers) -> None:
        """Keep what was settled since the last time."""
        settled = answers.settled
        new = settled if self._noted is None else settled & ~self._noted
        places = np.flatnonzero(new)
        if not len(places):
            return
        part: dict[str, Any] = {name: getattr(answers, name)[places] for name in _COLUMNS}
        part["status"] = np.array([answers.status[place] for place in places])
        with suppress(OSError):
            self._write(secrets.token_hex(8), part | {"places": places})
        self._noted = settled

    def _write(self, name: str, part: Mapping[str, Any]) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        draft = self._directory / f".{name}.{os.getpid()}"
        try:
            with draft.open("wb") as file:
                np.savez(file, **part)
            draft.replace(self._directory / f"{name}.npz")
        finally:
            draft.unlink(missing_ok=True)


def _fill(answers: Answers, part: Mapping[str, NDArray[Any]], *, failures: bool) -> None:
    answered = np.isfinite(part["latency_s"])  # what has an answer once has not failed
    wanted = answered | (failures & ~np.isfinite(answers.latency_s[part["places"]]))
    places = part["places"][wanted]
    for name in _COLUMNS:
        getattr(answers, name)[places] = part[name][wanted]
    for place, status in zip(places.tolist(), part["status"][wanted].tolist(), strict=True):
        answers.status[place] = status
