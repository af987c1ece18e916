"""Jobs run wherever an executor runs them: threads, processes, a cluster; some of which die."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import (
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import contextmanager
from dataclasses import fields, replace
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import psutil
import pytest

from chronotick.cli.comparing_place import on_cluster
from chronotick.lab.comparing import Comparison, Settings, Stage, compare_traces
from chronotick.lab.comparing.jobs import loaded
from chronotick.lab.comparing.nodes import Everywhere, on_dask
from chronotick.lab.traces import Trace, Traces
from chronotick.plugin.registry import Plugins

MakeSettings = Callable[..., Settings]
Watch = Callable[[Stage], None]


class Elsewhere:
    """Compares with the executor of a test."""

    def __init__(self, plugins: Plugins, clocks: Traces, settings: MakeSettings, out: Path) -> None:
        self.plugins, self.clocks, self.out, self._settings = plugins, clocks, out, settings

    def __call__(
        self,
        executor: Executor | None = None,
        models: str = "echo",
        watch: Watch = lambda _stage: None,
        *,
        everywhere: Everywhere | None = None,
        lanes: int | None = None,
        **more: object,
    ) -> Comparison:
        return compare_traces(
            models.split(),
            self.clocks,
            self._settings(**more),
            self.out,
            executor=executor,
            everywhere=everywhere,
            lanes=lanes,
            plugins=self.plugins,
            watch=watch,
        )


@pytest.fixture
def elsewhere(
    plugins: Plugins, clocks: Traces, make_settings: MakeSettings, tmp_path: Path
) -> Elsewhere:
    return Elsewhere(plugins, clocks, make_settings, tmp_path / "out")


@pytest.fixture
def prepared(elsewhere: Elsewhere, compared: Comparison, known_windows: Path) -> Elsewhere:
    """The same where the windows are there already."""
    elsewhere.out.mkdir()
    (elsewhere.out / "windows").symlink_to(known_windows)
    return elsewhere


def same(found: Comparison, wanted: Comparison) -> None:
    """Rows are the same, but for how long they took."""
    keys = ["model", "trace", "horizon_s", "origin_s"]
    tables = [
        each.rows.drop(columns=["latency_s", "alone_s"]).sort_values(keys).reset_index(drop=True)
        for each in (found, wanted)
    ]
    pd.testing.assert_frame_equal(*tables)


@contextmanager
def spawned(count: int) -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as executor:
        yield executor


def test_processes_compute_what_threads_compute(prepared: Elsewhere, compared: Comparison):
    with spawned(1) as executor:
        same(prepared(executor), compared)


def test_without_an_executor_processes_make_windows_and_threads_ask(
    elsewhere: Elsewhere, compared: Comparison
):
    stages: list[Stage] = []
    same(elsewhere(None, watch=stages.append), compared)
    assert [stage.done["windows"] for stage in stages if stage.name == "windows"] == [
        (0, 2),
        (1, 2),
        (2, 2),
    ]
    asked = [stage.done for stage in stages if stage.name == "asked"]
    assert asked[0]["echo"] == (0, 24)
    assert asked[-1] == dict.fromkeys(
        ("kalman", "naive", "drift", "hold", "line", "echo"), (24, 24)
    )
    assert not loaded()._residents  # their processes have ended


def test_models_end_with_the_run_whoever_owns_the_executor(prepared: Elsewhere):
    with ThreadPoolExecutor(2) as executor:
        prepared(executor)
        assert not loaded()._residents
    assert not [each for each in psutil.Process().children() if "worker" in each.name()]


class Once:
    """An executor that runs nothing, and of which every future ends the same way."""

    _max_workers = 3

    def __init__(self, end: Callable[[Future], None]) -> None:
        self._end = end
        self.submitted = 0

    def submit(self, *_work: object) -> Future:
        self.submitted += 1
        future: Future = Future()
        self._end(future)
        return future


def test_jobs_that_an_executor_loses_are_tried_twice_and_told(
    prepared: Elsewhere, compared: Comparison
):
    prepared(None, "")  # yardsticks are there
    lost = Once(lambda future: future.set_exception(ConnectionError("the node went away")))
    found = prepared(lost, "echo")
    rows = found.rows[found.rows["model"] == "echo"]
    words = "the job was lost: ConnectionError: the node went away"
    assert set(rows["status"]) == {words}
    assert lost.submitted == 2 * 2
    assert [each["reason"] for each in found.problems] == [f"echo: {words}"]
    same(prepared(None), compared)


def test_jobs_that_an_executor_cancels_are_told(prepared: Elsewhere):
    prepared(None, "")

    def cancel(future: Future) -> None:
        future.cancel()
        future.set_running_or_notify_cancel()

    found = prepared(Once(cancel), "echo")
    rows = found.rows[found.rows["model"] == "echo"]
    assert set(rows["status"]) == {"the job was lost: CancelledError: CancelledError"}


def test_a_process_that_is_killed_loses_jobs_and_the_next_run_does_them(
    prepared: Elsewhere, compared: Comparison
):
    """Of a pool one of whose processes died nothing more can be had (BrokenProcessPool)."""
    killed: list[int] = []
    with spawned(1) as executor:

        def kill(stage: Stage) -> None:
            if stage.name == "asked" and stage.done["kalman"][0] and not killed:
                killed.extend(executor._processes)
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)

        found = prepared(executor, watch=kill)
    assert killed
    lost = found.rows[found.rows["status"] != "ok"]
    assert lost["status"].str.startswith("the job was lost: BrokenProcessPool").all()
    assert 0 < len(lost) < len(found.rows) == len(compared.rows)
    same(prepared(None), compared)


class Outdated(Once):
    """An executor whose processes have another version of ChronoTick."""

    def __init__(self) -> None:
        super().__init__(lambda future: future.set_result({"another key": 3}))


def test_windows_of_another_version_are_not_taken(elsewhere: Elsewhere):
    found = elsewhere(Outdated(), "")
    assert found.rows.empty
    reasons = {each["reason"].partition(".")[0] for each in found.problems}
    assert reasons == {"its windows were made by other code than this"}


def test_a_trace_whose_process_is_killed_is_left_out(elsewhere: Elsewhere, compared: Comparison):
    with spawned(1) as executor:

        def kill(stage: Stage) -> None:
            if stage == Stage("windows", {"windows": (0, 2)}):
                for pid in [*executor._processes]:
                    os.kill(pid, signal.SIGKILL)

        found = elsewhere(executor, "", watch=kill)
    assert found.rows.empty
    reasons = [each["reason"] for each in found.problems]
    assert all("no windows could be made: BrokenProcessPool" in each for each in reasons)
    assert len(reasons) == 2


class Deadly(Trace):
    """A trace whose process dies when it reads it."""

    def __reduce__(self) -> tuple[object, ...]:
        return _die, ()


def _die() -> None:
    os._exit(9)


def test_a_trace_that_kills_its_process_does_not_take_others_with_it(
    elsewhere: Elsewhere, compared: Comparison
):
    deadly = Deadly(
        **{each.name: getattr(elsewhere.clocks.traces[0], each.name) for each in fields(Trace)}
    )
    named = replace(deadly, name="deadly", digest="0" * 64)
    elsewhere.clocks = replace(elsewhere.clocks, traces=(named, *elsewhere.clocks.traces))
    found = elsewhere(None, "")
    (problem,) = found.problems
    assert problem["name"] == "deadly"
    assert "BrokenProcessPool" in problem["reason"]
    assert set(found.rows["trace"]) == set(compared.rows["trace"])


def test_an_executor_that_was_shut_down_is_told(elsewhere: Elsewhere):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    found = elsewhere(executor, "")
    assert found.rows.empty
    assert {"no windows could be made: RuntimeError"} == {
        each["reason"].partition(": cannot")[0] for each in found.problems
    }


def test_an_interrupted_repetition_hides_nothing(prepared: Elsewhere):
    first = prepared(None)

    def interrupt(stage: Stage) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepared(None, watch=interrupt)
    pd.testing.assert_frame_equal(Comparison(prepared.out).rows, first.rows)


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """A scheduler and two processes that work for it."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as started,
        distributed.Client(started) as client,
    ):
        yield client


