"""chrony's ``measurements.log`` (chrony.conf(5): ``log measurements`` or ``rawmeasurements``).

Its offset is theta of RFC 5905, "positive indicates that the local clock is slow of the remote
source": true time - local clock, as everywhere here (``ntp_core.c``: remote minus local average).
Root delay and root dispersion are those of the server's packet. The local clock is the one that
chrony steers, unless it ran with ``-x``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone

from chronotick.lab.recordings.decimals import nanoseconds, resolution_ns
from chronotick.lab.recordings.errors import CellError, RecordingError
from chronotick.lab.recordings.recording import PRECISION_NS, Row
from chronotick.lab.recordings.remarks import Remarks

NS_PER_S = 1_000_000_000
PASSED = "1"
_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
_FEWEST_COLUMNS = 17
_LEAPS = {"N": 0, "+": 1, "-": 2}


def is_chrony(lines: Sequence[str]) -> bool:
    """Whether lines are of one of chrony's logs."""
    return any(_LINE.match(line) for line in lines[:8])


def read_chrony(path: str, lines: Sequence[str], remarks: Remarks) -> Iterator[Row]:
    """Read the measurements of a log; its banners are passed over.

    Raises:
        RecordingError: it is another log of chrony's, or a line is damaged.
    """
    remarks.note(
        "chrony logs whole seconds and four digits; its local clock is the one it steers, unless "
        "it ran with -x"
    )
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith(("=", "   Date")):
            continue
        fields = line.split()
        if len(fields) < _FEWEST_COLUMNS or fields[3] not in {*_LEAPS, "?"}:
            problem = "is no line of chrony's measurements.log (log measurements in chrony.conf)"
            raise RecordingError(path, problem, number)
        try:
            row = _row(number, fields, remarks)
        except CellError as error:
            raise RecordingError(path, error.problem, number, error.column) from None
        except ValueError as error:
            raise RecordingError(path, f"is damaged ({error})", number) from None
        if row is not None:
            yield row


def _row(line: int, fields: Sequence[str], remarks: Remarks) -> Row | None:
    leap, stratum, tests = fields[3], int(fields[4]), fields[5] + fields[6]
    offset, delay, _dispersion, root_delay, root_dispersion = fields[11:16]
    if leap not in _LEAPS or set(tests) != {PASSED}:
        remarks.left_out(line, "chrony's tests 1 to 7 did not accept it")
        return None
    when = datetime.fromisoformat(f"{fields[0]} {fields[1]}").replace(tzinfo=timezone.utc)
    local_ns = round(when.timestamp()) * NS_PER_S
    delay_ns = nanoseconds(delay, "Peer del.")
    return Row(
        line=line,
        source=fields[2],
        local_ns=local_ns,
        arrived_ns=local_ns + (delay_ns + 1) // 2,
        offset_ns=nanoseconds(offset, "Offset"),
        delay_ns=delay_ns,
        precision_ns=max(PRECISION_NS, resolution_ns(offset)),
        root_delay_ns=nanoseconds(root_delay, "Root del."),
        root_dispersion_ns=nanoseconds(root_dispersion, "Root disp."),
        stratum=stratum,
        leap=_LEAPS[leap],
    )
