from __future__ import annotations

import asyncio
import threading
import time

import pytest

from chronotick.daemon.loops import LATENESS_BOUNDS_S, Lateness, SteadyThread, Ticker


def test_the_thread_ticks_until_it_is_stopped():
    ticks: list[str] = []
    enough = threading.Event()

    def tick() -> None:
        ticks.append(threading.current_thread().name)
        if len(ticks) == 5:
            enough.set()

    thread = SteadyThread(0.001, tick, pytest.fail)
    thread.start()
    assert enough.wait(10)
    thread.stop()
    count = len(ticks)
    time.sleep(0.02)
    assert len(ticks) == count
    assert set(ticks) == {"publisher"}


def test_late_ticks_are_counted_and_skipped():
    done = threading.Event()
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if count == 1:
            time.sleep(0.05)
        else:
            done.set()

    thread = SteadyThread(0.01, tick, pytest.fail)
    thread.start()
    assert done.wait(10)
    thread.stop()
    assert thread.missed >= 4


def test_the_lateness_of_every_tick_is_counted():
    enough = threading.Event()
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if count == 5:
            enough.set()

    thread = SteadyThread(0.001, tick, pytest.fail)
    thread.start()
    assert enough.wait(10)
    thread.stop()
    assert sum(thread.lateness.report()["counts"]) == count


def test_lateness_is_counted_in_the_class_whose_end_it_does_not_pass():
    lateness = Lateness()
    for late_s in (0.0, 1e-4, 1.5e-4, 1.0, 1.5):
        lateness.add(late_s)
    told = lateness.report()
    assert told["bounds_s"] == list(LATENESS_BOUNDS_S)
    assert told["counts"][:2] == [2, 1]
    assert told["counts"][-2:] == [1, 1]
    assert sum(told["counts"]) == 5
    assert told["sum_s"] == pytest.approx(2.50025)


def test_a_failure_in_the_thread_is_reported():
    failures: list[BaseException] = []
    thread = SteadyThread(0.001, lambda: 1 // 0, failures.append)  # type: ignore[arg-type,return-value]
    thread.start()
    thread._thread.join(10)
    assert isinstance(failures[0], ZeroDivisionError)
    thread.stop()


def test_stopping_a_thread_that_never_started_is_fine():
    SteadyThread(1.0, lambda: None, pytest.fail).stop()


async def test_the_ticker_ends_with_its_functions_exception():
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        await asyncio.wait_for(Ticker(0.001, tick).run(), 10)


def test_the_thread_ticks_at_once_when_its_sleep_is_ended_and_then_goes_on_as_before():
    ticks: list[int] = []
    slept: list[float] = []
    second = threading.Event()

    def tick() -> None:
        ticks.append(len(slept))
        if len(ticks) == 2:
            second.set()

    def sleep(seconds: float) -> bool:
        slept.append(seconds)
        return True

    thread = SteadyThread(0.5, tick, pytest.fail, sleep)
    thread.start()
    assert second.wait(10)
    thread.stop()
    assert ticks == [0, 1], "a second early tick has to wait for the next period"
    assert len(slept) == 1
    assert sum(thread.lateness.report()["counts"]) == 1
