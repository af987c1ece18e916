"""One way to read any recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chronotick.lab.recordings.assembling import MAX_ERROR_IS_IDLE, Origin, assembled
from chronotick.lab.recordings.chrony import is_chrony, read_chrony
from chronotick.lab.recordings.errors import RecordingError
from chronotick.lab.recordings.ntpd import (
    is_ntpd,
    is_rawstats,
    read_peerstats,
    read_rawstats,
)
from chronotick.lab.recordings.opening import content, is_database, text_lines
from chronotick.lab.recordings.past import read_past
from chronotick.lab.recordings.recording import Arrival, Recording, Row
from chronotick.lab.recordings.remarks import Remarks
from chronotick.lab.recordings.tables import read_table

NS_PER_S = 1_000_000_000


def read_recording(
    path: str, *, boot: str | None = None, max_error_s: float | None = None
) -> Recording:
    """Read recorded measurements, whatever wrote them.

    Args:
        path: a table (CSV) of offsets, chrony's ``measurements.log``, ntpd's ``rawstats`` or
            ``peerstats``, packed with gzip or not, ``-`` for standard input; or a daemon's history.
        boot: beginning of the identifier of a boot, for a history that holds several.
        max_error_s: largest error of offsets of which the recording bounds none, s.

    Raises:
        RecordingError: it cannot be read, or holds what cannot be true.
    """
    if is_database(path):
        return _past(path, boot, max_error_s)
    if boot is not None:
        raise RecordingError(path, "is no history of a daemon: --boot has no meaning")
    remarks = Remarks()
    lines = text_lines(path, content(path))
    told, rows = _rows(path, lines, remarks)
    max_error_ns = None if max_error_s is None else round(max_error_s * NS_PER_S)
    return assembled(Origin(path=path, format=told, max_error_ns=max_error_ns), rows, remarks)


def _rows(path: str, lines: Sequence[str], remarks: Remarks) -> tuple[str, Iterator[Row]]:
    """What the lines are, and their rows."""
    written = [line for line in lines if line.strip()]
    if written[0].lstrip().startswith("{"):
        problem = "is no recording, but JSON. If it describes a world: chronotick lab simulate"
        raise RecordingError(path, f"{problem} {path} --out DIRECTORY, and replay what that writes")
    if is_chrony(written):
        return "chrony's measurements.log", read_chrony(path, lines, remarks)
    if not is_ntpd(written):
        return "table", read_table(path, lines, remarks)
    if is_rawstats(written):
        return "ntpd's rawstats", read_rawstats(path, lines, remarks)
    return "ntpd's peerstats", read_peerstats(path, lines, remarks)


def _past(path: str, boot: str | None, max_error_s: float | None) -> Recording:
    remarks = Remarks()
    if max_error_s is not None:
        remarks.note(MAX_ERROR_IS_IDLE)
    measurements = [stored.measurement for stored in read_past(path, boot, remarks)]
    arrivals = sorted(
        (Arrival(each.raw_ns + (each.delay_ns + 1) // 2, each) for each in measurements),
        key=lambda arrival: arrival.raw_ns,
    )
    return Recording(
        path=path,
        format="a daemon's history",
        arrivals=tuple(arrivals),
        notes=remarks.sentences,
    )
