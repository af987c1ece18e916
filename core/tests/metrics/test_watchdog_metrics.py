"""The watchdog's metrics are there when it runs, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

Scraped = Callable[[], dict[tuple[str, ...], float]]


async def test_what_the_watchdog_found_is_told(control, writer, scraped: Scraped):
    samples = await asyncio.to_thread(scraped)
    found = {name: value for name, value in samples.items() if "_watchdog_" in name[0]}
    assert found == {
        ("chronotick_watchdog_alarm",): 1,
        ("chronotick_watchdog_alarms_total",): 2,
        ("chronotick_watchdog_offset_seconds",): -0.1,
        ("chronotick_watchdog_age_seconds",): 30,
        ("chronotick_watchdog_pool_servers",): 96,
        ("chronotick_watchdog_samples_total", "agrees"): 7,
        ("chronotick_watchdog_samples_total", "contradicts"): 3,
        ("chronotick_watchdog_samples_total", "divided"): 0,
        ("chronotick_watchdog_samples_total", "silent"): 1,
        ("chronotick_watchdog_panics_total",): 1,
    }


async def test_without_a_watchdog_nothing_is_told_of_it(
    control, writer, told: dict[str, Any], scraped: Scraped, caplog: pytest.LogCaptureFixture
):
    told["status"]["watchdog"] = None
    samples = await asyncio.to_thread(scraped)
    assert not [name for name in samples if "_watchdog_" in name[0]]
    assert "_watchdog_" not in caplog.text  # it is not a failure
