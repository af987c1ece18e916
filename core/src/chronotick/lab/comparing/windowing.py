"""Windows of all traces, made side by side."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from chronotick.lab.comparing.preparing import (
    NoWindowsError,
    Preparation,
    is_prepared,
    prepare,
    prepared,
)
from chronotick.lab.offspring import leave_with_parent
from chronotick.lab.recordings import RecordingError
from chronotick.lab.traces import Trace

Counts = dict[str, int]
Submit = Callable[[Trace], "Future[Counts]"]


@dataclass(frozen=True, slots=True)
class Usable:
    """Traces with the number of windows under each key, and those that have none, with why."""

    counts: list[tuple[Trace, Mapping[str, int]]] = field(default_factory=list)
    refused: list[tuple[Trace, str]] = field(default_factory=list)


def make_windows(
    traces: Sequence[Trace],
    preparation: Preparation,
    root: Path,
    *,
    executor: Executor | None = None,
    processes: int | None = None,
    watch: Callable[[int], None] = lambda _done: None,
) -> Usable:
    """Make the windows of traces that have none yet.

    Whatever goes wrong with a trace refuses that trace; the others go on.

    Args:
        traces: all.
        preparation: how.
        root: directory of all windows.
        executor: that makes them; ``None``: processes of its own.
        processes: how many of these; ``None``: one per core.
        watch: told how many traces are done.
    """
    usable, lost = Usable(), list[Trace]()
    new = [each for each in traces if not is_prepared(each, preparation, root)]
    make = partial(_submitting, executor, preparation, root)
    with make(processes, needed=bool(new)) as submit:
        making = {id(each): _submission(submit, each) for each in new}
        try:
            for number, trace in enumerate(traces):
                watch(number)
                try:
                    _take(usable, trace, making.get(id(trace)), preparation, root)
                except BrokenProcessPool:
                    lost.append(trace)
        except KeyboardInterrupt:
            if executor is not None:
                for future in making.values():
                    future.cancel()
            raise
    for trace in lost:  # whose process died, or that of another trace: each is tried alone
        with make(1, needed=True) as submit:
            try:
                _take(usable, trace, _submission(submit, trace), preparation, root)
            except BrokenProcessPool as error:
                usable.refused.append((trace, _unmade(error)))
    order = {id(each): number for number, each in enumerate(traces)}
    usable.counts.sort(key=lambda found: order[id(found[0])])
    watch(len(traces))
    return usable


def _submission(submit: Submit, trace: Trace) -> Future[Counts]:
    """A future in any case: an executor that is broken is told of like one that breaks."""
    try:
        return submit(trace)
    except Exception as error:  # noqa: BLE001 - of whatever executor it is
        failed: Future[Counts] = Future()
        failed.set_exception(error)
        return failed


def _take(
    usable: Usable,
    trace: Trace,
    future: Future[Counts] | None,
    preparation: Preparation,
    root: Path,
) -> None:
    """Take what became of a trace.

    Raises:
        BrokenProcessPool: that is not known: a process died.
    """
    try:
        counts = future.result() if future else prepared(trace, preparation, root)
        _check_same_code(trace, preparation, counts)
        usable.counts.append((trace, counts))
    except BrokenProcessPool:
        raise
    except (NoWindowsError, RecordingError) as error:
        usable.refused.append((trace, str(error)))
    except Exception as error:  # noqa: BLE001 - of one trace, or of its executor
        usable.refused.append((trace, _unmade(error)))


def _unmade(error: Exception) -> str:
    return f"no windows could be made: {type(error).__name__}: {error}"


def _check_same_code(trace: Trace, preparation: Preparation, counts: Counts) -> None:
    wanted = {preparation.key(trace, grid) for grid in preparation.grids(trace)}
    if not wanted <= counts.keys():
        raise NoWindowsError(
            "its windows were made by other code than this. Install the same version of ChronoTick "
            "wherever jobs run"
        )


@contextmanager
def _submitting(
    executor: Executor | None,
    preparation: Preparation,
    root: Path,
    processes: int | None,
    *,
    needed: bool,
) -> Iterator[Submit]:
    """The estimator is Python: threads would take turns, so that processes make windows."""
    if executor is not None or not needed:
        yield partial(_submitted, executor, prepare, preparation, root)
        return
    root.mkdir(parents=True, exist_ok=True)
    others = set(active_children())
    with (
        TemporaryDirectory(prefix=".traces-", dir=root) as luggage,
        ProcessPoolExecutor(
            processes or os.cpu_count(),
            mp_context=get_context("spawn"),
            initializer=leave_with_parent,
        ) as own,
    ):
        try:
            yield partial(_submitted_as_file, own, preparation, root, Path(luggage))
        except KeyboardInterrupt:
            for child in set(active_children()) - others:
                child.terminate()
            raise


def _submitted(
    executor: Executor | None,
    work: Callable[[Trace, Preparation, Path], Counts],
    preparation: Preparation,
    root: Path,
    trace: Trace,
) -> Future[Counts]:
    assert executor is not None  # noqa: S101 - there is one where there is anything to do
    return executor.submit(work, trace, preparation, root)


def _submitted_as_file(
    own: Executor, preparation: Preparation, root: Path, luggage: Path, trace: Trace
) -> Future[Counts]:
    """Traces travel as files: in a pipe that nobody reads any more they would block the end."""
    path = luggage / f"{trace.digest}-{len(list(luggage.iterdir()))}"
    path.write_bytes(pickle.dumps(trace))
    with _no_interrupts():  # the processes started here inherit it
        return own.submit(_prepare_file, path, preparation, root)


def _prepare_file(path: Path, preparation: Preparation, root: Path) -> Counts:
    signal.signal(signal.SIGTERM, _leave)  # so that no draft of windows is left behind
    trace: Trace = pickle.loads(path.read_bytes())  # noqa: S301 - our own parent wrote it
    return prepare(trace, preparation, root)


def _leave(*_signal: object) -> None:
    sys.exit(1)


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Ctrl-C reaches all processes of a terminal. Only this one knows what to do about it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
