"""The monitor itself: looks at intervals, shows what it saw, and goes on whatever happens."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.widgets import Footer

from chronotick.client.amounts import duration
from chronotick.tui.course import Course
from chronotick.tui.observation import Answers, Observation, observe
from chronotick.tui.panels import CoursePanel, StatusPanel, TablePanel
from chronotick.tui.rows import MODEL_COLUMNS, SOURCE_COLUMNS, model_row, source_row
from chronotick.views.snapshot import Snapshot

WIDE = 150  # columns from which on both tables stand beside each other
_TABLE_FRAME = 3  # lines of a table besides its rows: two of its border, one of its headings
_COURSE = 4  # lines that a course needs: two of bars, two of its border
_FOOTER = 1
_NO_ROOM = "window too small for the rows: enlarge it, or z"
_LIGHT, _DARK = "textual-light", "textual-dark"


class Monitor(App[None]):
    """Shows one daemon until told to quit.

    Args:
        snapshot: where the daemon is looked at.
        interval_s: pause between two glances (s).
    """

    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - textual's, not ours
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("p", "pause", "Pause"),
        Binding("s", "look_at('sources')", "Sources"),
        Binding("m", "look_at('models')", "Models"),
        Binding("z", "zoom", "Zoom"),
        Binding("t", "colours", "Light/dark"),
    ]
    CSS = """
    Screen { overflow: hidden; }
    StatusPanel { height: auto; max-height: 6; padding: 0 1; }
    #courses { height: 1fr; }
    CoursePanel { width: 1fr; height: 100%; color: $primary; }
    CoursePanel, TablePanel {
        border: round $primary;
        border-title-color: $foreground;
        border-subtitle-color: $foreground;
    }
    TablePanel { background: $background; scrollbar-size: 0 1; }
    TablePanel:focus { border: heavy $accent; }
    #tables { layout: vertical; height: auto; }
    .-wide #tables { layout: horizontal; }
    .-wide TablePanel { width: 1fr; }
    """

    def __init__(self, snapshot: Snapshot, interval_s: float) -> None:
        super().__init__()
        self._snapshot = snapshot
        self._interval_s = interval_s
        self._offset, self._bound = Course(interval_s), Course(interval_s)
        self._status = StatusPanel(id="status")
        self._courses = (
            CoursePanel("system clock", self._offset, signed=True, id="offset"),
            CoursePanel("hard bound", self._bound, id="bound"),
        )
        self._sources = TablePanel("sources", SOURCE_COLUMNS, id="sources")
        self._models = TablePanel("models", MODEL_COLUMNS, id="models")
        self._seen: Observation | None = None
        self._answered_s: float | None = None
        self.paused = False

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield self._status
        with Horizontal(id="courses"):
            yield from self._courses
        with Container(id="tables"):
            yield from (self._sources, self._models)
        yield Footer()

    def on_mount(self) -> None:
        """Start to look."""
        self._sources.focus()
        self._watch()

    @work
    async def _watch(self) -> None:
        while True:
            # In a thread: a daemon that hangs must not keep the keys from working.
            seen = await asyncio.to_thread(observe, self._snapshot)
            self._remember(seen)
            if not self.paused:
                self._seen = seen
                self._show(seen)
            await asyncio.sleep(self._interval_s)

    def _remember(self, seen: Observation) -> None:
        if seen.time is not None:
            self._offset.add(seen.at_s, seen.time.system_minus_time_ns * 1e-9)
            self._bound.add(seen.at_s, seen.time.bound_ns * 1e-9)
        if seen.answers is not None:
            self._answered_s = seen.at_s

    def _show(self, seen: Observation) -> None:
        self._status.show(seen, paused=self.paused)
        told, (offset, bound) = seen.time, self._courses
        offset.show(seen.at_s, None if told is None else told.system_minus_time_ns * 1e-9)
        bound.show(seen.at_s, None if told is None else told.bound_ns * 1e-9)
        if seen.answers is not None:
            self._fill(seen.answers)
        self.call_after_refresh(self._share_room)

    def _fill(self, answers: Answers) -> None:
        sources = {str(n): source_row(each) for n, each in enumerate(answers.sources)}
        self._sources.show(sources)
        self._models.show({name: model_row(name, each) for name, each in answers.models.items()})

    def on_resize(self) -> None:
        """Share the room anew."""
        self.call_after_refresh(self._share_room)

    def _share_room(self) -> None:
        """Let tables be as long as their rows, and leave something to the courses."""
        tables = (self._sources, self._models)
        others = self._status.outer_size.height + _COURSE + _FOOTER
        room = max(2 * _TABLE_FRAME, self.size.height - others)
        wanted = [table.row_count + _TABLE_FRAME for table in tables]
        wide = self.size.width >= WIDE
        lines = [min(each, room) for each in wanted] if wide else shares(room, *wanted)
        for table, height in zip(tables, lines, strict=True):
            zoomed = table is self.screen.maximized
            table.styles.height = "100%" if zoomed else height
            is_bare = table.row_count and height <= _TABLE_FRAME and not zoomed
            table.border_subtitle = _NO_ROOM if is_bare else self._age()

    def _age(self) -> str:
        """What is wrong with tables that the daemon no longer vouches for."""
        seen = self._seen
        if seen is None or seen.answers is not None or self._answered_s is None:
            return ""
        return f"as {duration(seen.at_s - self._answered_s)} ago"

    def action_pause(self) -> None:
        """Hold the picture still, or let it go on. Samples are taken in any case."""
        self.paused = not self.paused
        if self._seen is not None:
            self._show(self._seen)

    def action_look_at(self, table: str) -> None:
        """Let the arrow keys scroll a table."""
        self.query_one(f"#{table}").focus()

    def action_zoom(self) -> None:
        """Give the whole screen to the table that has the focus, or take it back."""
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif self.focused is not None:
            self.screen.maximize(self.focused)
        self._share_room()

    def action_colours(self) -> None:
        """Change between dark and light."""
        self.theme = _DARK if self.theme == _LIGHT else _LIGHT


def shares(room: int, first: int, second: int) -> list[int]:
    """Lines of two tables that want so many: what one does not need is the other's."""
    if first + second <= room:
        return [first, second]
    half = room // 2
    given = min(first, max(half, room - second))
    return [given, min(second, room - given)]


def run(record: Path | None, control: Path | None, interval_s: float) -> None:
    """Show the monitor on this terminal until it is quit.

    Args:
        record: the record; default as for clients.
        control: the daemon's control socket; default as for clients.
        interval_s: pause between two glances (s).
    """
    Monitor(Snapshot(record, control), interval_s).run()
