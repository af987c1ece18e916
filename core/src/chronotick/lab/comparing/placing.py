"""Where results may go: apart from the traces, which the next run would not find among them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from chronotick.lab.comparing.store import ResultsError
from chronotick.lab.traces import Trace
from chronotick.lab.traces.finding import root_of
from chronotick.lab.traces.looking import is_directory


class PlaceError(ResultsError):
    """Raised when results cannot go where they are wanted; the message says where they can."""


def check_place(out: Path, patterns: Iterable[str], traces: Iterable[Trace] = ()) -> None:
    """Refuse a place for results that is none.

    Args:
        out: directory of results.
        patterns: that named the traces.
        traces: that were found, if they were read already.

    Raises:
        PlaceError: it is a file, or the directory that the traces are in.
    """
    existing = next((each for each in (out, *out.absolute().parents) if os.path.lexists(each)), out)
    if not existing.is_dir():
        raise PlaceError(f"{existing} is a file. Results need a directory of their own: name one")
    roots = (root_of(os.path.expanduser(each)) for each in patterns)  # noqa: PTH111 - as find()
    homes = (Path(each.path).parent for each in traces)
    theirs = {each.resolve() for each in (*roots, *homes) if is_directory(each)}
    if out.resolve() in theirs:
        raise PlaceError(
            f"{out}: the traces are there, and directories with results are not searched for "
            f"traces. Give results a directory of their own, such as {out / 'results'}"
        )
