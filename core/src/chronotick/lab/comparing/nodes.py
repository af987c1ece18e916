"""What is done on each machine before its first job and after its last one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from chronotick.lab.comparing.contestants import Contestant
from chronotick.lab.comparing.jobs import loaded, unload
from chronotick.lab.comparing.sessions import reason_of
from chronotick.plugin.contract import CURRENT_INTERPRETER
from chronotick.workers import EnvironmentProblem, provide

Everywhere = Callable[[Callable[[], Any]], Mapping[str, Any]]
"""Calls a function once in each process that does jobs, and returns what it returned, by process;
see :func:`on_dask`."""


def here(work: Callable[[], Any]) -> Mapping[str, Any]:
    """Call a function in this process, which does the jobs itself."""
    return {"": work()}


def everywhere_of(executor: Executor | None) -> Everywhere | None:
    """Where an executor's jobs are done, if it tells: threads work here."""
    return here if executor is None or isinstance(executor, ThreadPoolExecutor) else None


def on_dask(client: Any) -> Everywhere:  # noqa: ANN401 - distributed.Client, an extra
    """Call functions in every worker of a Dask cluster, in threads: workers go on to be heard of.

    Workers that are lost meanwhile are passed over.
    """

    def everywhere(work: Callable[[], Any]) -> Mapping[str, Any]:
        told: dict[str, Any] = client.run(_in_a_thread, work, on_error="return")
        return {name: each for name, each in told.items() if not isinstance(each, Exception)}

    return everywhere


async def _in_a_thread(work: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it returns
    return await asyncio.to_thread(work)


class Nodes:
    """The machines that do jobs.

    Attributes:
        problems: what went wrong with them, in sentences. Jobs are done all the same.

    Args:
        everywhere: calls something on all of them; ``None``: nobody can. Then environments are
            built by the jobs that need them, and models end with the processes.
    """

    def __init__(self, everywhere: Everywhere | None) -> None:
        self.problems: list[str] = []
        self._everywhere = everywhere or (lambda _work: {})

    def make_room(self, jobs_at_once: int) -> None:
        """Let each process keep as many models as it has jobs at once."""
        processes = len(self._call(os.getpid))
        if processes:
            self._call(partial(_make_room, -(-jobs_at_once // processes)))

    def synchronise(
        self, compared: Iterable[Contestant], watch: Callable[[int, int], None]
    ) -> None:
        """Build environments that are missing, once on each machine, model by model.

        Processes of one machine wait for the one that builds. What goes wrong is said by the jobs
        of the model, which try again.

        Args:
            compared: models that will be asked.
            watch: told how many of how many are ready.
        """
        housed = [each for each in compared if has_environment(each)]
        for number, contestant in enumerate(housed):
            watch(number, len(housed))
            self._call(partial(_provide, contestant))
        if housed:
            watch(len(housed), len(housed))

    def leave(self) -> None:
        """End the models that are loaded."""
        with suppress(Exception):  # processes may be gone, and their models with them
            self._everywhere(unload)

    def _call(self, work: Callable[[], Any]) -> Mapping[str, Any]:
        try:
            return self._everywhere(work)
        except Exception as error:  # noqa: BLE001 - of whatever connects the machines
            words = f"nodes could not be prepared: {type(error).__name__}: {reason_of(error)}"
            if words not in self.problems:
                self.problems.append(words)
            return {}


def has_environment(contestant: Contestant) -> bool:
    """Whether a model runs in an environment of its own, on the machine that asks it."""
    environment = None if contestant.spec is None else contestant.spec.environment
    is_remote = contestant.name in contestant.workers.remote
    return environment not in {None, CURRENT_INTERPRETER} and not is_remote


def _make_room(models: int) -> None:
    loaded().room = models


def _provide(contestant: Contestant) -> None:
    assert contestant.spec is not None  # noqa: S101 - it has an environment
    workers = contestant.workers
    with suppress(EnvironmentProblem):
        provide(
            contestant.spec,
            workers.environments,
            contestant.device,
            allowed=workers.build,
            offline=workers.offline,
        ).release()
