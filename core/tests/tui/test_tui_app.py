"""The monitor on a screen of textual's own, with a real record and a real control socket."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from chronotick.daemon.control import ControlServer
from chronotick.shm.layout import Status
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter
from chronotick.tui.app import Monitor, shares
from chronotick.tui.panels import TablePanel
from chronotick.views.snapshot import Snapshot

LONGEST_S = 10.0
STEP_S = 0.05
OLD = re.compile(r"as \d+ s ago")
NARROW, WIDE = (80, 24), (160, 40)


@pytest.fixture
def monitor(record: Path, tmp_path: Path) -> Monitor:
    return Monitor(Snapshot(record, tmp_path / "control.sock", max_age_s=0), interval_s=STEP_S)


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    for _ in range(round(LONGEST_S / STEP_S)):
        if condition():
            return
        await pilot.pause(STEP_S)
    pytest.fail(f"not within {LONGEST_S} s; the screen:\n{screen(pilot)}")


def screen(pilot: Pilot[None]) -> str:
    """The text on the screen."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in strips)


async def shown(pilot: Pilot[None], *texts: str) -> str:
    """The text on the screen, once all of these are in it."""
    await until(pilot, lambda: all(text in screen(pilot) for text in texts))
    return screen(pilot)


async def told_in_words(pilot: Pilot[None], *texts: str) -> None:
    """The same of sentences, whose lines may end anywhere: how long a path is, is chance."""
    await until(pilot, lambda: all(text in " ".join(screen(pilot).split()) for text in texts))


async def test_everything_fits_on_a_terminal_of_80_by_24(
    monitor: Monitor, writer: RecordWriter, control: ControlServer
):
    async with monitor.run_test(size=NARROW) as pilot:
        picture = await shown(
            pilot,
            "SYNCHRONISED  for 2 min 5 s: warm-up over after 18 measurements",
            "UTC  from ntp",
            "system clock -1.5 s",
            "up 1 h 1 min   measured 21 times, last 4 s ago   -25.095 ppm",
            "*  192.0.2.1:123      2   377    250 us  -1.5 s     used, and the best",
            "x  [2001:db8::1]:123  2   377    250 us  -1.5 s     contradicts the majority",
            "kalman  ready  0.99    3.25 ms  baseline, always a member",
            "q Quit",
            "5 min: -1.5 s to -1.5 s",
            "▄",
        )
    assert "hard bound" in picture
    assert "bound +-" in picture


async def test_tables_stand_beside_each_other_where_there_is_room(
    monitor: Monitor, writer: RecordWriter, control: ControlServer
):
    async with monitor.run_test(size=WIDE) as pilot:
        picture = await shown(pilot, "used, and the best", "always a member")
        [line] = [line for line in picture.splitlines() if "used, and the best" in line]
        assert "always a member" in line
        await pilot.resize_terminal(*NARROW)
        await until(pilot, lambda: monitor.query_one("#models").region.y > 12)


async def test_without_a_daemon_it_says_so_and_goes_on_when_one_comes(
    monitor: Monitor, record: Path, control: ControlServer
):
    await control.close()
    async with monitor.run_test(size=NARROW) as pilot:
        await told_in_words(pilot, "NO TIME", "no such file", "NO ANSWER", "no data")
        writer = RecordWriter(record)
        writer.write(good_record())
        await control.start()
        picture = await shown(pilot, "SYNCHRONISED", "always a member")
        assert "NO " not in picture
        writer.close()


async def test_a_daemon_that_goes_away_leaves_what_it_said_last_with_its_age(
    monitor: Monitor, writer: RecordWriter, control: ControlServer, told: dict[str, Any]
):
    async with monitor.run_test(size=NARROW) as pilot:
        await shown(pilot, "always a member")
        await control.close()
        writer.write(replace(good_record(), status=Status.UNKNOWN))
        await until(pilot, lambda: OLD.search(screen(pilot)) is not None)
        await shown(pilot, "NO TIME", "NO ANSWER", "used, and the best")
        told["sources"] = told["sources"][:1]
        writer.write(good_record())
        await control.start()
        await until(pilot, lambda: "contradicts" not in screen(pilot))
        assert OLD.search(screen(pilot)) is None


async def test_problems_of_the_daemon_are_told(
    monitor: Monitor, writer: RecordWriter, control: ControlServer, told: dict[str, Any]
):
    told["status"]["problems"] = ["model ttm: no [weights] here", "history: disk full"]
    async with monitor.run_test(size=NARROW) as pilot:
        await shown(pilot, "model ttm: no [weights] here (and 1 more)")


