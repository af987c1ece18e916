"""The clocks a reader needs."""

from __future__ import annotations

import time

import pytest

from chronotick.shm import clocks


def test_what_was_slept_is_what_only_boottime_counts(monkeypatch: pytest.MonkeyPatch):
    shown = {clocks.BOOTTIME: 1_000_000_005, time.CLOCK_MONOTONIC: 5}
    monkeypatch.setattr(time, "clock_gettime_ns", shown.__getitem__)
    assert clocks.suspended_ns() == 1_000_000_000


def test_the_system_clock_is_read_in_the_middle_of_two_reads_of_raw(
    monkeypatch: pytest.MonkeyPatch,
):
    reads = iter([100, 300])
    monkeypatch.setattr(time, "clock_gettime_ns", lambda _: next(reads))
    monkeypatch.setattr(time, "time_ns", lambda: 1_000)
    assert clocks.system_minus_raw_ns() == 800
