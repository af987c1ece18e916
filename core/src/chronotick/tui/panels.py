"""The parts of the screen: the state in words, two courses, two tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.widgets import DataTable, Static

from chronotick.client.amounts import duration, seconds
from chronotick.tui.course import Course, bars
from chronotick.tui.observation import Observation
from chronotick.tui.rows import BAD, GOOD, Row

_COLOURS: Mapping[str, str] = {"synchronised": GOOD, "disrupted": BAD}
_UNSURE = "yellow"


class StatusPanel(Static):
    """Served time, what it is worth and why."""

    def show(self, seen: Observation, *, paused: bool) -> None:
        """Show a glance."""
        lines = [_state(seen), *_time(seen), *_daemon(seen)]
        text = Text("\n").join(lines)
        if paused:
            text = Text.assemble(("PAUSED", "reverse"), " ", text)
        self.update(text)


def _state(seen: Observation) -> Text:
    if seen.time is None:
        return Text.assemble(("NO TIME", f"bold {BAD}"), f"  {seen.problem}")
    status = seen.time.status
    told = seen.answers.status if seen.answers else {}
    words = [Text(status.upper(), f"bold {_COLOURS.get(status, _UNSURE)}")]
    if told.get("status") == status:  # else the daemon has just changed its mind
        words += [Text(f"for {duration(told.get('status_since_s'))}: {told.get('reason', '')}")]
    return Text("  ").join(words)


def _time(seen: Observation) -> list[Text]:
    if seen.time is None:
        return []
    told = seen.time
    date, _, clock = told.time.removesuffix("+00:00").partition("T")
    return [
        Text.assemble(f"{date} ", (clock[:-3], "bold"), f" UTC  from {told.source}"),
        Text(
            f"bound +-{seconds(told.bound_ns * 1e-9)} hard   "
            f"sigma {seconds(told.sigma_ns * 1e-9)}   "
            f"system clock {seconds(told.system_minus_time_ns * 1e-9, signed=True, digits=4)}"
        ),
    ]


def _daemon(seen: Observation) -> list[Text]:
    if seen.answers is None:
        return [Text.assemble(("NO ANSWER", f"bold {BAD}"), f"  {seen.silence}")]
    status, clock = seen.answers.status, seen.answers.status.get("clock") or {}
    parts = [f"up {duration(status.get('daemon_uptime'))}"]
    if clock:
        age = duration(clock.get("last_measurement_age_s"))
        parts += [
            f"measured {clock.get('measurements')} times, last {age} ago",
            f"{clock.get('frequency_ppm', 0.0):+.3f} ppm",
        ]
    problems = status.get("problems") or ()
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return [Text("   ".join(parts)), *(Text(f"{each}{more}", BAD) for each in problems[:1])]


class CoursePanel(Static):
    """A quantity over the last minutes.

    Args:
        title: what it is.
        course: its samples.
        signed: whether its sign means something.
    """

    def __init__(self, title: str, course: Course, *, signed: bool = False, id: str) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._title, self._course, self._signed = title, course, signed
        self._now_s = 0.0

    def show(self, now_s: float, value: float | None) -> None:
        """Draw the samples up to an instant.

        Args:
            now_s: the instant, on the monotonic clock (s).
            value: what it is now; ``None`` where that is not known.
        """
        self._now_s = now_s
        self.border_title = f"{self._title} {self._figure(value)}"
        self._draw()

    def on_resize(self) -> None:
        """Draw anew in the new size."""
        self._draw()

    def _draw(self) -> None:
        columns, lines = self.content_size
        if not columns:
            return  # not laid out yet
        shown = self._course.columns(self._now_s, columns)
        self.update(Text("\n").join(map(Text, bars(shown, lines))))
        known = [each for each in shown if each is not None]
        reach = f"{self._figure(min(known))} to {self._figure(max(known))}" if known else "no data"
        self.border_subtitle = f"{duration(self._course.span_s(columns))}: {reach}"

    def _figure(self, value_s: float | None) -> str:
        return seconds(value_s, signed=self._signed, digits=4 if self._signed else 3)


class TablePanel(DataTable[Text]):
    """A table whose cursor stays where it is while the figures change.

    Args:
        title: what it lists.
        columns: their headings.
    """

    def __init__(self, title: str, columns: Sequence[str], *, id: str) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id, cursor_type="row", show_cursor=False)
        self.border_title = title
        self._columns = columns

    def on_mount(self) -> None:
        """Make the columns."""
        for heading in self._columns:
            self.add_column(heading, key=heading)

    def on_focus(self) -> None:
        """Show the cursor only where keys move it."""
        self.show_cursor = True

    def on_blur(self) -> None:
        """Hide it again."""
        self.show_cursor = False

    def show(self, rows: Mapping[str, Row]) -> None:
        """Show these rows, by their keys, in this order."""
        if [key.value for key in self.rows] != list(rows):
            self.clear()
            for key in rows:
                self.add_row(*(Text() for _ in self._columns), key=key)
        for key, row in rows.items():
            self._fill(key, row)

    def _fill(self, key: str, row: Row) -> None:
        for heading, value in zip(self._columns, row, strict=True):
            text = value if isinstance(value, Text) else Text(value)
            if self.get_cell(key, heading) != text:
                self.update_cell(key, heading, text, update_width=True)
