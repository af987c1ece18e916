"""Fixtures for every test in the workspace: a real time server on loopback."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from chronotick.ntp.testing import ChronydError, find_chronyd, running_chronyd

StartChronyd = Callable[..., AbstractContextManager[int]]


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
