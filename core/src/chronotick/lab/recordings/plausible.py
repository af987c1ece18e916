"""Mistakes of unit that no other column gives away, found by what clocks and networks can do.

Only what is impossible is refused, so a mistake can go unseen: of a delay of 0.02 nobody can tell
that it was meant in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.recordings.errors import RecordingError
from chronotick.lab.recordings.recording import Row

LATEST_S = 1e11  # seconds: the year 5138; as Unix time in milliseconds, 1973
LONGEST_DELAY_S = 3.0  # of the median exchange; the daemon's own default limit of any
LONGEST_POLL_S = 2.0**17  # RFC 5905, MAXPOLL: 36 hours
FASTEST = 5e-3  # 5000 ppm: what the configuration accepts at most (clock.max_frequency_error_ppm)
SCATTER = 10.0  # delays by which successive offsets may differ in the median; honest ones: below 1
WANDER = 1e-6  # s/s of further difference
FEW = 8  # rows of a source below which nothing is concluded

Vector = NDArray[np.float64]


def check_units(path: str, rows: Sequence[Row]) -> None:
    """Look for columns in another unit.

    Raises:
        RecordingError: with the column and the factor.
    """
    _check_times(path, rows)
    for source in dict.fromkeys(row.source for row in rows):
        of_source = [row for row in rows if row.source == source]
        if len(of_source) >= FEW:
            _check_source(path, of_source)


def _check_times(path: str, rows: Sequence[Row]) -> None:
    furthest = max(rows, key=lambda row: abs(row.local_ns))
    seconds = abs(furthest.local_ns) * 1e-9
    for unit, factor in (("nanoseconds", 1e9), ("microseconds", 1e6), ("milliseconds", 1e3)):
        if seconds >= LATEST_S * factor / 1e3:
            problem = f"local times up to {seconds:.4g} s: in {unit}? Divide them by {factor:.0f}"
            raise RecordingError(path, problem, furthest.line)


def _check_source(path: str, rows: Sequence[Row]) -> None:
    time = np.array([row.local_ns - rows[0].local_ns for row in rows]) * 1e-9
    offset = np.array([row.offset_ns - rows[0].offset_ns for row in rows]) * 1e-9
    delay = np.array([row.delay_ns or 0 for row in rows]) * 1e-9
    where = f"source {rows[0].source}"
    poll = float(np.median(np.diff(time)))
    if poll > LONGEST_POLL_S:
        problem = f"{where}: {poll:.6g} s between measurements. In milliseconds? Divide by 1000"
        raise RecordingError(path, problem, rows[0].line, "of times")
    typical = float(np.median(delay))
    if typical > LONGEST_DELAY_S or 0 < poll < typical:
        factor = next((f for f in (1e3, 1e6, 1e9) if typical / f < min(1.0, poll)), 1e9)
        problem = (
            f"{where}: delays of {typical:.4g} s, measured every {poll:.4g} s. In another unit? "
            f"Divide by {factor:.0f}"
        )
        raise RecordingError(path, problem, rows[0].line, "of delays")
    _check_offsets(path, rows, (time, offset, delay))


def _check_offsets(path: str, rows: Sequence[Row], columns: tuple[Vector, Vector, Vector]) -> None:
    time, offset, delay = columns
    where, line = f"source {rows[0].source}", rows[0].line
    quarter = max(len(rows) // 4, 1)
    change = float(np.median(offset[-quarter:]) - np.median(offset[:quarter]))
    passed = float(np.median(time[-quarter:]) - np.median(time[:quarter]))
    if passed > 0 and abs(change) > FASTEST * passed:
        problem = (
            f"{where}: offsets change by {change:.4g} s in {passed:.4g} s, more than any "
            "oscillator. In milliseconds? Divide by 1000"
        )
        raise RecordingError(path, problem, line, "of offsets")
    scatter, allowed = _scatter(time, offset, delay)
    if allowed > 0 and scatter > allowed:
        problem = (
            f"{where}: offsets scatter by {scatter:.4g} s, though an exchange of {SCATTER:.0f} "
            f"times the delay could not ({allowed:.4g} s). Are both in seconds?"
        )
        raise RecordingError(path, problem, line, "of offsets")


def _scatter(time: Vector, offset: Vector, delay: Vector) -> tuple[float, float]:
    """Median distance of an offset from the line between its neighbours, and what is possible."""
    if not delay.any():
        return 0.0, 0.0
    span = time[2:] - time[:-2]
    share = np.divide(time[1:-1] - time[:-2], span, out=np.full(len(span), 0.5), where=span > 0)
    between = offset[:-2] + share * (offset[2:] - offset[:-2])
    scatter = float(np.median(np.abs(offset[1:-1] - between)))
    return scatter, SCATTER * float(np.median(delay)) + WANDER * float(np.median(span))
