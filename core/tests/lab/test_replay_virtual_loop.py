"""Virtual time: what is due happens, in order, and nothing waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from chronotick.lab.replaying.virtual_loop import VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    yield made
    for task in asyncio.all_tasks(made):
        task.cancel()
    made.run_until(made.time())
    made.close()


def test_nothing_is_waited_for(loop):
    began_s, woken = time.perf_counter(), []

    async def sleeper(pause_s: float) -> None:
        while True:
            await asyncio.sleep(pause_s)
            woken.append(loop.time())

    loop.create_task(sleeper(3600))
    loop.run_until(86_400)
    assert len(woken) == 24
    assert woken[-1] == pytest.approx(86_400)
    assert time.perf_counter() - began_s < 3600


def test_what_is_due_at_the_instant_itself_is_done(loop):
    woken = []
    for number in range(1, 100):
        loop.call_at(number * 0.1, woken.append, number)
    for number in range(1, 100):
        loop.run_until(number * 0.1)
        assert woken[-1] == number
        assert loop.time() == number * 0.1


def test_nothing_is_done_before_its_time(loop):
    woken: list[int] = []
    loop.call_at(5.0, woken.append, 1)
    loop.run_until(4.999)
    assert woken == []
    loop.run_until(5.0)
    assert woken == [1]


def test_what_is_set_off_from_outside_is_done_at_once(loop):
    event, woken = asyncio.Event(), []

    async def waiter() -> None:
        await event.wait()
        woken.append(loop.time())

    loop.create_task(waiter())
    loop.run_until(7.0)
    event.set()
    assert woken == []
    loop.run_until(7.0)
    assert woken == [7.0]


def test_a_timeout_takes_virtual_time(loop):
    found = []

    async def impatient() -> None:
        try:
            await asyncio.wait_for(loop.create_future(), 30)
        except asyncio.TimeoutError:
            found.append(loop.time())

    loop.create_task(impatient())
    loop.run_until(29)
    assert found == []
    loop.run_until(31)
    assert found == [pytest.approx(30)]