def models_of(cluster) -> list[psutil.Process]:
    """Processes of models that the workers of a cluster have loaded."""
    pids = cluster.run(os.getpid).values()
    return [child for pid in pids for child in psutil.Process(pid).children(recursive=True)]


def thread() -> str:
    """Name of the thread it is called in."""
    return threading.current_thread().name


def room() -> int:
    """How many models the process it is called in may keep."""
    return loaded().room


class TestDask:
    pytestmark = pytest.mark.timeout(240)

    def test_a_cluster_computes_what_threads_compute(
        self, cluster, elsewhere: Elsewhere, compared: Comparison
    ):
        same(elsewhere(cluster.get_executor(pure=False)), compared)

    def test_workers_elsewhere_have_another_working_directory(
        self, cluster, elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """Results lie where the command runs, not where workers were started."""
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        elsewhere.out = Path("relative")
        found = elsewhere(cluster.get_executor(pure=False), "")
        assert (found.rows["status"] == "ok").all()
        assert (tmp_path / "here" / "relative" / "windows").is_dir()

    def test_the_command_line_finds_a_cluster_and_leaves_no_model_there(
        self, cluster, prepared: Elsewhere
    ):
        address = cluster.scheduler.address.removeprefix("tcp://")
        with on_cluster(address, None) as place:
            assert place["lanes"] == 2  # one thread in each process
            loaded_there: list[psutil.Process] = []
            found = prepared(**place, watch=lambda _stage: loaded_there.extend(models_of(cluster)))
            assert loaded_there
        assert (found.rows["status"] == "ok").all()
        assert not models_of(cluster)
        assert set(cluster.run(room).values()) == {1}

    def test_what_takes_long_does_not_keep_workers_from_being_heard_of(self, cluster):
        """Building an environment takes minutes; their event loop has to go on."""
        assert {*cluster.run(thread).values()} == {"MainThread"}
        named = on_dask(cluster)(thread)
        assert len(named) == 2
        assert "MainThread" not in named.values()

    def test_the_work_of_a_worker_that_is_killed_is_done_by_the_other(
        self, cluster, prepared: Elsewhere, compared: Comparison
    ):
        killed: list[int] = []

        def kill(stage: Stage) -> None:
            if stage.name == "asked" and stage.done["kalman"][0] and not killed:
                pids = sorted(cluster.run(os.getpid).values())
                killed.append(pids[0])
                os.kill(pids[0], signal.SIGKILL)

        everywhere = on_dask(cluster)
        found = prepared(cluster.get_executor(pure=False), watch=kill, everywhere=everywhere)
        assert killed
        if (found.rows["status"] != "ok").any():  # then it was said, and the next run does it
            assert found.problems
            found = prepared(cluster.get_executor(pure=False))
        same(found, compared)
