"""``chronotick.lab.compare``: models on the same traces, from files to results."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chronotick.daemon.logs import quieten
from chronotick.lab.comparing.clockwise import gauge
from chronotick.lab.comparing.comparison import Comparison
from chronotick.lab.comparing.contestants import Contestant, contestants
from chronotick.lab.comparing.grids import NS_PER_S, Grid
from chronotick.lab.comparing.jobs import WINDOWS, Job
from chronotick.lab.comparing.nodes import Everywhere, Nodes, everywhere_of
from chronotick.lab.comparing.placing import check_place
from chronotick.lab.comparing.provenance import now
from chronotick.lab.comparing.running import Progress, is_done, run
from chronotick.lab.comparing.settings import Settings, configured, run_of
from chronotick.lab.comparing.store import ResultsError, Store
from chronotick.lab.comparing.windowing import Usable, make_windows
from chronotick.lab.traces import Trace, Traces, read_traces
from chronotick.plugin.registry import Plugins, load_plugins

FEW_MODELS = 2  # that share a machine: each takes threads and memory


@dataclass(frozen=True, slots=True)
class Stage:
    """What a run is doing: ``windows`` made of traces, ``environments`` built, models ``asked``."""

    name: str
    done: Mapping[str, tuple[int, int]]


Watcher = Callable[[Stage], None]


def compare_traces(
    models: Sequence[str],
    traces: Traces,
    settings: Settings,
    out: Path,
    *,
    executor: Executor | None = None,
    everywhere: Everywhere | None = None,
    lanes: int | None = None,
    plugins: Plugins | None = None,
    command: Sequence[str] = (),
    watch: Watcher = lambda _stage: None,
) -> Comparison:
    """Compare models; see :func:`chronotick.lab.compare`.

    Raises:
        UnknownModel: no plugin provides a model.
        ResultsError: ``out`` cannot be written to, or holds other results; or another run writes
            there.
    """
    compared = contestants(models, plugins or load_plugins(), settings.workers, settings.device)
    store = Store(out.absolute())  # workers elsewhere have another working directory
    nodes = Nodes(everywhere or everywhere_of(executor))
    jobs_at_once = lanes or _room(executor)
    problems = [asdict(problem) for problem in traces.problems]
    about = run_of(command, settings, compared, traces, problems)
    total = len(traces.traces)
    with ExitStack() as stack:
        stack.enter_context(store.writing())
        is_first = not store.has_runs()
        if is_first:  # else the newest run is shown until it is known which rows this one wants
            store.record(about)
        try:
            usable = make_windows(
                traces.traces,
                settings.preparation,
                store.windows,
                executor=executor,
                processes=lanes,
                watch=lambda done: watch(Stage("windows", {"windows": (done, total)})),
            )
            problems += [_problem(trace, why) for trace, why in usable.refused]
            jobs = list(_jobs(compared, usable, settings, store))
            about["jobs"] = [(job.contestant.name, job.name) for job in jobs]
            store.record(about)
            missing = {job.contestant.name for job in jobs if not is_done(job, store)}
            stack.callback(nodes.leave)
            nodes.make_room(jobs_at_once)
            nodes.synchronise(
                [each for each in compared if each.name in missing],
                lambda *ready: watch(Stage("environments", {"environments": ready})),
            )
        except KeyboardInterrupt:
            if is_first or about["jobs"]:
                store.record(about | {"ended": now(), "interrupted": True})
            raise
        if executor is None:
            executor = stack.enter_context(ThreadPoolExecutor(jobs_at_once, "models"))
        progress = run(jobs, executor, store, lanes=jobs_at_once, watch=_told(watch))
        told = (*nodes.problems, *progress.problems)
        problems += [{"name": "", "path": "", "reason": words} for words in told]
        about |= {"ended": now(), "interrupted": progress.interrupted}
        store.record(about)
    return Comparison(out)


def compare(
    models: Sequence[str],
    traces: str | Sequence[str],
    out: Path | str,
    *,
    horizons_s: Sequence[float] = (64.0, 256.0, 1024.0, 3600.0),
    settings: Settings | None = None,
    **options: Any,  # noqa: ANN401 - of compare_traces
) -> Comparison:
    """Compare models on the same traces.

    Args:
        models: names; the yardsticks ``kalman``, ``hold``, ``line``, ``naive``, ``drift`` and, for
            series with a season, ``seasonal`` are compared in any case.
        traces: files, directories or patterns; see :func:`chronotick.lab.traces.read_traces`.
        out: directory of results. What is there already is not computed again.
        horizons_s: how far ahead forecasts are judged, in s; unless ``settings`` say it.
        settings: everything else; ``None``: environments, weights and assumptions of the estimator
            as the user's configuration (file and ``CHRONOTICK_`` variables) says.
        options: ``executor`` (any :class:`concurrent.futures.Executor`), ``everywhere`` (calls a
            function in each of its processes, as :func:`~chronotick.lab.comparing.nodes.on_dask`
            does; environments are built through it), ``lanes`` (jobs at once; as many as the
            executor's workers, if it tells, else two), ``plugins``, ``watch``.

    Returns:
        The results.

    Raises:
        UnknownModel: no plugin provides a model.
        ConfigError: the user's configuration is wrong.
        ResultsError: no trace can be used, nothing was computed, or ``out`` cannot be written to,
            holds something else or is where the traces are.
        RuntimeError: a script calls it without the guard that processes need.
    """
    _check_main()
    patterns = [traces] if isinstance(traces, str) else list(traces)
    chosen = settings or configured(horizons_s)
    quieten()  # what becomes of workers is told in the results
    check_place(Path(out), patterns)
    read = read_traces(patterns)
    if not read.traces:
        reasons = "; ".join(f"{each.name or each.path}: {each.reason}" for each in read.problems)
        raise ResultsError(f"no trace can be used: {reasons}")
    check_place(Path(out), patterns, read.traces)
    found = compare_traces(models, read, chosen, Path(out), **options)
    if found.is_empty:
        reasons = "; ".join(f"{each['name']}: {each['reason']}" for each in found.problems)
        raise ResultsError(f"nothing was computed: {reasons or 'no trace has a window'}")
    return found


def _check_main() -> None:
    """Refuse to begin once more in each process that makes windows, which runs the script again."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(
            "compare() makes windows in processes of their own, which run your script again. Call "
            "it below `if __name__ == '__main__':`"
        )


