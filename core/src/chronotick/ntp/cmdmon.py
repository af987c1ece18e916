"""chronyd's monitoring protocol, as far as it tells what chronyd believes of the system clock.

Version 6 (``candm.h``, ``cmdmon.c`` and ``util.c`` of chrony): one datagram out, one back, all
numbers in network order. A request is filled up with zeros to the length of its reply, so that
nobody is sent more than he sent. TRACKING needs no authentication. Bytes in, values out: nothing
here opens a socket or reads a clock.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import final

from chronotick.ntp.packet import NS_PER_S
from chronotick.ntp.worded import Worded

VERSION = 6
_TYPE_REQUEST, _TYPE_REPLY = 1, 2
_REQUEST_TRACKING = 33
_REPLY_TRACKING = 5
_SUCCESS = 0
_STATUS_WORDS = {2: "not authorised", 3: "invalid command", 18: "bad version", 19: "bad length"}

_REQUEST = struct.Struct("!BBxxHHI8x")  # version, type, command, attempt, sequence
_HEADER = struct.Struct("!BBxxHHH6xI8x")  # version, type, command, reply, status, sequence
# reference id, address, stratum, leap, reference time, and nine of their own floating-point numbers
_TRACKING = struct.Struct("!I20xHHIII9I")
REPLY_BYTES = _HEADER.size + _TRACKING.size

_EXPONENT_BITS, _COEFFICIENT_BITS = 7, 25
FLOAT_RESOLUTION = 2.0 ** (2 - _COEFFICIENT_BITS)
"""Largest distance of neighbouring numbers over their size: coefficients are 2^23 at least."""
_NO_HIGH_SECONDS = (
    0x7FFF_FFFF  # what a host with seconds of 32 bits sends in place of the upper ones
)

LEAP_UNSYNCHRONISED = 3
MAX_STRATUM = 15
REFERENCE_NONE = 0
REFERENCE_LOCAL = 0x7F7F_0101  # 127.127.1.1: chronyd vouches for its own clock (`local` directive)


@final
class CmdmonDrop(Worded):
    """Why a reply of chronyd's, or a whole question, gave no measurement."""

    FORM = "form", "not a reply of chronyd's monitoring protocol"
    VERSION = "version", f"not version {VERSION} of chronyd's monitoring protocol"
    ORIGIN = "origin", "does not answer our request (spoofed, late or misdirected)"
    COMMAND = "command", "answers another command than tracking"
    STATUS = "status", "chronyd refuses to tell its tracking"
    UNSYNCHRONISED = "unsynchronised", "chronyd says that it is not synchronised"
    LOCAL = "local", "chronyd follows nothing but its own clock (its `local` directive)"
    STALE = "stale", "chronyd has heard nothing from its own sources for long"
    ROOT_DISTANCE = "root-distance", "chronyd states an error of 16 s or more"
    DELAY = "delay", "chronyd's way to its reference clock takes longer than max_delay"
    CLOCK_STEP = "clock-step", "somebody stepped the system clock meanwhile"
    TIMEOUT = "timeout", "no reply in time"
    REFUSED = "refused", "nobody listens there"
    NETWORK = "network", "the request could not be sent"


class CmdmonDroppedError(Exception):
    """Raised when a reply fails a check.

    Attributes:
        drop: the check.
        genuine: the reply carried the sequence number of our request: chronyd itself sent it.
    """

    def __init__(self, drop: CmdmonDrop, detail: str = "", *, genuine: bool = True) -> None:
        super().__init__(f"{drop.words}{f': {detail}' if detail else ''}")
        self.drop = drop
        self.genuine = genuine


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """What chronyd believes of the system clock (``RPY_Tracking``).

    Attributes:
        reference_id: its reference; 0 for none.
        stratum: its own, one more than its reference's; 0 where it is not synchronised.
        leap: leap indicator, 3 where it is not synchronised.
        reference_unix_ns: when its last update was, UTC, blurred by chronyd by up to a second.
        correction_s: true time - system clock: what chronyd has not slewed yet.
        last_offset_s: the system clock's error as found by the last update.
        rms_offset_s: long-term root mean square of these.
        frequency: what it corrects the frequency by, s/s.
        residual_frequency: by how much the last update found that to be wrong, s/s.
        skew: bound of the error of the frequency, s/s.
        root_delay_s: the whole round trip to the reference clock.
        root_dispersion_s: bound of all other errors, now.
        update_interval_s: time between its last two updates; 0 after the first.
    """

    reference_id: int
    stratum: int
    leap: int
    reference_unix_ns: int
    correction_s: float
    last_offset_s: float
    rms_offset_s: float
    frequency: float
    residual_frequency: float
    skew: float
    root_delay_s: float
    root_dispersion_s: float
    update_interval_s: float


