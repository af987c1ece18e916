"""What ``status`` and ``doctor`` show of the watchdog."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from chronotick.cli.asking import _watched
from chronotick.daemon.control import ControlServer

TOLD: dict[str, Any] = {
    "verdict": "contradicts",
    "asked": 96,
    "answered": 90,
    "offset_s": -0.1083,
    "allowed_s": 0.064,
    "age_s": 30.0,
    "pool": 95,
}


ANSWERED = "answered 30 s ago, pool of 95"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, f"contradicts: -108.3 ms from served time, 64 ms allowed, 90 of 96 {ANSWERED}"),
        ({"verdict": "silent", "offset_s": None, "answered": 3}, f"silent: 3 of 96 {ANSWERED}"),
        ({"verdict": None}, "has asked nobody yet, pool of 95"),
    ],
)
def test_the_line_tells_what_was_found_and_on_whose_word(changes: dict[str, Any], line: str):
    assert _watched({**TOLD, **changes}) == line


@pytest.mark.parametrize(
    ("told", "state", "evidence"),
    [
        ({"alarm": True, "problem": "96 servers contradict"}, "bad", "96 servers contradict"),
        ({"problem": "the watchdog asks nobody"}, "note", "the watchdog asks nobody"),
        ({"verdict": "silent", "problem": "is blind"}, "note", "is blind"),
        ({"verdict": "agrees"}, "ok", "agrees, pool of 95 servers"),
    ],
)
async def test_doctor_calls_a_blind_watchdog_no_healthy_one(
    run: Callable[..., Result], tmp_path: Path, told: dict[str, Any], state: str, evidence: str
):
    status = {
        "problems": [],
        "sources_believed": ["192.0.2.1:123"],
        "watchdog": {**TOLD, "alarm": False, "problem": "", **told},
    }
    server = ControlServer(tmp_path / "control.sock", {"status": lambda: status})
    await server.start()
    try:
        shown = await asyncio.to_thread(run, "doctor", "--json")
    finally:
        await server.close()
    (found,) = (each for each in json.loads(shown.stdout) if each["what"] == "watchdog")
    assert (found["state"], found["evidence"]) == (state, evidence)
    assert bool(found["fix"]) is (state != "ok")
