"""Running the real daemon in a process of its own, in a directory of its own."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chronotick.client import ChronoTick, ChronoTickError
from chronotick.client.control import ask
from chronotick.config.schema import Workers
from chronotick.plugin import ModelSpec, load_plugins
from chronotick.shm.layout import Flags, Status
from chronotick.shm.reader import RecordReader
from chronotick.testing import random_checkpoint

START_S = 60.0
_TEST_S = 300  # several times that: a daemon, its models, and what happens to them


@dataclass
class RunningDaemon:
    """A daemon under test."""

    directory: Path
    options: tuple[str, ...]
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def record(self) -> Path:
        return self.directory / "record"

    @property
    def clock(self) -> ChronoTick:
        return ChronoTick(self.record)

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    def start(self) -> None:
        command = [sys.executable, "-m", "chronotick", "run", *self.options]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, env=self.environ, stderr=log)

    def ask(self, method: str) -> Any:  # noqa: ANN401 - any JSON type
        return ask(method, socket_path=self.directory / "control.sock")

    def wait_for(self, *statuses: Status, timeout_s: float = START_S) -> None:
        self.wait_until(lambda: self.status in statuses, timeout_s)

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = START_S) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if condition():
                return
            if self.process.poll() is not None:
                pytest.fail(f"the daemon ended with {self.process.returncode}:\n{self.log}")
            time.sleep(0.05)
        pytest.fail(f"not within {timeout_s} s; the daemon's log:\n{self.log}")

    @property
    def status(self) -> Status | None:
        try:
            return self.clock.now(allow_unsynchronised=True).status
        except ChronoTickError:
            return None

    @property
    def sources(self) -> dict[str, dict[str, Any]]:
        """What it says of each source, by name."""
        try:
            return {source["name"]: source for source in self.ask("sources")}
        except ChronoTickError:  # it does not listen yet
            return {}

    @property
    def is_authenticated(self) -> bool:
        with contextlib.closing(RecordReader(self.record)) as reader:
            record, _ = reader.read()
        return bool(record.flags & Flags.AUTHENTICATED)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=START_S)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests of running daemons time on a busy machine."""
    for item in items:
        if "start_daemon" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(_TEST_S))


StartDaemon = Callable[..., RunningDaemon]


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[StartDaemon]:
    """Start daemons with options of ``chronotick run``; all are ended after the test.

    Daemons with the same ``name`` share record, history and sockets.
    """
    with contextlib.ExitStack() as stack:

        def start(*options: str, name: str = "daemon", **variables: str) -> RunningDaemon:
            directory = tmp_path / name
            directory.mkdir(exist_ok=True)
            daemon = RunningDaemon(directory, options, _environ(directory, variables))
            daemon.start()
            stack.callback(_end, daemon)
            return daemon

        yield start


def _environ(directory: Path, variables: Mapping[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CHRONOTICK_")}
    return kept | {
        "CHRONOTICK_SHM": str(directory / "record"),
        "CHRONOTICK_CONTROL": str(directory / "control.sock"),
        "CHRONOTICK_HISTORY__PATH": str(directory / "history.sqlite3"),
        **variables,
    }


def _end(daemon: RunningDaemon) -> None:
    if daemon.process.poll() is None:
        daemon.process.kill()
    daemon.process.wait(timeout=START_S)


@pytest.fixture(scope="session")
def tiny_weights(
    environment_of: Callable[[ModelSpec], object],
    environments: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Path]:
    """A tiny random checkpoint of a model, made by its library's own classes, once."""
    directory, config = tmp_path_factory.mktemp("weights"), Workers(environments=environments)

    @functools.cache
    def written(model: str) -> Path:
        spec = load_plugins().find(model)
        environment_of(spec)
        return random_checkpoint(spec, directory / model, config)

    return written


@pytest.fixture
def chronyd(chronyd_port: int) -> str:
    """Address of a real chronyd."""
    return f"127.0.0.1:{chronyd_port}"
