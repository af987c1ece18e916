"""Series: values at regular times, with as few of them missing as a grid can bear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.counting import being, often
from chronotick.lab.recordings.errors import RecordingError
from chronotick.lab.traces.clocks import FEWEST, NS_PER_S
from chronotick.lab.traces.trace import Vector

JITTER = 0.1  # of a step, by which a time may miss the grid: programs that log are late
NOTABLE_JITTER = 1e-3
MOST_MISSING = 0.2  # of a grid; beyond that it is another grid, or two series
MOST_NAN = 0.5  # of the values: a model would forecast nothing but gaps

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """A series as a file holds it.

    Attributes:
        path: of the file.
        place: what the number of a row counts.
        rows: int64 [n]: number of each row.
        time_ns: int64 [n].
        value: float64 [n]: NaN where there is none.
    """

    path: str
    place: str
    rows: Integers
    time_ns: Integers
    value: Vector


@dataclass(frozen=True, slots=True)
class Grid:
    """The same on a grid.

    Attributes:
        step_s: between two times.
        time_s: float64 [m].
        value: float64 [m]: NaN where there is none.
        notes: what was noticed.
    """

    step_s: float
    time_s: Vector
    value: Vector
    notes: tuple[str, ...]


def gridded(samples: Samples) -> Grid:
    """Put a series on its grid.

    Raises:
        RecordingError: it has none, or too little stands on it.
    """
    _check_values(samples)
    _check_order(samples)
    steps, usual_ns = _steps(samples)
    place = np.concatenate(([0], np.cumsum(steps)))
    since_ns = samples.time_ns - samples.time_ns[0]
    step_ns = float(since_ns[-1]) / float(place[-1])
    size = int(place[-1]) + 1
    _check_gaps(samples, steps, size)
    missed_ns = np.abs(since_ns - place * step_ns)
    if missed_ns.max() > JITTER * step_ns:
        raise _irregular(samples, int(missed_ns.argmax()), usual_ns)
    value = np.full(size, np.nan)
    value[place] = samples.value
    time_s = np.arange(size, dtype=np.float64) * (step_ns / NS_PER_S)
    return Grid(
        step_ns / NS_PER_S,
        time_s + int(samples.time_ns[0]) / NS_PER_S,
        value,
        tuple(_notes(samples, steps, float(missed_ns.max()), step_ns)),
    )


def _check_values(samples: Samples) -> None:
    known = samples.value[~np.isnan(samples.value)]
    if len(known) < FEWEST:
        nans = len(samples.value) - len(known)
        told = f" and {nans} that are NaN or empty" if nans else ""
        problem = f"holds {often(len(known), 'value')}{told}, a comparison needs {FEWEST} at least"
        raise RecordingError(samples.path, problem)
    if len(known) < MOST_NAN * len(samples.value):
        problem = f"{len(samples.value) - len(known)} of {len(samples.value)} values are NaN"
        raise RecordingError(samples.path, problem)
    if (known == known[0]).all():
        problem = f"is constant: all its {len(known)} values are {known[0]:g}, nothing to compare"
        raise RecordingError(samples.path, problem)


def _check_order(samples: Samples) -> None:
    steps_ns = np.diff(samples.time_ns)
    if (steps_ns > 0).all():
        return
    at = int((steps_ns <= 0).argmax()) + 1
    before, row = int(samples.rows[at - 1]), int(samples.rows[at])
    back_s = -int(steps_ns[at - 1]) / NS_PER_S
    if not back_s:
        problem = f"has the time of {samples.place} {before}. Take one of them out"
    else:
        problem = (
            f"its time is {back_s:g} s before that of {samples.place} {before}: several series "
            "need a column unique_id, one has to be sorted"
        )
    raise RecordingError(samples.path, problem, row)


def _steps(samples: Samples) -> tuple[Integers, float]:
    """Steps of the grid from each time to the next, and the usual step in ns."""
    steps_ns = np.diff(samples.time_ns)
    usual_ns = float(np.median(steps_ns))
    steps = np.rint(steps_ns / usual_ns).astype(np.int64)
    missed = (np.abs(steps_ns - steps * usual_ns) > JITTER * usual_ns) | (steps < 1)
    if missed.any():
        raise _irregular(samples, int(missed.argmax()) + 1, usual_ns)
    return steps, usual_ns


def _irregular(samples: Samples, at: int, usual_ns: float) -> RecordingError:
    step_s = int(samples.time_ns[at] - samples.time_ns[at - 1]) / NS_PER_S
    problem = (
        f"comes {step_s:g} s after {samples.place} {samples.rows[at - 1]}, where the usual step is "
        f"{usual_ns / NS_PER_S:g} s: a series needs a regular grid. Resample it, or, if it is a "
        "clock's offsets, say so: --kind clock"
    )
    return RecordingError(samples.path, problem, int(samples.rows[at]))


def _check_gaps(samples: Samples, steps: Integers, size: int) -> None:
    missing = size - len(samples.time_ns)
    if missing > MOST_MISSING * size:
        at = int(steps.argmax())
        problem = (
            f"{missing} of {size} samples of its grid are missing, the most of them in one place "
            f"({steps[at] - 1}) after {samples.place} {samples.rows[at]}. Split it there, or "
            "resample it"
        )
        raise RecordingError(samples.path, problem)


def _notes(samples: Samples, steps: Integers, missed_ns: float, step_ns: float) -> list[str]:
    notes = []
    empty = np.isnan(samples.value)
    if empty.any():
        first = f"{samples.place} {samples.rows[int(empty.argmax())]}"
        notes.append(f"{being(int(empty.sum()), 'value')} NaN or empty (the first: {first})")
    missing = int(steps.sum()) - len(steps)
    if missing:
        at = int(steps.argmax())
        where = f"{steps[at] - 1} of them after {samples.place} {samples.rows[at]}"
        notes.append(f"{being(missing, 'sample')} missing on the grid and NaN ({where})")
    if missed_ns > NOTABLE_JITTER * step_ns:
        notes.append(
            f"times miss the grid of {step_ns / NS_PER_S:g} s by up to {missed_ns / NS_PER_S:.3g} s"
            "; they are taken as on it"
        )
    return notes
