"""Jobs: some windows of a trace for one model. What they come to depends on nothing else.

A job's hash is that of its content: model with version, environment and weights, windows. (Models
answer the same question alike: those that draw seed themselves, by contract.) A
result that exists under a hash need not be computed again.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from chronotick.lab.comparing.asking import Inquiry
from chronotick.lab.comparing.contestants import Contestant
from chronotick.lab.comparing.grids import Grid
from chronotick.lab.comparing.journal import Journal
from chronotick.lab.comparing.provenance import here
from chronotick.lab.comparing.rows import Answers, Label, rows_of
from chronotick.lab.comparing.sessions import (
    MOST_BATCH,
    BatchSize,
    Session,
    SessionError,
    opened,
    reason_of,
)
from chronotick.lab.comparing.windows import Windows
from chronotick.lab.comparing.yardsticks import YARDSTICKS

FORMAT = 1  # of rows: of another one they are computed anew
WINDOWS = 1 + MOST_BATCH  # of a job: one is asked alone
MODEL_METADATA = b"chronotick"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Some windows of a trace for one model.

    Attributes:
        contestant: the model.
        directory: of the windows.
        journals: directory of the journals of all jobs.
        key: of the windows' content.
        grid: of the windows.
        label: of its rows, but for the hash.
        start, stop: which windows.
        season: steps in a season of the trace; 1: none is known.
        most_batch: windows at once, at most.
        again: ask also for windows that the model is known to fail on.
    """

    contestant: Contestant
    directory: Path
    journals: Path
    key: str
    grid: Grid
    label: dict[str, Any]
    start: int
    stop: int
    season: float = 1.0
    most_batch: int = MOST_BATCH
    again: bool = False

    @property
    def name(self) -> str:
        """Hash of everything that its rows depend on."""
        told = {
            "format": FORMAT,
            "model": dict(self.contestant.identity),
            "windows": self.key,
            "part": [self.start, self.stop],
            "label": self.label,
            "season": self.season,
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def journal(self) -> Journal:
        """Where its answers are noted until it is done."""
        return Journal(self.journals / self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a job came to.

    Attributes:
        name: of the job.
        model: name.
        rows: one per window and horizon.
        complete: false if the next run has to ask for windows that have no answer now.
        remark: why, in words.
        hopeless: it has never answered: the next job will end the same way.
        failed: of how many windows the model failed.
    """

    name: str
    model: str
    rows: pa.Table
    complete: bool = True
    remark: str = ""
    hopeless: bool = False
    failed: int = 0


def execute(job: Job) -> Outcome:
    """Do a job, in whatever process: the model is loaded there if it is not yet.

    Whatever a model does ends in rows that say so.
    """
    began = time.perf_counter()
    windows = _windows(job)
    failure: SessionError | None = None
    about: dict[str, Any] = {}
    failed = 0
    if job.contestant.is_yardstick:
        answers = YARDSTICKS[job.contestant.name](windows, job.grid, job.season)
    else:
        answers, journal = _recalled(job, windows)
        try:
            with _LOADED.session(job.contestant, job.most_batch) as (session, size):
                inquiry = Inquiry(job.contestant, session, size, journal)
                failed = inquiry.fill(answers, windows, job.grid)
                about = _about(session, size) | {"failed": failed}
        except SessionError as error:
            failure = error
            answers.tell_the_rest(reason_of(error))
    about |= here() | {
        "identity": dict(job.contestant.identity),
        "windows": len(windows),
        "answered": int(np.isfinite(answers.latency_s).sum()),
        "wall_s": time.perf_counter() - began,
        "compute_s": float(np.nansum(answers.latency_s)),
    }
    return Outcome(
        name=job.name,
        model=job.contestant.name,
        rows=_rows(job, windows, answers, about),
        complete=failure is None and not answers.passing.any(),
        remark=_remark(answers) if failure is None else reason_of(failure),
        hopeless=failure is not None and failure.hopeless,
        failed=failed,
    )


def unanswered(job: Job, words: str) -> Outcome:
    """What a job comes to that was not done, or not to its end.

    Raises:
        OSError, ValueError: its windows cannot be read.
    """
    windows = _windows(job)
    answers, _journal = _recalled(job, windows)
    answers.tell_the_rest(words)
    rows = _rows(job, windows, answers, {"identity": dict(job.contestant.identity)})
    return Outcome(
        name=job.name, model=job.contestant.name, rows=rows, complete=False, remark=words
    )


def _recalled(job: Job, windows: Windows) -> tuple[Answers, Journal]:
    """What is known already of a job, and where more of it is noted."""
    answers, journal = Answers.none(len(windows), len(job.grid.steps)), job.journal
    journal.recall(answers, failures=not job.again)
    return answers, journal


def _remark(answers: Answers) -> str:
    """What is to be said of windows that the next run asks for again."""
    passing = np.flatnonzero(answers.passing)
    if not len(passing):
        return ""
    return f"{answers.status[passing[0]]} (the next run asks again)"


def _windows(job: Job) -> Windows:
    return Windows.opened(job.directory, job.grid.step_ns / 1e9).part(job.start, job.stop)


def _rows(job: Job, windows: Windows, answers: Answers, about: dict[str, Any]) -> pa.Table:
    label = Label(job=job.name, model=job.contestant.name, **job.label)
    rows = rows_of(label, windows, job.grid, answers)
    return rows.replace_schema_metadata({MODEL_METADATA: json.dumps(about).encode()})


def _about(session: Session, size: BatchSize) -> dict[str, Any]:
    return {
        "checkpoint": session.info.checkpoint,
        "device": session.info.device,
        "parameters": session.info.parameters,
        "peak_memory_bytes": session.peak_memory_bytes,
        "batch": size.size,
    }


@dataclass(slots=True)
class _Resident:
    contestant: Contestant
    size: BatchSize
    lock: threading.Lock = field(default_factory=threading.Lock)
    session: Session | None = None
    wanted: int = 0


class Loaded:
    """Models that are loaded in this process; those used longest ago give way.

    Attributes:
        room: how many may be loaded.
    """

    def __init__(self, room: int = 2) -> None:
        self.room = room
        self._residents: OrderedDict[str, _Resident] = OrderedDict()
        self._lock = threading.Lock()
        self._is_tidy = False

    @contextmanager
    def session(
        self, contestant: Contestant, most_batch: int
    ) -> Iterator[tuple[Session, BatchSize]]:
        """Lend a model, loading it if need be; nobody else asks it meanwhile.

        Raises:
            SessionError: it cannot be loaded.
        """
        resident = self._resident(contestant, most_batch)
        try:
            with resident.lock:
                if resident.session is None:
                    resident.session = opened(contestant)
                try:
                    yield resident.session, resident.size
                except SessionError:
                    session, resident.session = resident.session, None
                    session.close()
                    raise
        finally:
            with self._lock:
                resident.wanted -= 1

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            residents, self._residents = list(self._residents.values()), OrderedDict()
        for resident in residents:
            _end(resident)

    def _resident(self, contestant: Contestant, most_batch: int) -> _Resident:
        key = json.dumps(dict(contestant.identity), sort_keys=True)
        with self._lock:
            if not self._is_tidy:
                self._is_tidy = True
                atexit.register(self.close)  # in a process of an executor nobody else does it
            if key not in self._residents:
                self._residents[key] = _Resident(contestant, BatchSize(most_batch))
            self._residents.move_to_end(key)
            found = self._residents[key]
            found.wanted += 1
            idle = [k for k, each in self._residents.items() if not each.wanted]
            surplus = len(self._residents) - self.room
            leaving = [self._residents.pop(k) for k in idle[: max(surplus, 0)]]
        for resident in leaving:
            _end(resident)
        return found


def _end(resident: _Resident) -> None:
    with resident.lock:
        if resident.session is not None:
            resident.session.close()
            resident.session = None


_LOADED = Loaded()


def unload() -> None:
    """End the models that are loaded in this process; what is asked next loads them again."""
    _LOADED.close()


def loaded() -> Loaded:
    """The models that are loaded in this process."""
    return _LOADED
