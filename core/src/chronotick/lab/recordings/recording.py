"""Recorded measurements, as values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from chronotick.ntp.measurement import Measurement

PRECISION_NS = 1000
"""What kernel stamps achieve; recordings hardly ever say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One exchange as a file states it. Local times are as in the file.

    Attributes:
        line: of the file (of a table of a database: the row's number).
        source: the server.
        local_ns: local clock at the middle of the exchange.
        arrived_ns: local clock when its reply was there.
        offset_ns: true time - local clock.
        delay_ns: round trip; ``None``: not recorded.
        precision_ns: resolution of the clocks, or of the numbers if that is coarser.
        root_delay_ns: the server's round trip to its reference clock.
        root_dispersion_ns: the server's own stated maximum error.
        uncertainty_ns: stated maximum error of the offset; ``None``: none stated.
        stratum, leap, reference_id: as in :class:`Measurement`.
    """

    line: int
    source: str
    local_ns: int
    arrived_ns: int
    offset_ns: int
    delay_ns: int | None
    precision_ns: int = PRECISION_NS
    root_delay_ns: int = 0
    root_dispersion_ns: int = 0
    uncertainty_ns: int | None = None
    stratum: int = 1
    leap: int = 0
    reference_id: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A measurement, and from when on anybody may know it.

    Attributes:
        raw_ns: RAW time at which its reply was there (t4).
        measurement: the exchange, on the RAW axis.
        bounded: its error is bounded: by its delay, or as stated.
    """

    raw_ns: int
    measurement: Measurement
    bounded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Measurements in the order in which they became known.

    Local times of the recording are CLOCK_MONOTONIC_RAW of the replay, moved by ``shift_ns`` where
    they are not such as a host that is up could show.

    Attributes:
        path: where it was read; ``-`` is standard input.
        format: what it is, in words.
        arrivals: by ``raw_ns``.
        shift_ns: RAW - local time of the recording; exact.
        notes: what was noticed, in sentences.
    """

    path: str
    format: str
    arrivals: tuple[Arrival, ...]
    shift_ns: int = 0
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Measurements by source, in the order of their first."""
        return dict(Counter(arrival.measurement.source for arrival in self.arrivals))

    def local_ns(self, raw_ns: int) -> int:
        """Local time of the recording at a RAW time."""
        return raw_ns - self.shift_ns

    def raw_ns(self, local_ns: int) -> int:
        """RAW time at a local time of the recording."""
        return local_ns + self.shift_ns