def _jobs(
    compared: Sequence[Contestant], usable: Usable, settings: Settings, store: Store
) -> list[Job]:
    # On all traces or on none: models are compared on what all of them were asked.
    seasonal = any(trace.season > 1 for trace, _counts in usable.counts)
    return [
        job
        for contestant in compared
        for trace, counts in usable.counts
        if contestant.name != "seasonal" or seasonal
        for job in _jobs_on(contestant, trace, counts, settings, store)
    ]


def _jobs_on(
    contestant: Contestant,
    trace: Trace,
    counts: Mapping[str, int],
    settings: Settings,
    store: Store,
) -> list[Job]:
    preparation, measured = settings.preparation, gauge(trace)
    return [
        Job(
            contestant=contestant,
            directory=store.windows / key,
            journals=store.journals,
            key=key,
            grid=grid,
            label={
                "trace": trace.name,
                "host": trace.host,
                "kind": trace.kind,
                "unit": trace.unit,
                "unit_per_s": measured.unit_per_s,
                "zero": measured.zero,
            },
            start=start,
            stop=min(start + WINDOWS, counts[key]),
            season=_season(trace, grid),
            most_batch=settings.most_batch,
            again=settings.retry_failed,
        )
        for grid in preparation.grids(trace)
        for key in (preparation.key(trace, grid),)
        for start in range(0, counts[key], WINDOWS)
    ]


def _season(trace: Trace, grid: Grid) -> float:
    """Steps of a grid in a season of a trace; 1: none is known."""
    if trace.season == 1:
        return 1.0
    return trace.season * trace.cadence_s * NS_PER_S / grid.step_ns


def _room(executor: Executor | None) -> int:
    """Jobs at once: two models share a machine; other executors know how much room they have."""
    few = min(FEW_MODELS, os.cpu_count() or 1)
    return few if executor is None else int(getattr(executor, "_max_workers", few))


def _told(watch: Watcher) -> Callable[[Progress], None]:
    def tell(progress: Progress) -> None:
        done = {name: (tally[0], tally[1]) for name, tally in progress.windows.items()}
        watch(Stage("asked", done))

    return tell


def _problem(trace: Trace, why: str) -> dict[str, str]:
    return {"path": trace.path, "name": trace.name, "reason": why}
