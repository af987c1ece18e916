"""Starting worker processes, seeing at once that they end, and ending them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import Final

from chronotick.workers.child import Bootstrap
from chronotick.workers.leases import Lease, command
from chronotick.workers.output import OutputTail
from chronotick.workers.standing import Standing, stand_back

# Bytes. Freed memory up to this is kept for the next forecast: what glibc gives back to the kernel
# has to be cleared page by page before it can be used again, which costs more than copying it.
_KEPT_FREE: Final = str(16 * 2**20)

_INHERITED: Final = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "HF_ENDPOINT",
    "HF_TOKEN",
    "CUDA_VISIBLE_DEVICES",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


def worker_variables(environ: Mapping[str, str], *, threads: int, offline: bool) -> dict[str, str]:
    """Environment variables of a worker: an allow-list, thread limits, and offline if asked.

    What is left out (``PYTHON*``, ``VIRTUAL_ENV``, ``UV_*``, ``LD_PRELOAD`` and so on) would make
    the worker run on modules that are not its environment's. The thread limits must be there
    before numpy and torch are imported. Passive waiting: with spinning OpenMP threads a contended
    machine needs twenty times as long for a forecast.
    """
    chosen = {name: environ[name] for name in _INHERITED if name in environ}
    limit = str(threads)
    chosen |= {
        "OMP_NUM_THREADS": limit,
        "OPENBLAS_NUM_THREADS": limit,
        "MKL_NUM_THREADS": limit,
        "OMP_WAIT_POLICY": "PASSIVE",
        "MALLOC_MMAP_THRESHOLD_": _KEPT_FREE,
        "MALLOC_TRIM_THRESHOLD_": _KEPT_FREE,
        "TOKENIZERS_PARALLELISM": "false",
    }
    if offline:
        chosen["HF_HUB_OFFLINE"] = "1"
    return chosen


class WorkerProcess:
    """A worker's process. ``exited`` is done as soon as the kernel says that it has ended."""

    def __init__(self, popen: subprocess.Popen[bytes], logger: logging.Logger) -> None:
        loop = asyncio.get_running_loop()
        assert popen.stdout is not None  # noqa: S101 - launched with a pipe, see below
        self.pid = popen.pid
        self.exited: asyncio.Future[int] = loop.create_future()
        self.output = OutputTail(popen.stdout.fileno(), logger)
        self._popen = popen
        self._loop = loop
        self._pidfd = os.pidfd_open(popen.pid)
        loop.add_reader(self._pidfd, self._on_exit)
        loop.add_reader(self.output.descriptor, self._on_output)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and everything it started; nothing if it has ended."""
        if not self.exited.done():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def end(self, grace_s: float) -> int:
        """SIGTERM, then SIGKILL after ``grace_s``; returns the exit status."""
        self.signal(signal.SIGTERM)
        await asyncio.wait({self.exited}, timeout=grace_s)
        self.signal(signal.SIGKILL)
        return await asyncio.shield(self.exited)

    def _on_output(self) -> None:
        if not self.output.read_some():
            self._loop.remove_reader(self.output.descriptor)

    def _on_exit(self) -> None:
        # The process is a zombie until wait(): its group's number cannot be somebody else's yet.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        returncode = self._popen.wait()
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._loop.remove_reader(self.output.descriptor)
        self.output.read_rest()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()
        self.exited.set_result(returncode)


class Launcher:
    """Starts workers from one thread that lives as long as they do.

    A worker asks the kernel to be killed when the *thread* that started it ends, so neither a
    short-lived thread nor a pool that retires threads may do it.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chronotick-launch")

    async def launch(
        self,
        lease: Lease,
        bootstrap: Bootstrap,
        variables: Mapping[str, str],
        logger: logging.Logger,
        standing: Standing = Standing(),  # noqa: B008 - immutable
    ) -> WorkerProcess:
        """Start a worker.

        Raises:
            OSError: the interpreter cannot be executed, or not with this standing, or no
                descriptors are left; no process stays behind.
        """
        line = command(lease, "chronotick.workers.child")
        loop = asyncio.get_running_loop()
        starting = loop.run_in_executor(self._thread, _start, line, variables, bootstrap, standing)
        try:
            popen = await asyncio.shield(starting)
        except asyncio.CancelledError:
            _discard(await starting)
            raise
        try:
            return WorkerProcess(popen, logger)
        except OSError:  # no descriptor is left: nobody would know when it ends, nor could end it
            _discard(popen)
            raise

    def close(self) -> None:
        """End the thread, and with it every worker still running."""
        self._thread.shutdown(wait=False)


def _start(
    command: Sequence[str],
    variables: Mapping[str, str],
    bootstrap: Bootstrap,
    standing: Standing,
) -> subprocess.Popen[bytes]:
    popen = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(variables),
        cwd="/",
        start_new_session=True,
        bufsize=0,
    )
    assert popen.stdin is not None  # noqa: S101 - a pipe was asked for
    try:
        # The child imports nothing, and starts no thread, before it has read its bootstrap.
        stand_back(popen.pid, standing)
    except OSError:
        _discard(popen)
        raise
    with suppress(BrokenPipeError):  # it is dead already: the pidfd will tell
        popen.stdin.write(json.dumps(asdict(bootstrap)).encode() + b"\n")
    return popen


def _discard(popen: subprocess.Popen[bytes]) -> None:
    """End a process that nobody wants any more."""
    popen.kill()
    popen.communicate()
