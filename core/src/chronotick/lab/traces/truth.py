"""The truth that lies beside a clock's measurements."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chronotick.lab.recordings import Recording, RecordingError
from chronotick.lab.recordings.truths import OFFSET, TIME, truth_of_rows
from chronotick.lab.traces.clocks import NS_PER_S
from chronotick.lab.traces.draft import reason_of
from chronotick.lab.traces.endings import LOGS, TABLES, WORLD, stem
from chronotick.lab.traces.looking import is_file
from chronotick.lab.traces.sheet import Cells, Sheet
from chronotick.lab.traces.trace import Vector

TRUTH = "truth"


def truth_beside(path: str) -> Path | None:
    """Return the file of the truth of measurements: ``X.truth.csv`` of ``X.csv``, and such."""
    measured = Path(path)
    bases = [f"{stem(measured.name)}.{TRUTH}", *([TRUTH] if stem(measured.name) == WORLD else [])]
    beside = (measured.with_name(f"{base}{ending}") for base in bases for ending in TABLES)
    return next(filter(is_file, beside), None)


def is_truth(path: Path) -> bool:
    """Whether a file is the truth of another that lies beside it."""
    name = stem(path.name)
    if name == TRUTH:
        measured = WORLD
    elif name.endswith(f".{TRUTH}"):
        measured = name.removesuffix(f".{TRUTH}")
    else:
        return False
    return any(is_file(path.with_name(f"{measured}{ending}")) for ending in (*TABLES, *LOGS))


def truth_of(
    truth: Sheet, numbered: Iterator[Cells], recording: Recording
) -> tuple[Vector, Vector]:
    """Return local times and offsets of the truth of a recording, s.

    Args:
        truth: where it stands.
        numbered: its rows, of which the first is the header.
        recording: what was measured.

    Raises:
        RecordingError: it cannot be read, or is of another time.
    """
    try:
        columns = truth_of_rows(truth.path, numbered)
    except RecordingError as error:
        raise RecordingError(truth.path, reason_of(error, truth.place)) from None
    times_s, offsets_s = columns[TIME] / NS_PER_S, columns[OFFSET] / NS_PER_S
    first_s, last_s = (
        recording.local_ns(recording.arrivals[end].raw_ns) / NS_PER_S for end in (0, -1)
    )
    if times_s[-1] < first_s or times_s[0] > last_s:
        problem = (
            f"the truth knows local times {times_s[0]:.3f} to {times_s[-1]:.3f} s, the measurements"
            f" of {recording.path} are of {first_s:.3f} to {last_s:.3f} s"
        )
        raise RecordingError(truth.path, problem)
    return times_s, offsets_s
