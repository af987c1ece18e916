"""The simple client and the agent: run as a user runs them, on a record of the real writer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.shm.layout import Status
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

EXAMPLES = Path(__file__).parent.parent / "examples"
SIMPLE = EXAMPLES / "simple_client" / "simple_client.py"
AGENT = EXAMPLES / "agent" / "agent.py"


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[RecordWriter]:
    writer = RecordWriter(tmp_path / "record")
    yield writer
    writer.close()


def run(program: Path, record: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", program, record]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_simple_client_reads_waits_and_orders(writer: RecordWriter):
    writer.write(good_record())
    done = run(SIMPLE, writer.path)
    assert done.returncode == 0, done.stderr
    assert "from ntp" in done.stdout
    assert "still ours? yes" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("before it? yes")


def test_the_simple_client_says_unknown_where_the_clock_cannot_tell(writer: RecordWriter):
    writer.write(replace(good_record(), bound_ns=100_000_000))
    done = run(SIMPLE, writer.path)
    assert "first before second? unknown" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("before it? yes")


def test_the_simple_client_goes_on_with_system_time_as_far_as_that_is_possible(tmp_path: Path):
    done = run(SIMPLE, tmp_path / "none")
    assert done.returncode == 3
    assert "from system" in done.stdout
    assert "run: chronotick run" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("status", [Status.WARMING_UP, Status.DISRUPTED])
def test_the_simple_client_does_not_promise_what_the_daemon_does_not(
    writer: RecordWriter, status: Status
):
    writer.write(replace(good_record(), status=status))
    done = run(SIMPLE, writer.path)
    assert done.returncode == 4
    assert "a time without a promise" in done.stderr


def test_the_agent_asks_waits_and_compares(writer: RecordWriter):
    writer.write(good_record())
    done = run(AGENT, writer.path)
    assert done.returncode == 0, done.stderr
    assert "wait_until" in done.stdout
    assert done.stdout.index("compare_times: unknown.") < done.stdout.index("wait_until: ")
    assert done.stdout.index("wait_until: ") < done.stdout.index("compare_times: before.")
    assert "asked for too much: get_time_with_future_uncertainty" in done.stdout


def test_the_agent_asks_the_daemon_that_the_environment_names(
    writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
):
    writer.write(good_record())
    monkeypatch.setenv("CHRONOTICK_SHM", str(writer.path))
    command = [sys.executable, "-W", "error", AGENT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("option", "code"), [("--help", 0), ("--shm", 2)])
def test_an_option_of_the_agent_is_no_record(option: str, code: int):
    done = subprocess.run([sys.executable, AGENT, option], capture_output=True, check=False)
    assert done.returncode == code


def test_the_agent_hears_that_there_is_no_daemon(tmp_path: Path):
    done = run(AGENT, tmp_path / "none")
    assert done.returncode == 1
    assert "no time to be had" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_example_is_on_its_page():
    page = (EXAMPLES.parent / "docs" / "examples.md").read_text()
    assert {path.name for path in EXAMPLES.iterdir() if f"`{path.name}`" not in page} == set()
