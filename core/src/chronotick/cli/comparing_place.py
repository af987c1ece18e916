"""Where ``chronotick compare`` lets jobs run, and how Ctrl-C ends them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from chronotick.cli.output import fail

DASK_PATIENCE_S = 10.0  # for an answer of its scheduler
FEW_THREADS = 2  # models that share a machine: each takes memory, and threads of its own


@contextmanager
def place_of(where: str, jobs: int | None) -> Iterator[dict[str, Any]]:
    """Where jobs run, as arguments of ``compare_traces``."""
    if where == "local":
        yield {"lanes": jobs}
    elif where == "threads":
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(jobs or FEW_THREADS) as executor:
            yield {"executor": executor, "lanes": jobs or FEW_THREADS}
    elif where.startswith("dask://") and where.rpartition(":")[2].isdecimal():
        with on_cluster(where.removeprefix("dask://"), jobs) as cluster:
            yield cluster
    else:
        raise click.BadParameter(
            f"{where!r}: local, threads or dask://HOST:PORT", param_hint="--executor"
        )


@contextmanager
def on_cluster(address: str, jobs: int | None) -> Iterator[dict[str, Any]]:
    """The workers of a Dask cluster, as arguments of ``compare_traces``."""
    try:
        from distributed import Client
    except ImportError:
        fail("--executor dask:// needs Dask. Run: pip install 'chronotick[dask]'")
    try:
        client = Client(f"tcp://{address}", timeout=DASK_PATIENCE_S)
    except OSError as error:
        fail(f"no Dask scheduler answers at {address}: {error}")
    from chronotick.lab.comparing.nodes import on_dask

    with client:
        yield {
            "executor": client.get_executor(pure=False),
            "everywhere": on_dask(client),
            "lanes": jobs or max(sum(client.nthreads().values()), 1),
        }


@contextmanager
def interruptible_once() -> Iterator[None]:
    """Let the first Ctrl-C end a run in good order, and a second one end it at once."""

    def interrupt(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        click.echo(
            "ending after the jobs that are running; Ctrl-C again ends at once. Either way the "
            "same command goes on from here",
            err=True,
        )
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
