"""A daemon's debug trace, read back: the replay finds what the daemon had found."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chronotick.cli.traced import configuration_of
from chronotick.lab.recordings import Recording
from chronotick.lab.replaying import (
    Agreement,
    Comparison,
    Excerpt,
    Replay,
    TracedRecording,
    read_trace,
)
from chronotick.shm.layout import Status

pytestmark = pytest.mark.chronyd

QUICK = """
clock_measurement:
  timing:
    warm_up: {duration_seconds: 1, measurement_interval: 0.1}
    normal_operation: {measurement_interval: 0.2, max_interval: 0.3}
"""
ENOUGH = 15  # measurements
NOBODY = "127.0.0.1:1"  # nothing listens there


@pytest.fixture
def options(tmp_path: Path, chronyd: str) -> tuple[str, ...]:
    config = tmp_path / "config.yaml"
    config.write_text(QUICK)
    return ("--config", str(config), "--server", chronyd, "--server", NOBODY)


def lines(path: Path) -> list[dict[str, Any]]:
    """Whole lines of a file that may still be written, or may not be there yet."""
    written = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in written if line.endswith("\n")]


def kinds(path: Path) -> Counter[str]:
    return Counter(line.get("kind", "header") for line in lines(path))


def replayed(recording: Recording) -> Agreement:
    assert isinstance(recording, TracedRecording)
    comparison = Comparison(recording.plans)
    config = configuration_of(recording, {}).config
    with Replay(recording, config, Excerpt(at_ns=recording.instants())) as running:
        for estimate in running:
            comparison.add(estimate)
    assert comparison.agreement is not None
    return comparison.agreement


def assert_the_same(recording: TracedRecording) -> None:
    agreement = replayed(recording)
    assert agreement.plans == len(recording.plans) > ENOUGH
    assert agreement.offset_max_ns <= 2
    assert agreement.bound_max_ns <= 2
    assert agreement.sigma_max < 0.01
    assert agreement.weight_max < 0.01
    assert agreement.same_status == 1.0


def test_the_replay_of_a_trace_finds_what_the_daemon_found_after_a_restart_too(
    start_daemon, options, tmp_path
):
    path = tmp_path / "trace.jsonl"
    daemon = start_daemon(*options, "--models", "kalman", "--debug-trace", str(path))
    daemon.wait_until(lambda: kinds(path)["innovation"] >= ENOUGH)
    daemon.stop()
    first = read_trace(str(path))
    assert first.notes == ()
    assert_the_same(first)

    later = tmp_path / "later.jsonl"
    again = start_daemon(*options, "--models", "kalman", "--debug-trace", str(later))
    again.wait_until(lambda: kinds(later)["innovation"] >= ENOUGH)
    again.process.kill()
    again.process.wait()
    second = read_trace(str(later))
    assert "went on from a saved state" in second.notes[0]
    assert_the_same(second)


def test_a_trace_holds_every_exchange_context_forecast_weight_and_state_and_the_log_its_fields(
    start_daemon, options, chronyd, tmp_path
):
    path = tmp_path / "trace.jsonl"
    models = ("--models", "line,echo", "--checkpoint", "echo=raise")
    traced = (*models, "--debug-trace", str(path))
    daemon = start_daemon(*options, *traced, CHRONOTICK_LOGGING__FORMAT="json")
    wanted = {"context", "forecast", "weights", "exchange", "plan", "innovation", "began"}
    daemon.wait_until(lambda: wanted <= kinds(path).keys())
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: any("drops" in line for line in lines(path)))
    daemon.wait_until(lambda: any("failure" in line for line in lines(path)))
    daemon.wait_until(lambda: NOBODY in daemon.log)
    daemon.stop()
    assert_traced(lines(path))
    assert_logged([json.loads(line) for line in daemon.log.splitlines()], chronyd)


def assert_traced(found: list[dict[str, Any]]) -> None:
    [*_, last] = found
    assert last["kind"] == "end"
    asked = {(line["model"], line["loop"]) for line in found if line.get("kind") == "context"}
    assert {("line", "short_term"), ("line", "long_term")} < asked
    [failed, *_] = [each for each in found if "failure" in each]
    assert (failed["kind"], failed["model"]) == ("forecast", "echo")
    assert ("echo", failed["loop"]) in asked
    answered = [each for each in found if each.get("kind") == "forecast" and "mean" in each]
    assert all(len(each["mean"]) > 0 for each in answered)
    weights = [line for line in found if line.get("kind") == "weights"][-1]["members"]
    assert {each["model"] for each in weights} == {"kalman", "line"}
    assert sum(each["weight"] for each in weights) == pytest.approx(1.0)
    assert all(each["reason"] for each in weights)
    states = [(each["before"], each["after"]) for each in found if each.get("kind") == "state"]
    assert states[:2] == [("unknown", "warming-up"), ("warming-up", "synchronised")]
    [dropped, *_] = [each for each in found if "drops" in each]
    assert dropped["source"] == NOBODY
    assert dropped["drops"] == {"refused": 1}
    assert "nothing listens" in dropped["why"]


def assert_logged(told: list[dict[str, Any]], server: str) -> None:
    states = [line for line in told if line.get("event") == "state"]
    assert [line["after"] for line in states][:2] == ["warming-up", "synchronised"]
    assert all(line["reason"] for line in states)
    phases = [line["after"] for line in told if line.get("event") == "model"]
    assert "ready" in phases
    sources = {line["source"]: line for line in told if line.get("event") == "source"}
    assert sources[server]["reason"].startswith("used")
    assert sources[NOBODY]["reason"] == "no valid reply to the last questions"
    assert "nothing listens" in sources[NOBODY]["detail"]


def test_a_trace_that_cannot_be_written_stops_no_clock(start_daemon, options, tmp_path):
    other = tmp_path / "thesis"
    other.write_text("mine")
    daemon = start_daemon(*options, "--debug-trace", str(other))
    daemon.wait_for(Status.SYNCHRONISED)
    assert f"{other} is there and is no trace" in daemon.log
    assert other.read_text() == "mine"
