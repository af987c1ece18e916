"""A series of any unit as a clock, so that everything takes one path.

Its values become offsets: the median step between neighbours is :data:`USUAL_STEP_S`, which is in
the middle of what the estimator has hypotheses for. Forecasts are scaled back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chronotick.lab.recordings.assembling import Origin, assembled
from chronotick.lab.recordings.recording import Recording, Row
from chronotick.lab.recordings.remarks import Remarks
from chronotick.lab.traces import Trace

NS_PER_S = 1_000_000_000
USUAL_STEP_S = 1e-5
SHARE_FOR_SCALE = 16  # values that the scale is taken from: the first, which every context knows


@dataclass(frozen=True, slots=True)
class Gauge:
    """How values of a trace and offsets of its recording follow from each other.

    Attributes:
        unit_per_s: of the trace's unit, in a second of the recording.
        zero: value of the trace where the recording's offset is 0.
        known_ns: time of the newest value that it is taken from: no window begins before.
    """

    unit_per_s: float = 1.0
    zero: float = 0.0
    known_ns: int = -(2**63)


def gauge(trace: Trace) -> Gauge:
    """Return the gauge of a trace; that of a clock changes nothing."""
    if trace.recording is not None:
        return Gauge()
    known = np.flatnonzero(~np.isnan(trace.value))
    values = trace.value[known]
    steps = np.abs(np.diff(values))
    moved = np.flatnonzero(steps > 0)
    last = max(SHARE_FOR_SCALE - 1, int(moved[0]) + 1)  # of the values that count
    usual = float(np.median(steps[moved[moved < last]]))
    known_ns = round(float(trace.time_s[known[last]]) * NS_PER_S)
    return Gauge(usual / USUAL_STEP_S, float(values[0]), known_ns)


def clockwise(trace: Trace) -> Recording:
    """Return a trace as a clock's recording.

    Raises:
        RecordingError: it cannot be one.
    """
    if trace.recording is not None:
        return trace.recording
    measured = gauge(trace)
    rows = (_row(int(number), trace, measured) for number in np.flatnonzero(~np.isnan(trace.value)))
    return assembled(Origin(path=trace.path, format="a series", is_clock=False), rows, Remarks())


def _row(number: int, trace: Trace, measured: Gauge) -> Row:
    local_ns = round(float(trace.time_s[number]) * NS_PER_S)
    offset_s = (float(trace.value[number]) - measured.zero) / measured.unit_per_s
    return Row(
        line=number + 1,
        source=trace.name,
        local_ns=local_ns,
        arrived_ns=local_ns,
        offset_ns=round(offset_s * NS_PER_S),
        delay_ns=None,
    )
