"""The 128-byte record: the one table that readers, writers, the C header and the docs follow.

Native byte order, every field naturally aligned. The layout is a public contract: it changes only
together with :data:`ABI_VERSION`.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

SIZE = 128
ABI_VERSION = 1
MAGIC = b"CTK" + bytes([ABI_VERSION])  # as the four bytes stand in memory
MODE = 0o644


class Field(NamedTuple):
    """One field of the record (no dataclass: importing those takes longer than all the rest).

    Attributes:
        offset: bytes from the start.
        format: ``struct`` character of the native type.
        name: name in every language.
        unit: unit of the value, for people.
        meaning: what it says, for people.
    """

    offset: int
    format: str
    name: str
    unit: str
    meaning: str


FIELDS: Sequence[Field] = (
    Field(0, "Q", "seq", "", "even: stable; odd: being written; never reused"),
    Field(8, "q", "anchor_raw_ns", "ns", "CLOCK_MONOTONIC_RAW at the anchor"),
    Field(16, "q", "anchor_utc_ns", "ns", "served Unix time at the anchor"),
    Field(24, "d", "rate", "s/s", "d(UTC)/d(RAW) - 1"),
    Field(32, "q", "bound_ns", "ns", "half-width of the hard interval at the anchor"),
    Field(40, "d", "bound_rate", "s/s", "growth of the bound"),
    Field(48, "q", "sigma_ns", "ns", "calibrated standard uncertainty at the anchor"),
    Field(56, "d", "sigma_rate", "s/s", "growth of sigma"),
    Field(64, "q", "void_after_raw_ns", "ns", "past this RAW time the record says nothing"),
    Field(
        72, "I", "status", "", "0 unknown, 1 warming up, 2 synchronised, 3 holdover, 4 disrupted"
    ),
    Field(76, "I", "flags", "", "bit set, see Flags"),
    Field(80, "q", "system_minus_utc_ns", "ns", "CLOCK_REALTIME - UTC at the anchor"),
    Field(88, "q", "suspended_ns", "ns", "CLOCK_BOOTTIME - CLOCK_MONOTONIC at the anchor"),
    Field(96, "q", "last_sync_raw_ns", "ns", "RAW time of the newest accepted measurement"),
    Field(104, "I", "measurements", "", "measurements accepted since the daemon started"),
    Field(108, "H", "confidence", "1/65535", "measured coverage against nominal, 0 to 1"),
    Field(110, "B", "source", "", "0 none, 1 NTP only, 2 model, 3 fusion, 4 holdover"),
    Field(111, "B", "tai_minus_utc", "s", "whole seconds, 0 unknown"),
    Field(112, "I", "epoch", "", "changes when served time is allowed to jump"),
    Field(116, "I", "magic", "", "the bytes C T K and the ABI version"),
    Field(120, "I", "crc32", "", "CRC-32 of bytes 8 to 119"),
    Field(124, "I", "writer_pid", "", "process that writes"),
)

BODY_FORMAT = "@" + "".join(field.format for field in FIELDS[1:-2])
"""``struct`` format of bytes 8 to 119: all fields but ``seq``, ``crc32`` and ``writer_pid``."""

OFFSETS = {field.name: field.offset for field in FIELDS}
BODY = slice(OFFSETS["anchor_raw_ns"], OFFSETS["crc32"])
"""Where the body stands in the record."""


class Status(enum.IntEnum):
    """What the served time is worth."""

    UNKNOWN = 0
    WARMING_UP = 1
    SYNCHRONISED = 2
    HOLDOVER = 3
    DISRUPTED = 4

    @property
    def words(self) -> str:
        """As people write it, such as ``warming-up``."""
        return self.name.lower().replace("_", "-")


class Flags(enum.IntFlag):
    """Details of the state, a bit each."""

    NTP_READY = 1
    MODELS_READY = 2
    AUTHENTICATED = 4
    LEAP_INSERT = 8
    LEAP_DELETE = 16
    SMEARED = 32
    VALID = 64
    WARM_UP_COMPLETE = 128


class Source(enum.IntEnum):
    """What the served time was made of."""

    NONE = 0
    NTP = 1
    MODEL = 2
    FUSION = 3
    HOLDOVER = 4
