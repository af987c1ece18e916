from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chronotick.client.errors import DaemonUnavailable
from chronotick.mcp.daemon import daemon_status
from chronotick.mcp.explaining import explain
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter
from chronotick.views import Snapshot

STATUS = {
    "status": "synchronised",
    "reason": "warm-up over after 12 measurements",
    "status_since_s": 5.0,
    "version": "0.1.0",
    "pid": 7,
    "daemon_uptime": 9.0,
    "sources_believed": ["b:123"],
    "weights": {"kalman": 1.0},
    "models": {"kalman": "ready"},
    "problems": ["model toto: it is late"],
    "clock": {
        "bound_s": 1e-4,
        "sigma_s": 1e-5,
        "system_minus_utc_s": -2e-6,
        "frequency_ppm": 3.0,
        "measurements": 12,
        "last_measurement_age_s": 1.0,
        "coverage": 0.96,
        "sigma_factor": 1.1,
    },
}


def source(name: str, words: str, **known: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    unknown = {"system_offset_s": None, "delay_s": None, "root_distance_s": None, "age_s": None}
    return {"id": name, "reason_words": words, "reach": "377", "last_error": ""} | unknown | known


SOURCES = [
    source("a:123", "no valid reply to the last questions", reach="0", last_error="timed out"),
    source("b:123", "used, and the best", delay_s=4e-5, root_distance_s=6e-5, age_s=1.0),
]
MODELS = {
    "line": {"weight": 0.0, "reason": "not proven", "state": "ready"},
    "kalman": {"weight": 1.0, "reason": "baseline", "state": "ready", "latency_median_ms": 0.1},
}


def told(status: dict[str, Any] = STATUS) -> dict[str, Any]:
    return {"status": status, "sources": SOURCES, "models": MODELS}


def test_sources_and_models_are_told_with_their_reasons(
    answering: Callable[[dict[str, Any]], Snapshot],
):
    known = explain(answering(told()))
    assert [(each.name, each.believed) for each in known.sources] == [
        ("b:123", True),
        ("a:123", False),
    ]
    assert known.sources[1].why == "no valid reply to the last questions: timed out"
    assert [model.name for model in known.models] == ["kalman", "line"]
    for said in ("b:123", "timed out", "baseline", "model toto: it is late", "96.0%"):
        assert said in known.text


def test_the_bound_is_taken_apart(answering: Callable[[dict[str, Any]], Snapshot]):
    known = explain(answering(told())).bound
    assert known is not None
    assert (known.narrowest_source, known.root_distance_ns, known.half_delay_ns) == (
        "b:123",
        60_000,
        20_000,
    )
    assert known.rest_ns == known.bound_ns - 60_000
    assert known.growth_ns_per_s == pytest.approx(good_record().bound_rate * 1e9)


def test_a_clock_without_time_yet_is_explained_too(
    answering: Callable[[dict[str, Any]], Snapshot],
):
    starting = STATUS | {"status": "unknown", "clock": None, "sources_believed": []}
    snapshot = answering(told(starting))
    known = explain(snapshot)
    assert (known.time, known.bound, known.calibration) == (None, None, None)
    assert known.text.startswith("The clock is unknown")
    assert daemon_status(snapshot).bound_ns is None


def test_without_a_daemon_there_is_nothing_to_explain(no_clock: Snapshot):
    with pytest.raises(DaemonUnavailable, match="run: chronotick run"):
        explain(no_clock)


def test_status_is_in_nanoseconds(answering: Callable[[dict[str, Any]], Snapshot]):
    status = daemon_status(answering(told()))
    assert (status.bound_ns, status.sigma_ns, status.system_minus_time_ns) == (
        100_000,
        10_000,
        -2000,
    )
    assert status.problems == ["model toto: it is late"]


def test_status_without_a_daemon_says_what_to_run(no_clock: Snapshot):
    status = daemon_status(no_clock)
    assert status.status == "unavailable"
    assert "chronotick run" in status.reason


def test_status_of_a_daemon_that_does_not_answer_is_that_of_its_record(
    snapshot: Snapshot, writer: RecordWriter
):
    status = daemon_status(snapshot)
    assert status.status == "synchronised"
    assert "does not answer" in status.reason
    assert status.bound_ns is not None
    writer.write(type(good_record())(void_after_raw_ns=good_record().void_after_raw_ns))
    assert daemon_status(snapshot).status in {"unknown", "unavailable"}
