from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from chronotick.daemon.control import ControlServer
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "record"


@pytest.fixture
def writer(record: Path) -> Iterator[RecordWriter]:
    """A record that serves time, as a daemon leaves it behind."""
    writer = RecordWriter(record)
    writer.write(good_record())
    yield writer
    writer.close()


def source(letter: str, words: str, name: str) -> dict[str, Any]:
    return {
        "reason": letter,
        "reason_words": words,
        "id": name,
        "stratum": 2,
        "reach": "377",
        "delay_s": 2.5e-4,
        "system_offset_s": 1.5,
        "last_error": None,
    }


def model(state: str, weight: float, reason: str) -> dict[str, Any]:
    return {"state": state, "weight": weight, "reason": reason, "latency_median_ms": 3.25}


@pytest.fixture
def told() -> dict[str, Any]:
    """What the daemon answers; a test may change it."""
    return {
        "status": {
            "status": "synchronised",
            "reason": "warm-up over after 18 measurements",
            "status_since_s": 125.0,
            "daemon_uptime": 3700.0,
            "clock": {
                "measurements": 21,
                "last_measurement_age_s": 4.2,
                "frequency_ppm": -25.0954,
            },
            "problems": [],
        },
        "sources": [
            source("*", "used, and the best", "192.0.2.1:123"),
            source("x", "contradicts the majority", "[2001:db8::1]:123"),
        ],
        "models": {
            "kalman": model("ready", 0.99, "baseline, always a member"),
            "ttm": model("ready", 0.01, "not proven better"),
        },
    }


@pytest.fixture
async def control(tmp_path: Path, told: dict[str, Any]) -> AsyncIterator[ControlServer]:
    """The daemon's own control socket, with answers of the test."""
    methods = {name: (lambda name=name: told[name]) for name in ("status", "sources", "models")}
    server = ControlServer(tmp_path / "control.sock", methods)
    await server.start()
    yield server
    await server.close()
