"""From the rows of a file to measurements in the order in which they became known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from chronotick.lab.recordings.errors import RecordingError
from chronotick.lab.recordings.plausible import check_units
from chronotick.lab.recordings.recording import Arrival, Recording, Row
from chronotick.lab.recordings.remarks import Remarks
from chronotick.ntp.measurement import Measurement

NS_PER_S = 1_000_000_000
MAX_DISORDER_NS = 60 * NS_PER_S  # what the estimator takes
FIRST_NS = (
    3600 * NS_PER_S
)  # RAW time at which a recording begins whose own times are none of a host
LATEST_NS = 2**53  # 104 days: times up to here are a host's since its boot
ASSUMED_ERROR_NS = NS_PER_S
"""Where a recording says nothing of an error: so wide that selection sorts nobody out for it."""
NOTABLE_GAP = 10.0  # poll intervals
MAX_ERROR_IS_IDLE = "--max-error changes nothing: the recording bounds every error itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where rows are from, and what is to be assumed of them.

    Attributes:
        path: of the file.
        format: what it is, in words.
        max_error_ns: largest error of offsets without delay or uncertainty; ``None``: unknown.
        is_clock: offsets and times must be such as a clock could have.
    """

    path: str
    format: str
    max_error_ns: int | None = None
    is_clock: bool = True


def assembled(origin: Origin, rows: Iterable[Row], remarks: Remarks) -> Recording:
    """Check rows, put them in order and make them measurements.

    Raises:
        RecordingError: nothing is left, or what is left cannot be true.
    """
    usable = [row for row in rows if _is_usable(row, remarks)]
    if not usable:
        why = "; ".join(remarks.losses) or "it has a header only"
        raise RecordingError(origin.path, f"holds no measurement that can be used: {why}")
    if origin.is_clock:
        check_units(origin.path, usable)
    ordered = sorted(_in_order(origin.path, _distinct(usable, remarks), remarks), key=_arrival)
    shift_ns = _shift_ns(ordered)
    _note_gap(ordered, remarks)
    _note_unbounded(ordered, origin, remarks)
    return Recording(
        path=origin.path,
        format=origin.format,
        arrivals=tuple(_arrived(row, shift_ns, origin) for row in ordered),
        shift_ns=shift_ns,
        notes=remarks.sentences,
    )


def _is_usable(row: Row, remarks: Remarks) -> bool:
    if not row.source:
        remarks.left_out(row.line, "source is empty")
    elif row.delay_ns is not None and row.delay_ns < 0:
        remarks.left_out(row.line, "the delay is below zero")
    elif min(row.root_delay_ns, row.root_dispersion_ns, row.uncertainty_ns or 0) < 0:
        remarks.left_out(row.line, "an uncertainty is below zero")
    elif row.arrived_ns < row.local_ns:
        remarks.left_out(row.line, "its reply came before the middle of the exchange")
    elif row.arrived_ns > row.local_ns + MAX_DISORDER_NS:
        remarks.left_out(row.line, "its reply took more than a minute. Is its delay in seconds?")
    else:
        return True
    return False


def _distinct(rows: Sequence[Row], remarks: Remarks) -> list[Row]:
    seen: set[tuple[str, int, int]] = set()
    kept = []
    for row in rows:
        key = row.source, row.local_ns, row.offset_ns
        if key in seen:
            remarks.left_out(row.line, "the same measurement again")
        else:
            seen.add(key)
            kept.append(row)
    return kept


def _in_order(path: str, rows: Sequence[Row], remarks: Remarks) -> Sequence[Row]:
    """Check the order of each source's rows; sources may follow each other in a file."""
    newest: dict[str, Row] = {}
    late = 0
    for row in rows:
        before = newest.setdefault(row.source, row)
        back_ns = before.local_ns - row.local_ns
        if back_ns > MAX_DISORDER_NS:
            problem = (
                f"its time is {back_ns * 1e-9:.0f} s before that of {remarks.place} {before.line}, "
                "of the same source: several recordings in one file, or a clock that was set back? "
                "Split it"
            )
            raise RecordingError(path, problem, row.line)
        late += back_ns > 0
        newest[row.source] = max(before, row, key=lambda each: each.local_ns)
    if late:
        remarks.note(f"{late} rows stand after later ones of their source; they were sorted")
    return rows


def _arrival(row: Row) -> tuple[int, int]:
    return row.arrived_ns, row.line


def _shift_ns(rows: Sequence[Row]) -> int:
    """What makes local times those of a host that is up: positive, and no Unix time."""
    first_ns = min(row.local_ns for row in rows)
    return 0 if 0 < first_ns <= LATEST_NS else FIRST_NS - first_ns


def _note_gap(rows: Sequence[Row], remarks: Remarks) -> None:
    gaps_s = np.diff([row.arrived_ns for row in rows]) * 1e-9
    if len(gaps_s) and gaps_s.max() > NOTABLE_GAP * _poll_s(rows):
        start_s = rows[int(gaps_s.argmax())].arrived_ns * 1e-9
        remarks.note(f"longest gap: {gaps_s.max():.0f} s, after {start_s:.0f} s of local time")


def _note_unbounded(rows: Sequence[Row], origin: Origin, remarks: Remarks) -> None:
    unbounded = sum(row.delay_ns is None and row.uncertainty_ns is None for row in rows)
    if unbounded and origin.max_error_ns is None:
        remarks.note(
            f"nothing bounds the error of {unbounded} measurements (no delay, no uncertainty): "
            "bound_s is inf where no other bounds it. Say what is known: --max-error"
        )
    if not unbounded and origin.max_error_ns is not None:
        remarks.note(MAX_ERROR_IS_IDLE)


def _poll_s(rows: Sequence[Row]) -> float:
    """Typical time between two measurements of a source, s; at least a second."""
    times: dict[str, list[int]] = {}
    for row in rows:
        times.setdefault(row.source, []).append(row.arrived_ns)
    polls_s = [float(np.median(np.diff(each))) * 1e-9 for each in times.values() if len(each) > 1]
    return max(float(np.median(polls_s)), 1.0) if polls_s else 1.0


def _error_ns(row: Row, origin: Origin) -> int | None:
    """Largest error of the offset against the server; ``None`` if nothing bounds it."""
    if row.delay_ns is not None:
        return max(row.delay_ns // 2, row.uncertainty_ns or 0)
    return origin.max_error_ns if row.uncertainty_ns is None else row.uncertainty_ns


def _arrived(row: Row, shift_ns: int, origin: Origin) -> Arrival:
    delay_ns = row.precision_ns if row.delay_ns is None else max(row.delay_ns, 1)
    error_ns = _error_ns(row, origin)
    beyond_ns = (ASSUMED_ERROR_NS if error_ns is None else error_ns) - delay_ns // 2
    return Arrival(
        row.arrived_ns + shift_ns,
        Measurement(
            source=row.source,
            raw_ns=row.local_ns + shift_ns,
            offset_ns=row.offset_ns - shift_ns,
            delay_ns=delay_ns,
            precision_ns=row.precision_ns,
            root_delay_ns=row.root_delay_ns,
            root_dispersion_ns=row.root_dispersion_ns + max(beyond_ns, 0),
            stratum=row.stratum,
            leap=row.leap,
            reference_id=row.reference_id,
            delay_known=row.delay_ns is not None,
        ),
        bounded=error_ns is not None,
    )
