"""What chronyd, or whoever sits on its port, answers: the tracking reply and what is made of it."""

from __future__ import annotations

import math
from dataclasses import astuple

from chronotick.ntp.checks import MAX_DISTANCE_NS
from chronotick.ntp.chronyd import check_current, measured
from chronotick.ntp.cmdmon import REPLY_BYTES, CmdmonDroppedError, Tracking, read_tracking
from chronotick.ntp.cmdmon_exchange import Report
from chronotick.ntp.packet import EARLIEST_NS, NS_PER_S
from chronotick.ntp.timestamps import ClockPair, RawScale
from fuzz.oracle import require

SEQUENCE = 0x1234_5678
_SEQUENCE_AT = slice(16, 20)
_RECORDED = bytes.fromhex(
    "060200000021000500000000000000001234567800000000000000007f0000017f00000100000000000000000000"
    "00000001000000020000000000006b0d43733638b306dd3376d0d35f8b56d6d1deedf150adafed11a126fa887b7d"
    "e0c272acdcb8a462048027ea"
)
_NOW_NS = EARLIEST_NS + 10**17
_SCALE = RawScale(
    ClockPair(realtime_ns=_NOW_NS, raw_ns=10**15, window_ns=50),
    ClockPair(realtime_ns=_NOW_NS + 10**6, raw_ns=10**15 + 10**6, window_ns=50),
)


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Read a reply, and measure by it.

    Raises:
        Finding: what is read are no numbers, or what is measured cannot be.
    """
    how, datagram = (data[0] if data else 0), bytearray(data[1:])
    if how & 1 and len(datagram) >= _SEQUENCE_AT.stop:
        datagram[_SEQUENCE_AT] = SEQUENCE.to_bytes(4, "big")
    if how & 2:
        datagram[: _SEQUENCE_AT.stop] = _RECORDED[: _SEQUENCE_AT.stop]
    try:
        tracking = read_tracking(bytes(datagram), SEQUENCE)
    except CmdmonDroppedError as dropped:
        require(str(dropped), "what is dropped is dropped in words")
        return
    require(len(datagram) >= REPLY_BYTES, "a reply is whole")
    require(all(map(math.isfinite, astuple(tracking))), "every number is one")
    _measure(tracking, 1 + how)


def _measure(tracking: Tracking, answers: int) -> None:
    report = Report(tracking, _SCALE)
    require(report.age_s >= 0, "no update lies ahead")
    try:
        check_current(report)
    except CmdmonDroppedError:
        return
    measurement = measured(report, "chronyd", answers)
    require(measurement.delay_ns > 0 < measurement.precision_ns, "delay and precision are positive")
    require(0 < measurement.stratum < 16, "only who follows something is believed")  # noqa: PLR2004
    if measurement.root_distance_ns < MAX_DISTANCE_NS:
        moved_ns = measurement.offset_ns - (report.realtime_ns - report.raw_ns)
        known_ns = round(tracking.correction_s * NS_PER_S)
        require(moved_ns == known_ns, "an offset is what chronyd would correct")


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    seconds = (_NOW_NS // NS_PER_S).to_bytes(4, "big")
    fresh = _RECORDED[:56] + seconds + _RECORDED[60:]
    return {
        "recorded": b"\3" + _RECORDED,
        "fresh": b"\3" + fresh,
        "refused": b"\1" + _RECORDED[:8] + b"\0\2" + _RECORDED[10:],
        "old": b"\1\5" + _RECORDED[1:],
        "short": b"\3" + _RECORDED[:60],
    }