def tracking_request(sequence: int) -> bytes:
    """Write the question for chronyd's tracking.

    Args:
        sequence: 32 bits that the reply has to repeat.
    """
    header = _REQUEST.pack(VERSION, _TYPE_REQUEST, _REQUEST_TRACKING, 0, sequence)
    return header.ljust(REPLY_BYTES, b"\0")


def read_tracking(data: bytes, sequence: int) -> Tracking:
    """Read the answer, and check that it is one, to our question.

    Raises:
        CmdmonDroppedError: the first check that fails.
    """
    _check_header(data, sequence)
    if len(data) < REPLY_BYTES:
        raise CmdmonDroppedError(CmdmonDrop.FORM, f"{len(data)} bytes")
    tracking = _unpack(data)
    limits = tracking.rms_offset_s, tracking.skew, tracking.update_interval_s
    if min(tracking.root_delay_s, tracking.root_dispersion_s, *limits) < 0:
        raise CmdmonDroppedError(CmdmonDrop.FORM, "a negative error")
    return tracking


def check_synchronised(tracking: Tracking) -> None:
    """Check that chronyd follows something.

    Raises:
        CmdmonDroppedError: it does not.
    """
    if tracking.reference_id == REFERENCE_LOCAL:
        raise CmdmonDroppedError(CmdmonDrop.LOCAL)
    follows = tracking.leap < LEAP_UNSYNCHRONISED and 0 < tracking.stratum <= MAX_STRATUM
    if not follows or tracking.reference_id == REFERENCE_NONE:
        raise CmdmonDroppedError(CmdmonDrop.UNSYNCHRONISED)


def _check_header(data: bytes, sequence: int) -> None:
    if len(data) < _HEADER.size:
        raise CmdmonDroppedError(CmdmonDrop.FORM, f"{len(data)} bytes", genuine=False)
    version, kind, command, reply, status, echoed = _HEADER.unpack_from(data)
    if kind != _TYPE_REPLY:
        raise CmdmonDroppedError(CmdmonDrop.FORM, genuine=False)
    if echoed != sequence:
        raise CmdmonDroppedError(CmdmonDrop.ORIGIN, genuine=False)
    if version != VERSION:
        raise CmdmonDroppedError(CmdmonDrop.VERSION, f"it speaks version {version}")
    if command != _REQUEST_TRACKING:
        raise CmdmonDroppedError(CmdmonDrop.COMMAND, f"command {command}")
    if status != _SUCCESS:
        words = _STATUS_WORDS.get(status, "see chronyd's candm.h")
        raise CmdmonDroppedError(CmdmonDrop.STATUS, f"status {status}, {words}")
    if reply != _REPLY_TRACKING:
        raise CmdmonDroppedError(CmdmonDrop.COMMAND, f"reply {reply}")


def _unpack(data: bytes) -> Tracking:
    reference_id, stratum, leap, high_s, low_s, fraction_ns, *words = _TRACKING.unpack_from(
        data, _HEADER.size
    )
    numbers = [float_of(word) for word in words]
    correction_s, last_offset_s, rms_offset_s, *frequencies_ppm = numbers[:6]
    frequency, residual_frequency, skew = (1e-6 * ppm for ppm in frequencies_ppm)
    seconds = low_s if high_s == _NO_HIGH_SECONDS else high_s << 32 | low_s
    return Tracking(
        reference_id=reference_id,
        stratum=stratum,
        leap=leap,
        reference_unix_ns=seconds * NS_PER_S + fraction_ns,
        correction_s=correction_s,
        last_offset_s=last_offset_s,
        rms_offset_s=rms_offset_s,
        frequency=frequency,
        residual_frequency=residual_frequency,
        skew=skew,
        root_delay_s=numbers[6],
        root_dispersion_s=numbers[7],
        update_interval_s=numbers[8],
    )


def float_of(word: int) -> float:
    """Read a number of chronyd's: 7 bits of exponent, 25 of coefficient, both two's complement."""
    exponent = _signed(word >> _COEFFICIENT_BITS, _EXPONENT_BITS)
    coefficient = _signed(word & (1 << _COEFFICIENT_BITS) - 1, _COEFFICIENT_BITS)
    return coefficient * 2.0 ** (exponent - _COEFFICIENT_BITS)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
