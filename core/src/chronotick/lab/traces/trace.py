"""A trace, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.recordings.recording import Recording

Kind = Literal["clock", "series"]
Vector = NDArray[np.float64]


def nothing() -> Vector:
    """No values."""
    return np.empty(0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Measurements of one host.

    Attributes:
        name: unique among the traces that were read together.
        host: whose clock or other quantity it is.
        path: where it was read.
        digest: SHA-256 over everything that counts for a forecast and its judgement (times, values,
            uncertainties, sources, truth, unit), in hexadecimal. Names, paths and formats do not.
        kind: ``clock``: offsets, true time - local clock; ``series``: anything else, regular.
        unit: ``s`` for clocks, else as stated; empty: unknown.
        cadence_s: time between measurements, s: of clocks the median of the fastest source.
        recording: the measurements of a clock, of all sources; ``None`` for a series.
        time_s: float64 [n], s: the grid of a series, without gaps. Empty for clocks.
        value: float64 [n], in `unit`: NaN where nothing was measured. Empty for clocks.
        truth_time_s: float64 [m], s, ascending: times on the axis of the file, that of `time_s` and
            of ``recording.local_ns``.
        truth_s: float64 [m], finite: what the quantity really was, in `unit`; for clocks true time
            - local clock as the file has it. Empty where it is not known.
        season: samples of a season of a series; 1: none is known.
        notes: what was noticed, in sentences.
    """

    name: str
    host: str
    path: str
    digest: str
    kind: Kind
    unit: str
    cadence_s: float
    recording: Recording | None = None
    time_s: Vector = field(default_factory=nothing)
    value: Vector = field(default_factory=nothing)
    truth_time_s: Vector = field(default_factory=nothing)
    truth_s: Vector = field(default_factory=nothing)
    season: int = 1
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TraceProblem:
    """What could not be used.

    Attributes:
        path: the file, or the pattern that names none.
        name: what the trace would have been called.
        reason: with the line or row, and what to do.
    """

    path: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Traces:
    """What was read, in the order of the patterns, and by path within each.

    Attributes:
        traces: those that can be used.
        problems: the others.
        reading: options of the command line that they were read with.
    """

    traces: tuple[Trace, ...]
    problems: tuple[TraceProblem, ...]
    reading: tuple[str, ...] = ()
