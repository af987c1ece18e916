from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chronotick.daemon.control import ControlServer
from chronotick.daemon.loops import Lateness
from chronotick.metrics import exposition
from chronotick.views import Snapshot

Samples: TypeAlias = dict[tuple[str, ...], float]


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    return Snapshot(tmp_path / "record", tmp_path / "control.sock")


def source(letter: str, name: str) -> dict[str, Any]:
    return {
        "reason": letter,
        "id": name,
        "stratum": 2,
        "poll_s": 16.0,
        "reach": "17",
        "age_s": 3.5,
        "system_offset_s": 1.5,
        "delay_s": 2.5e-4,
        "jitter_s": 1e-5,
        "root_distance_s": 2e-3,
        "drops": {"timeout": 3},
    }


def unresolved(name: str) -> dict[str, Any]:
    unknown = ("stratum", "poll_s", "age_s", "system_offset_s", "delay_s", "jitter_s")
    return {
        **source("?", name),
        **dict.fromkeys((*unknown, "root_distance_s")),
        "reach": "0",
        "drops": {},
    }


def status() -> dict[str, Any]:
    lateness = Lateness()
    for late_s in (5e-5, 3e-3, 7.0):
        lateness.add(late_s)
    return {
        "version": "1.2.3",
        "status": "holdover",
        "status_since_s": 125.0,
        "daemon_uptime": 3700.0,
        "daemon_memory_mb": 64.0,
        "transitions": {"warming_up": 1, "synchronised": 2, "holdover": 2},
        "clock": {
            "frequency_ppm": -25.0,
            "coverage": 0.94,
            "coverage_by_horizon": [
                {"horizon_s": 64.0, "coverage": 0.93, "judgements": 40.5, "factor": 1.25}
            ],
            "sigma_factor": 1.5,
        },
        "publication": {"published": 1000, "missed": 7, "lateness": lateness.report()},
        "companions": {"http": {"running": True, "restarts": 1}},
        "watchdog": {
            "alarm": True,
            "alarms": 2,
            "offset_s": -0.1,
            "age_s": 30.0,
            "pool": 96,
            "samples": {"agrees": 7, "contradicts": 3, "divided": 0, "silent": 1},
            "panics": 1,
        },
        "system_clock_steps": 2,
        "bound_contradictions": 1,
        "history": {"pending": 4, "dropped": 9, "problem": "disk full"},
        "problems": ["a", "b"],
    }


@pytest.fixture
def told() -> dict[str, Any]:
    """What the daemon answers; a test may change it."""
    return {
        "status": status(),
        "sources": [
            source("x", "[2001:db8::1]:123"),
            source("*", "192.0.2.1:123"),
            unresolved("ntp.example.org"),
        ],
        "models": {
            "kalman": {
                "state": "ready",
                "weight": 0.75,
                "latency_median_ms": 2.0,
                "latency_p90_ms": 5.0,
                "requests": 10,
                "answers": 9,
                "failures": 1,
            },
            "ttm": {
                "state": "loading",
                "weight": 0.25,
                "latency_median_ms": None,
                "restarts": 2,
                "deadline_misses": 5,
                "memory_mb": 100.0,
            },
        },
    }


@pytest.fixture
async def control(tmp_path: Path, told: dict[str, Any]) -> AsyncIterator[ControlServer]:
    """The daemon's own control socket, with answers of the test."""
    methods = {name: (lambda name=name: told[name]) for name in ("status", "sources", "models")}
    server = ControlServer(tmp_path / "control.sock", methods)
    await server.start()
    yield server
    with contextlib.suppress(OSError):
        await server.close()


@pytest.fixture
def scraped(snapshot: Snapshot) -> Callable[[], Samples]:
    """Scrape, and return samples by name and label values in the order of label names."""

    def scrape() -> Samples:
        body, _ = exposition(snapshot)
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        }

    return scrape
