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

LARGEST_S = 4.5e9
"""Of local times and offsets: Unix time until 2112. The sum of both fits 64 bits of nanoseconds."""
YEAR_2001_S = 1e9
LONGEST_DELAY_S = 3.0  # of the median exchange; the daemon's own default limit of any
LONGEST_POLL_S = 2.0**17  # RFC 5905, MAXPOLL: 36 hours
FASTEST = 5e-3  # 5000 ppm: what the configuration accepts at most (clock.max_frequency_error_ppm)
SCATTER = 10.0  # delays by which successive offsets may differ in the median; honest ones: below 1
WANDER = 1e-6  # s/s of further difference
FACTORS = (1e3, 1e6, 1e9)  # of milliseconds, microseconds, nanoseconds
FEW = 8  # rows of a source below which nothing is concluded

Vector = NDArray[np.float64]


def check_units(path: str, rows: Sequence[Row]) -> None:
    """Look for columns in another unit.

    Raises:
        RecordingError: with the column and the factor.
    """
    _check_range(path, "local times", rows, [row.local_ns for row in rows])
    _check_range(path, "offsets", rows, [row.offset_ns for row in rows])
    for source in dict.fromkeys(row.source for row in rows):
        of_source = [row for row in rows if row.source == source]
        if len(of_source) >= FEW:
            _check_source(path, of_source)


def _check_range(path: str, what: str, rows: Sequence[Row], values_ns: Sequence[int]) -> None:
    furthest_ns, row = max(zip(map(abs, values_ns), rows, strict=True), key=lambda found: found[0])
    seconds = furthest_ns * 1e-9
    if seconds >= LARGEST_S:
        raise RecordingError(
            path, f"{what} up to {seconds:.4g} s: {unit_of_instant(seconds)}", row.line
        )


def unit_of_instant(seconds: float) -> str:
    """What a number is that is too large for seconds: sure only of Unix time."""
    for unit, factor in zip(("milliseconds", "microseconds", "nanoseconds"), FACTORS, strict=True):
        if YEAR_2001_S <= seconds / factor < LARGEST_S:
            return f"in {unit}? Divide them by {factor:.0f}"
    return "in milliseconds, microseconds or nanoseconds? They must be in seconds"


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
        factor = next((f for f in FACTORS if typical / f < min(1.0, poll)), FACTORS[-1])
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
    possible = FASTEST * passed + float(delay.max())  # each is wrong by half its delay at most
    if passed > 0 and abs(change) > possible:
        factor = next((f for f in FACTORS if abs(change) / f <= possible), FACTORS[-1])
        problem = (
            f"{where}: offsets change by {change:.4g} s in {passed:.4g} s, more than any "
            f"oscillator. In another unit? Divide by {factor:.0f}"
        )
        raise RecordingError(path, problem, line, "of offsets")
    scatter, allowed = _scatter(time, offset, delay)
    if allowed > 0 and scatter > allowed:
        problem = (
            f"{where}: offsets scatter by {scatter:.4g} s, though even {SCATTER:.0f} times the "
            f"delay is only {allowed:.4g} s. Are both in seconds?"
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
