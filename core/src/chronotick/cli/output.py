"""Printing: JSON for programs, aligned text for people; and how commands fail."""

from __future__ import annotations

import functools
import json
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from chronotick.client import amounts

if TYPE_CHECKING:
    from chronotick.testing.outcomes import Outcome

FAILED = 1
BAD_CONFIGURATION = 2
NO_DAEMON = 3
NOT_SYNCHRONISED = 4

WIDTH = 100

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option("as_json", "--json", is_flag=True, help="Print JSON.")


def fail(message: object, code: int = FAILED) -> NoReturn:
    """Print an error and end with an exit code."""
    click.echo(f"chronotick: {message}", err=True)
    raise click.exceptions.Exit(code)


def print_json(value: Any, *, pretty: bool = True) -> None:  # noqa: ANN401 - any JSON type
    """Print one JSON document and a newline."""
    click.echo(json.dumps(value, indent=2 if pretty else None, allow_nan=False))


def seconds(value: float | None, *, signed: bool = False) -> str:
    """A time in the unit that suits its size: ``12.34 us``."""
    return amounts.seconds(value, signed=signed, digits=4)


def table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> str:
    """Columns aligned with spaces; numbers stay as they were formatted."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(header))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    return "\n".join(line.rstrip() for line in lines)


def wrapped(text: str, indent: int = 2) -> str:
    """Prose in lines that fit; commands and paths in it stay whole, to be copied."""
    lines = textwrap.wrap(
        text,
        WIDTH,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)


def outcome_line(outcome: Outcome) -> str:
    """One check of one model, in a line."""
    if outcome.passed:
        return f"ok      {outcome.subject}: {outcome.check} ({outcome.duration_s:.1f} s)"
    return f"FAILED  {outcome.subject}: {outcome.check}: {outcome.failure}"


def interruptible(command: Command) -> Command:
    """Let Ctrl-C end a command without a traceback."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passes everything through
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(0) from None

    return wrapper  # type: ignore[return-value] # same signature