async def test_a_daemon_that_is_only_warming_up_is_not_called_synchronised(
    monitor: Monitor, writer: RecordWriter
):
    writer.write(replace(good_record(), status=Status.WARMING_UP))
    async with monitor.run_test(size=NARROW) as pilot:
        picture = await shown(pilot, "WARMING-UP", "bound +-")
        assert "SYNCHRONISED" not in picture


async def test_p_holds_the_picture_still_and_lets_it_go_on(
    monitor: Monitor, writer: RecordWriter, control: ControlServer, told: dict[str, Any]
):
    async with monitor.run_test(size=NARROW) as pilot:
        await shown(pilot, "always a member")
        await pilot.press("p")
        held = await shown(pilot, "PAUSED SYNCHRONISED")
        samples = len(monitor._offset._samples)
        told["models"]["kalman"]["reason"] = "something new"
        await until(pilot, lambda: len(monitor._offset._samples) > samples + 2)
        assert screen(pilot) == held
        await pilot.press("p")
        assert "PAUSED" not in await shown(pilot, "something new")


async def test_keys_move_between_tables_and_the_cursor_stays_while_figures_change(
    monitor: Monitor, writer: RecordWriter, control: ControlServer, told: dict[str, Any]
):
    async with monitor.run_test(size=NARROW) as pilot:
        await shown(pilot, "always a member")
        await pilot.press("m", "down")
        models = monitor.query_one("#models", TablePanel)
        assert monitor.focused is models
        assert models.show_cursor
        told["models"]["ttm"]["weight"] = 0.5
        await shown(pilot, "ttm     ready  0.50")
        assert models.cursor_row == 1
        await pilot.press("s")
        assert monitor.focused is monitor.query_one("#sources")
        assert not models.show_cursor


async def test_a_long_reason_can_be_scrolled_to(
    monitor: Monitor, writer: RecordWriter, control: ControlServer, told: dict[str, Any]
):
    told["models"]["ttm"]["reason"] = f"{'because ' * 20}of the end"
    async with monitor.run_test(size=NARROW) as pilot:
        assert "of the end" not in await shown(pilot, "because")
        await pilot.press("m", "end")
        await shown(pilot, "of the end")


async def test_z_gives_a_table_the_screen_and_takes_it_back(
    monitor: Monitor, writer: RecordWriter, control: ControlServer, told: dict[str, Any]
):
    told["models"] |= {f"model-{n}": told["models"]["ttm"] for n in range(14)}
    async with monitor.run_test(size=NARROW) as pilot:
        assert "model-13" not in await shown(pilot, "model-0")
        await pilot.press("m", "z")
        assert "SYNCHRONISED" not in await shown(pilot, "model-13")
        await pilot.press("z")
        assert "model-13" not in await shown(pilot, "SYNCHRONISED", "192.0.2.1")


async def test_t_is_for_light_terminals_and_q_ends_it(monitor: Monitor, writer: RecordWriter):
    async with monitor.run_test(size=NARROW) as pilot:
        await shown(pilot, "SYNCHRONISED")
        dark = [monitor.current_theme.dark]
        for _ in range(2):
            await pilot.press("t")
            dark.append(monitor.current_theme.dark)
        await pilot.press("q")
    assert dark == [True, False, True]
    assert monitor.return_code == 0


async def test_a_terminal_that_is_far_too_small_is_no_error(
    monitor: Monitor, writer: RecordWriter, control: ControlServer
):
    async with monitor.run_test(size=(20, 6)) as pilot:
        await shown(pilot, "SYNCH")
        await pilot.resize_terminal(1, 1)
        await pilot.resize_terminal(*NARROW)
        await shown(pilot, "always a member")


async def test_tables_without_room_for_a_row_say_so(
    monitor: Monitor, writer: RecordWriter, control: ControlServer
):
    def bare(tables: int) -> bool:
        picture = screen(pilot)
        told = picture.count("window too small for the rows: enlarge it, or z")
        return told == tables and ("192.0.2.1" in picture) == (tables == 0)

    async with monitor.run_test(size=(60, 15)) as pilot:
        await until(pilot, lambda: bare(tables=2))
        await pilot.press("z")
        await until(pilot, lambda: bare(tables=0))
        await pilot.press("z")
        await until(pilot, lambda: bare(tables=2))
        await pilot.resize_terminal(*NARROW)
        await until(pilot, lambda: bare(tables=0))


@given(st.integers(6, 60), st.integers(3, 40), st.integers(3, 40))
def test_tables_share_their_room(room: int, first: int, second: int):
    given_first, given_second = shares(room, first, second)
    assert given_first + given_second <= room
    assert 3 <= given_first <= first
    assert 3 <= given_second <= second
    if given_first + given_second < room:
        assert (given_first, given_second) == (first, second)
