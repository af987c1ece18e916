from __future__ import annotations

import asyncio

import pytest

from chronotick.ntp.tasks import Alarm, Tasks


async def test_a_task_that_raises_is_logged_and_run_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chronotick.ntp.tasks._FIRST_RESTART_S", 0.001)
    runs: list[int] = []

    async def work() -> None:
        runs.append(len(runs))
        if len(runs) < 3:
            raise ValueError("third time lucky")

    async with Tasks() as tasks:
        await tasks.spawn(work, "worker")
    assert runs == [0, 1, 2]
    assert sum("worker failed" in record.message for record in caplog.records) == 2
    assert "third time lucky" in caplog.text


async def test_all_tasks_end_with_the_block() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)  # cleaning up may take a moment
            ended.append(True)

    async with Tasks() as tasks:
        tasks.spawn(work, "one")
        tasks.spawn(work, "two")
        await asyncio.sleep(0)
    assert ended == [True, True]


async def test_an_alarm_cuts_a_sleep_short() -> None:
    alarm = Alarm()
    sleeper = asyncio.create_task(alarm.wait(None))
    await asyncio.sleep(0)
    assert not sleeper.done()
    alarm.ring()
    await asyncio.wait_for(sleeper, 5)


async def test_an_alarm_that_rang_before_the_sleep_is_not_lost_nor_heard_twice() -> None:
    alarm = Alarm()
    alarm.ring()
    alarm.ring()
    await alarm.wait(None)
    sleeper = asyncio.create_task(alarm.wait(None))
    await asyncio.sleep(0.01)
    assert not sleeper.done()
    sleeper.cancel()


async def test_an_alarm_times_out() -> None:
    await Alarm().wait(0.001)
    await Alarm().wait(-1)
