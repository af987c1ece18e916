"""What a trace is known by: its content, wherever and however it is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.recordings.recording import Arrival, Recording
from chronotick.lab.traces.trace import Vector

FORMAT = b"chronotick trace 1\0"


def digest_of_clock(recording: Recording, truth: tuple[Vector, Vector]) -> str:
    """Return the SHA-256 of a clock's measurements and truth, times and offsets."""
    sources: dict[str, int] = {}
    flat = chain.from_iterable(_integers(each, sources) for each in recording.arrivals)
    fields = np.fromiter(flat, dtype=np.int64)
    shift = np.array([recording.shift_ns])
    return _digest("clock", ["s", *sources], [shift, fields, *truth])


def digest_of_series(
    unit: str, season: int, time_s: Vector, value: Vector, truth: tuple[Vector, Vector]
) -> str:
    """Return the SHA-256 of a series and its truth, times and values."""
    return _digest("series", [unit], [np.array([season]), time_s, value, *truth])


def _integers(arrival: Arrival, sources: dict[str, int]) -> tuple[int, ...]:
    measurement = arrival.measurement
    return (
        sources.setdefault(measurement.source, len(sources)),
        arrival.raw_ns,
        measurement.raw_ns,
        measurement.offset_ns,
        measurement.delay_ns,
        measurement.precision_ns,
        measurement.root_delay_ns,
        measurement.root_dispersion_ns,
        measurement.stratum,
        measurement.leap,
        arrival.bounded * 2 + measurement.delay_known,
    )


def _digest(
    kind: str, texts: Iterable[str], arrays: Iterable[NDArray[np.int64] | NDArray[np.float64]]
) -> str:
    told = hashlib.sha256(FORMAT)
    for text in (kind, *texts):
        told.update(text.encode(errors="surrogatepass") + b"\0")
    for array in arrays:
        told.update(f"{array.dtype.kind}{array.shape}\0".encode())
        told.update(_plain(array).tobytes())
    return told.hexdigest()


def _plain(array: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.generic]:
    """The same bytes on every machine, with one zero and one NaN."""
    if array.dtype.kind == "i":
        return array.astype("<i8")
    return np.where(np.isnan(array), np.nan, array + 0.0).astype("<f8")
