"""A comparison whose models run under Slurm, through submitit: ``pip install submitit``.

    python compare_on_slurm.py --traces 'DIR/*.csv.gz' --models chronos,toto --out /shared/results

``--cluster local`` runs the same jobs as processes of this machine, to try things out. Results,
traces and environments have to be on file systems that all nodes see.
"""
# ruff: noqa: INP001, ANN401 - a program, not a package; it hands on whatever it is given

from __future__ import annotations

import argparse
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import submitit

from chronotick.config import load
from chronotick.lab import compare
from chronotick.lab.comparing import Preparation, Settings

POLL_S = 2.0


class SubmititExecutor(Executor):
    """An executor of submitit as one of :mod:`concurrent.futures`.

    Its jobs have ``done()`` and ``result()`` but are no futures: nothing can wait for the first of
    them. Here a thread looks after them and completes futures.

    Args:
        executor: of submitit.
        poll_s: between looks.
    """

    def __init__(self, executor: submitit.AutoExecutor, poll_s: float = POLL_S) -> None:
        self._executor = executor
        self._poll_s = poll_s
        self._running: list[tuple[submitit.Job[Any], Future[Any]]] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a job."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        job = self._executor.submit(fn, *args, **kwargs)
        with self._lock:
            self._running.append((job, future))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop looking; what still runs is cancelled if that is asked for."""
        with self._lock:
            running = list(self._running)
        if cancel_futures:
            for job, _future in running:
                job.cancel()
        elif wait:
            for _job, future in running:
                future.exception()
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._poll_s):
            with self._lock:
                done = [each for each in self._running if each[0].done()]
                self._running = [each for each in self._running if each not in done]
            for job, future in done:
                _complete(job, future)


def _complete(job: submitit.Job[Any], future: Future[Any]) -> None:
    try:
        future.set_result(job.result())
    except Exception as error:  # noqa: BLE001 - whatever the job ended with
        future.set_exception(error)


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", required=True)
    parser.add_argument("--models", default="")
    parser.add_argument("--checkpoint", action="append", default=[], metavar="MODEL=WEIGHTS")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--cluster", default="slurm", choices=("slurm", "local"))
    parser.add_argument("--at-once", type=int, default=8, help="jobs in the queue")
    asked = parser.parse_args()
    executor = submitit.AutoExecutor(folder=asked.out / "slurm", cluster=asked.cluster)
    executor.update_parameters(name="compare", timeout_min=60, cpus_per_task=4, mem_gb=16)
    if asked.cluster == "slurm":  # whatever your cluster wants
        executor.update_parameters(slurm_partition="gpu", gpus_per_node=1)
    weights = dict(each.split("=", 1) for each in asked.checkpoint)
    workers = load(None, os.environ, {"workers.checkpoints": weights}).config.workers
    horizons_s = (64.0, 256.0, 1024.0, 3600.0)
    settings = Settings(preparation=Preparation(horizons_s=horizons_s), workers=workers)
    models = [each for each in asked.models.split(",") if each]
    compare([], asked.traces, asked.out, settings=settings)  # windows and yardsticks, here
    with SubmititExecutor(executor) as jobs:  # and the models there
        compared = compare(
            models, asked.traces, asked.out, settings=settings, executor=jobs, lanes=asked.at_once
        )
    print(compared.leaderboard())  # noqa: T201 - the result
    compared.report()


if __name__ == "__main__":
    main()
