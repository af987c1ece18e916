"""Fixtures for every test in the workspace: a real time server, real model environments."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from chronotick.ntp.testing import ChronydError, find_chronyd, running_chronyd
from chronotick.plugin import ModelSpec
from chronotick.workers import EnvironmentProblem, Lease, command, provide

StartChronyd = Callable[..., AbstractContextManager[int]]

# A busy machine stalls any example for longer than hypothesis allows by itself.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(autouse=True)
def same_log_level() -> Iterator[None]:
    """Commands that run in this process set the level of our log; the next test starts anew."""
    log = logging.getLogger("chronotick")
    level = log.level
    yield
    log.setLevel(level)


@pytest.fixture(scope="session")
def start_chronyd() -> StartChronyd:
    """Run a private chronyd, with further directives, for the length of a ``with`` block.

    Where the program is missing the test is skipped; under CI (variable ``CI``) it fails, so that
    a green run always means that real packets were exchanged.
    """
    try:
        find_chronyd()
    except ChronydError as error:
        if os.environ.get("CI"):
            pytest.fail(f"{error} (CI is set: skipping is not allowed)")
        pytest.skip(str(error))
    return running_chronyd


@pytest.fixture(scope="session")
def chronyd_port(start_chronyd: StartChronyd) -> Iterator[int]:
    """UDP port of a chronyd on 127.0.0.1 and ::1 that serves this host's clock, stratum 1."""
    with start_chronyd() as port:
        yield port


@pytest.fixture(scope="session")
def environments() -> Path:
    """Where model environments are built, kept between runs: building takes a minute."""
    chosen = os.environ.get("CHRONOTICK_TEST_ENVS")
    return Path(chosen) if chosen else Path(__file__).parent / ".cache" / "envs"


@pytest.fixture(scope="session")
def environment_of(environments: Path) -> Iterator[Callable[[ModelSpec], Lease]]:
    """Build a model's environment and return a lease on it; see ``chronotick.workers.command``.

    Where that is impossible (no network, no fitting Python) the test is skipped with the reason;
    under CI it fails.
    """
    with ExitStack() as leases:

        def build(spec: ModelSpec) -> Lease:
            try:
                lease = provide(spec, environments, "cpu")
            except EnvironmentProblem as problem:
                if os.environ.get("CI"):
                    raise
                pytest.skip(str(problem))
            leases.callback(lease.release)
            return lease

        yield build


@pytest.fixture(scope="session")
def run_in_environment(
    environment_of: Callable[[ModelSpec], Lease],
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a module of ours, or a script, in a model's environment; it must succeed.

    ``run_in_environment(spec, "chronotick_chronos.tiny", directory)``
    """

    def run(
        spec: ModelSpec, module: str | Path, *arguments: str | Path
    ) -> subprocess.CompletedProcess[str]:
        line = command(environment_of(spec), module, *arguments)
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(f"{line} ended with {done.returncode}:\n{done.stderr}")
        return done

    return run
