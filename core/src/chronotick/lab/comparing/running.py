"""Jobs given to an executor, their rows kept as they come.

Jobs of one model follow each other in a *lane*, so that it is loaded once; as many lanes run at
once as models may be loaded.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass, field

from chronotick.lab.comparing.jobs import Job, Outcome, execute, unanswered
from chronotick.lab.comparing.sessions import reason_of
from chronotick.lab.comparing.store import Store

ATTEMPTS = 2  # at a job whose process was lost
IN_VAIN = 2  # jobs of a model in a row that it never answered in, then it is not asked for others
NOTICE_S = 1.0
"""A signal that comes in the instant before a thread sleeps does not wake it: Ctrl-C is noticed at
the latest after so long."""


@dataclass(slots=True)
class Progress:
    """How far a run is.

    Attributes:
        windows: by model: done, and all.
        problems: what went wrong outside of models, in sentences.
        interrupted: it was ended before all was done.
    """

    windows: dict[str, list[int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    interrupted: bool = False


Watch = Callable[[Progress], None]


def run(
    jobs: Sequence[Job], executor: Executor, store: Store, *, lanes: int, watch: Watch
) -> Progress:
    """Do the jobs that are not done yet.

    Ctrl-C ends it after the jobs that are running; what was done is kept.

    Args:
        jobs: all of the comparison.
        executor: any. Jobs are small; they and their rows can be pickled.
        store: where rows go; jobs whose rows are there are not done again.
        lanes: jobs at once, of different models as long as there are any.
        watch: told after each job.
    """
    progress = Progress()
    waiting: dict[str, deque[Job]] = defaultdict(deque)
    for job in jobs:
        tally = progress.windows.setdefault(job.contestant.name, [0, 0])
        tally[1] += job.stop - job.start
        if is_done(job, store):
            tally[0] += job.stop - job.start
        else:
            waiting[job.contestant.name].append(job)
    watch(progress)
    _Run(executor, store, progress, watch).all(waiting, lanes)
    return progress


def is_done(job: Job, store: Store) -> bool:
    """Whether a job need not be done: its rows are there."""
    model = job.contestant.name
    return store.has(model, job.name) and not (job.again and store.failures(model, job.name))


class _Run:
    def __init__(self, executor: Executor, store: Store, progress: Progress, watch: Watch) -> None:
        self._executor = executor
        self._store = store
        self._progress = progress
        self._watch = watch
        self._running: dict[Future[Outcome], tuple[Job, int]] = {}
        self._in_vain: Counter[str] = Counter()

    def all(self, waiting: dict[str, deque[Job]], lanes: int) -> None:
        """Do everything that waits."""
        try:
            while waiting or self._running:
                self._fill(waiting, lanes)
                self._collect(waiting)
        except KeyboardInterrupt:
            self._progress.interrupted = True
            while self._running:
                self._collect({})

    def _fill(self, waiting: dict[str, deque[Job]], lanes: int) -> None:
        """Submit jobs until all lanes are taken, of models that have none running first."""
        while waiting and len(self._running) < lanes:
            busy = [job.contestant.name for job, _attempt in self._running.values()]
            name = min(waiting, key=busy.count)  # the first of those that run least
            self._submit(waiting[name].popleft(), 1)
            if not waiting[name]:
                del waiting[name]

    def _submit(self, job: Job, attempt: int) -> None:
        try:
            self._running[self._executor.submit(execute, job)] = job, attempt
        except RuntimeError as error:  # the executor is broken, or was shut down
            self._give_up(job, _lost(error))

    def _collect(self, waiting: dict[str, deque[Job]]) -> None:
        done, _pending = wait(self._running, NOTICE_S, FIRST_COMPLETED)
        for future in done:
            job, attempt = self._running.pop(future)
            error = _error_of(future)
            if error is None:
                self._take(job, future.result(), waiting)
            elif attempt < ATTEMPTS and not self._progress.interrupted:
                self._submit(job, attempt + 1)
            else:
                self._give_up(job, _lost(error))

    def _take(self, job: Job, outcome: Outcome, waiting: dict[str, deque[Job]]) -> None:
        self._keep(job, outcome)
        self._in_vain[outcome.model] = outcome.hopeless * (self._in_vain[outcome.model] + 1)
        if self._in_vain[outcome.model] >= IN_VAIN:
            for each in waiting.pop(outcome.model, ()):
                self._give_up(each, outcome.remark)

    def _give_up(self, job: Job, words: str) -> None:
        try:
            outcome = unanswered(job, words)
        except (OSError, ValueError) as error:
            self._problem(f"{job.directory} cannot be read: {error}. Delete it and run it again")
            self._count(job)
        else:
            self._keep(job, outcome)

    def _keep(self, job: Job, outcome: Outcome) -> None:
        try:
            self._store.write(outcome)
        except OSError as error:
            self._problem(f"{outcome.model}: rows could not be kept: {error}. Run it again")
        if outcome.remark:
            self._problem(f"{outcome.model}: {outcome.remark}")
        self._count(job)

    def _count(self, job: Job) -> None:
        self._progress.windows[job.contestant.name][0] += job.stop - job.start
        self._watch(self._progress)

    def _problem(self, words: str) -> None:
        if words not in self._progress.problems:
            self._progress.problems.append(words)


def _error_of(future: Future[Outcome]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:  # by the executor: nobody else does
        return error


def _lost(error: BaseException) -> str:
    """Why there are no rows: the process that did the job is gone, or it is our mistake."""
    return f"the job was lost: {type(error).__name__}: {reason_of(error)}"
