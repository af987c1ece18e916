"""ntpd's ``rawstats`` and ``peerstats`` (Monitoring Commands and Options, ``statistics``).

rawstats: MJD, seconds past midnight, server, own address, t1 to t4 in NTP seconds; since 4.2.8 also
leap, version, mode, stratum, poll, precision, root delay, root dispersion and reference.

peerstats: MJD, seconds past midnight, server, status, offset, delay, dispersion[, jitter]. The
offset is that of the server relative to this host: true time - local clock, as everywhere here. It
is what the clock filter chose among the last eight samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from chronotick.lab.recordings.decimals import nanoseconds
from chronotick.lab.recordings.errors import CellError, RecordingError
from chronotick.lab.recordings.recording import Row
from chronotick.lab.recordings.remarks import Remarks
from chronotick.lab.recordings.stamps import offset_and_delay

NS_PER_S = 1_000_000_000
_DAY_NS = 86_400 * NS_PER_S
_MJD_OF_1970 = 40_587
_NTP_TO_UNIX_NS = 2_208_988_800 * NS_PER_S
_ERA_NS = 2**32 * NS_PER_S
_LINE = re.compile(r"\d{5} \d+(\.\d*)? +\S")
_STATUS = re.compile(r"[0-9a-f]{4,5}$")  # in rawstats, an address or - stands there
_RAW_FIELDS, _RAW_FIELDS_WITH_PACKET = 8, 17
_PEER_FIELDS = (7, 8)
_SERVER_MODES = frozenset({"1", "2", "4"})  # symmetric and server; broadcasts have no t1
_LAST_STRATUM = 15


def is_ntpd(lines: Sequence[str]) -> bool:
    """Whether lines are of one of ntpd's statistics files."""
    return bool(_LINE.match(lines[0]))


def is_rawstats(lines: Sequence[str]) -> bool:
    """Whether, of ntpd's files, it is rawstats."""
    fields = lines[0].split()
    return len(fields) >= _RAW_FIELDS and not _STATUS.match(fields[3])


def read_rawstats(path: str, lines: Sequence[str], remarks: Remarks) -> Iterator[Row]:
    """Read rawstats.

    Raises:
        RecordingError: a line is of another file, or damaged.
    """
    if len(lines[0].split()) < _RAW_FIELDS_WITH_PACKET:
        remarks.note(_NO_ROOT.format("rawstats of this version"))
    for number, fields in _fields(path, lines):
        if len(fields) < _RAW_FIELDS:
            raise RecordingError(path, "is no line of ntpd's rawstats", number)
        try:
            row = _raw_row(number, fields, remarks)
        except (CellError, ValueError) as error:
            raise RecordingError(path, f"is no line of ntpd's rawstats: {error}", number) from None
        if row is not None:
            yield row


def read_peerstats(path: str, lines: Sequence[str], remarks: Remarks) -> Iterator[Row]:
    """Read peerstats.

    Raises:
        RecordingError: a line is of another file, or damaged.
    """
    remarks.note(
        "peerstats holds what the clock filter chose of the last eight samples, at the time of "
        "choosing: rawstats says more"
    )
    remarks.note(_NO_ROOT.format("peerstats"))
    for number, fields in _fields(path, lines):
        if len(fields) not in _PEER_FIELDS or not _STATUS.match(fields[3]):
            hint = "record peerstats or rawstats (`statistics` in ntp.conf)"
            raise RecordingError(path, f"is no line of ntpd's peerstats: {hint}", number)
        try:
            yield _peer_row(number, fields)
        except CellError as error:
            raise RecordingError(path, error.problem, number, error.column) from None


_NO_ROOT = "{} does not hold the servers' root distances: the bound takes their own time for exact"


def _fields(path: str, lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if not _LINE.match(line):
            raise RecordingError(path, "does not begin with a day and seconds as ntpd's do", number)
        yield number, line.split()


def _peer_row(line: int, fields: Sequence[str]) -> Row:
    local_ns = _unix_ns(fields)
    delay_ns = nanoseconds(fields[5], "delay")
    return Row(
        line=line,
        source=fields[2],
        local_ns=local_ns,
        arrived_ns=local_ns,
        offset_ns=nanoseconds(fields[4], "offset"),
        delay_ns=delay_ns,
        root_dispersion_ns=nanoseconds(fields[6], "dispersion"),
    )


def _raw_row(line: int, fields: Sequence[str], remarks: Remarks) -> Row | None:
    stamps = [nanoseconds(text, f"t{n}") for n, text in enumerate(fields[4:8], start=1)]
    packet = fields[8:17] if len(fields) >= _RAW_FIELDS_WITH_PACKET else None
    why_not = _unusable(stamps, packet)
    if why_not:
        remarks.left_out(line, why_not)
        return None
    logged_ns = _unix_ns(fields)
    t1_ns, t2_ns, t3_ns, t4_ns = (_unix_from_ntp(stamp, logged_ns) for stamp in stamps)
    offset_ns, delay_ns = offset_and_delay(t1_ns, t2_ns, t3_ns, t4_ns)
    return Row(
        line=line,
        source=fields[2],
        local_ns=(t1_ns + t4_ns) // 2,
        arrived_ns=t4_ns,
        offset_ns=offset_ns,
        delay_ns=delay_ns,
        root_delay_ns=nanoseconds(packet[6], "root delay") if packet else 0,
        root_dispersion_ns=nanoseconds(packet[7], "root dispersion") if packet else 0,
        stratum=int(packet[3]) if packet else 1,
        leap=int(packet[0]) if packet else 0,
    )


def _unusable(stamps: Sequence[int], packet: Sequence[str] | None) -> str:
    if not all(stamps):
        return "a timestamp is 0: no reply to a question"
    if packet is None:
        return ""
    if packet[2] not in _SERVER_MODES:
        return "no reply to a question (mode)"
    if packet[0] == "3" or not 1 <= int(packet[3]) <= _LAST_STRATUM:
        return "the server was not synchronised"
    return ""


def _unix_ns(fields: Sequence[str]) -> int:
    return (int(fields[0]) - _MJD_OF_1970) * _DAY_NS + nanoseconds(fields[1], "seconds")


def _unix_from_ntp(ntp_ns: int, near_ns: int) -> int:
    """Unix time of an NTP timestamp, in the era (RFC 5905, section 6) nearest to a Unix time."""
    unix_ns = ntp_ns - _NTP_TO_UNIX_NS
    return unix_ns + round((near_ns - unix_ns) / _ERA_NS) * _ERA_NS
