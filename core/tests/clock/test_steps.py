from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chronotick.clock import StepWatch

SHORT_S = 0.05


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.fixture
def watch() -> Iterator[StepWatch]:
    watch = StepWatch()
    yield watch
    watch.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the timer is one of Linux")
def test_linux_tells_when_the_clock_is_set(watch: StepWatch):
    assert watch.is_told


def test_while_nobody_sets_the_clock_it_sleeps_for_as_long_as_it_is_told(watch: StepWatch):
    begun_s = time.monotonic()
    assert not watch.sleep(SHORT_S)
    assert not watch.sleep(SHORT_S)
    assert time.monotonic() - begun_s >= 2 * SHORT_S


def test_without_a_timer_it_sleeps_all_the_same(watch: StepWatch):
    watch.close()
    assert not watch.is_told
    begun_s = time.monotonic()
    assert not watch.sleep(SHORT_S)
    assert time.monotonic() - begun_s >= SHORT_S


def test_a_timer_that_cannot_be_armed_again_is_given_up_in_one_sentence(
    watch: StepWatch, caplog: pytest.LogCaptureFixture
):
    watch.close()
    watch._timer, writing = os.pipe()
    os.write(writing, bytes(8))
    os.close(writing)
    with caplog.at_level(logging.WARNING, "chronotick.daemon"):
        assert watch.sleep(60.0)
    assert "no longer tells" in caplog.text
    assert not watch.is_told
    assert not watch.sleep(0.0)


def test_a_timer_out_of_reach_of_select_is_not_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chronotick.clock.steps._MOST_DESCRIPTORS", 0)
    open_before = descriptors()
    assert not StepWatch().is_told
    assert descriptors() == open_before
