"""The directory of a comparison: rows as Parquet, one file a job, and what they were made by.

``rows/MODEL/JOB.parquet`` is there in whole or not at all. Rows of a job in which something is
missing that the next run may get are in ``rows/MODEL/JOB.failed.parquet``: they are shown. What was
answered of them, and of a job that was never ended, is in ``journals/JOB``, and not asked again.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from chronotick.lab.comparing.jobs import MODEL_METADATA, Outcome
from chronotick.lab.comparing.rows import SCHEMA

RUN = "run.json"
ROWS = "rows"
WINDOWS = "windows"
JOURNALS = "journals"
LOCK = ".lock"
FAILED = ".failed.parquet"
FORMAT = 1


_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
_LOCKS: set[int] = set()  # descriptors


class ResultsError(Exception):
    """Raised when a directory is not one of results, or cannot be read or written."""


class Store:
    """A directory of results.

    Args:
        directory: it; made when something is written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def windows(self) -> Path:
        """Directory of the windows, from which everything could be computed again."""
        return self.directory / WINDOWS

    @property
    def journals(self) -> Path:
        """Directory of what was answered of jobs that are not done."""
        return self.directory / JOURNALS

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other runs away, and sweep away what killed ones left half written.

        Raises:
            ResultsError: another run writes there, or nobody can.
        """
        with _held(self._locked()):
            self._sweep()
            yield

    def _locked(self) -> int:
        """Return the descriptor of a lock that is ours."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                self._claim(lock)
            except BaseException:
                os.close(lock)
                raise
        except OSError as error:
            raise ResultsError(f"{self.directory}: cannot be written: {error.strerror}") from None
        return lock

    def _claim(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(lock, 100).decode(errors="replace").strip()
            raise ResultsError(
                f"{self.directory}: another run writes there ({owner or 'unknown'}). Wait for it, "
                "end it, or name another directory"
            ) from None
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                raise
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)

    def _sweep(self) -> None:
        """Remove drafts: who wrote them is dead, or would have the lock."""
        for draft in (*self.directory.glob(f".{RUN}.*"), *self.directory.glob(f"{ROWS}/*/.*")):
            with suppress(OSError):
                draft.unlink()
        if not self.windows.is_symlink():  # who else writes there is not known
            for draft in self.windows.glob(".*"):
                shutil.rmtree(draft, ignore_errors=True)

    def has(self, model: str, job: str) -> bool:
        """Whether a job is done."""
        return self._path(model, job).is_file()

    def has_rows(self, model: str, job: str) -> bool:
        """Whether there is anything to be shown of a job."""
        path = self._path(model, job)
        return path.is_file() or path.with_name(job + FAILED).is_file()

    def failures(self, model: str, job: str) -> int:
        """Of how many windows of a job that is done the model failed.

        Raises:
            ResultsError: the file is damaged; delete it, and the next run computes it again.
        """
        return int(_told(self._path(model, job)).get("failed", 0))

    def write(self, outcome: Outcome) -> None:
        """Keep the rows of a job, in whole or not at all.

        Raises:
            OSError: they could not be written; nothing is left of them.
        """
        path = self._path(outcome.model, outcome.name)
        failed = path.with_name(outcome.name + FAILED)
        if path.exists() and not outcome.complete:
            return  # what was known before was asked for again, and is more than this
        wanted = path if outcome.complete else failed
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{outcome.name}.{os.getpid()}")
        try:
            pq.write_table(outcome.rows, draft, compression="zstd")
            draft.replace(wanted)
        except OSError:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        if outcome.complete:
            failed.unlink(missing_ok=True)
            if not outcome.failed:  # else what was answered need not be asked for once more
                shutil.rmtree(self.journals / outcome.name, ignore_errors=True)

    def models(self, jobs: Iterable[tuple[str, str]]) -> Iterator[pa.Table]:
        """All rows of some jobs, model by model, in a stable order.

        Args:
            jobs: model and hash of each that is wanted; what is not there is passed over.

        Raises:
            ResultsError: a file is damaged; delete it, and the next run computes it again.
        """
        for _model, paths in groupby(sorted(self._of(jobs)), key=lambda path: path.parent):
            yield pa.concat_tables([read_rows(path) for path in paths])

    def about(self, jobs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
        """What is known of how each job was done."""
        paths = sorted(self._of(jobs))
        return [
            _told(path) | {"model": path.parent.name, "job": path.name.partition(".")[0]}
            for path in paths
        ]

    def has_runs(self) -> bool:
        """Whether a run wrote here.

        Raises:
            ResultsError: what is there is something else.
        """
        return (self.directory / RUN).exists() and bool(self.runs())

    def runs(self) -> list[dict[str, Any]]:
        """Runs that wrote here, oldest first.

        Raises:
            ResultsError: this is no directory of results.
        """
        try:
            told = json.loads((self.directory / RUN).read_text(encoding="utf-8"))
            if told["format"] != FORMAT:
                raise ResultsError(
                    f"{self.directory}: results of another version of ChronoTick "
                    f"(format {told['format']}, this one reads {FORMAT})"
                )
            runs: list[dict[str, Any]] = told["runs"]
        except OSError as error:
            why = "" if isinstance(error, FileNotFoundError) else f" ({RUN}: {error.strerror})"
            raise ResultsError(
                f"{self.directory}: no results of `chronotick compare`{why}"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise ResultsError(
                f"{self.directory}: no results of `chronotick compare` ({RUN}: {error})"
            ) from None
        return runs

    def record(self, run: dict[str, Any]) -> None:
        """Write down a run, in place of what was written of it before.

        Raises:
            ResultsError: it cannot be written.
        """
        known = self.runs() if (self.directory / RUN).exists() else []
        others = [each for each in known if each["started"] != run["started"]]
        text = json.dumps({"format": FORMAT, "runs": [*others, run]}, indent=1) + "\n"
        draft = self.directory / f".{RUN}.{os.getpid()}"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            draft.write_text(text, encoding="utf-8")
            draft.replace(self.directory / RUN)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise ResultsError(f"{self.directory}: cannot be written: {error.strerror}") from None

    def _path(self, model: str, job: str) -> Path:
        return self.directory / ROWS / model / f"{job}.parquet"

    def _of(self, jobs: Iterable[tuple[str, str]]) -> Iterator[Path]:
        for model, job in jobs:
            path = self._path(model, job)
            failed = path.with_name(job + FAILED)
            if path.is_file():
                yield path
            elif failed.is_file():
                yield failed


@contextmanager
def _held(lock: int) -> Iterator[None]:
    """Close a lock's descriptor in the end, and at once in processes that are forked meanwhile."""
    _LOCKS.add(lock)
    try:
        yield
    finally:
        _LOCKS.discard(lock)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_UN)  # a child may not have closed it yet
        os.close(lock)


def _let_go() -> None:
    for lock in _LOCKS:
        os.close(lock)
    _LOCKS.clear()


os.register_at_fork(after_in_child=_let_go)


def read_rows(path: Path) -> pa.Table:
    """Read the rows of a job.

    Raises:
        ResultsError: the file is damaged; delete it, and the next run computes it again.
    """
    with _blamed(path):
        return pq.read_table(path, schema=SCHEMA)


def _told(path: Path) -> dict[str, Any]:
    """What is known of how a job was done."""
    with _blamed(path):
        metadata: dict[bytes, bytes] | None = pq.read_schema(path).metadata
    told: dict[str, Any] = json.loads((metadata or {}).get(MODEL_METADATA, b"{}"))
    return told


@contextmanager
def _blamed(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise ResultsError(
            f"{path} cannot be read: {error}. Delete it; the next run computes it again"
        ) from None
