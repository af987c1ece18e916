"""How this machine's CLOCK_REALTIME is steered, and how straight it runs. Only reads."""

from __future__ import annotations

import ctypes

import numpy as np

from chronotick.ntp.timestamps import read_pair


class Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as it is read here."""

    _fields_ = (
        *(("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long)),
        *(("maxerror", ctypes.c_long), ("esterror", ctypes.c_long), ("status", ctypes.c_int)),
        *(("constant", ctypes.c_long), ("precision", ctypes.c_long), ("tolerance", ctypes.c_long)),
        *(("time", ctypes.c_long * 2), ("tick", ctypes.c_long), ("rest", ctypes.c_byte * 128)),
    )


def kernel_clock() -> dict[str, float]:
    """How the kernel steers CLOCK_REALTIME; `modes` 0 only reads."""
    timex = Timex()
    ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    return {
        "frequency_ppm": timex.freq / 65536,
        "tick_us": timex.tick,
        "pending_offset_us": timex.offset * (1e-3 if timex.status & 0x2000 else 1.0),
    }


class Steadiness:
    """How straight CLOCK_REALTIME runs against CLOCK_MONOTONIC_RAW."""

    def __init__(self) -> None:
        self._raw_s: list[float] = []
        self._off_ns: list[int] = []

    def look(self) -> None:
        """Compare both clocks now."""
        clocks = read_pair()
        self._raw_s.append(clocks.raw_ns / 1e9)
        self._off_ns.append(clocks.realtime_ns - clocks.raw_ns)

    def result(self) -> dict[str, float]:
        """How fast they drift apart, and how far from evenly."""
        raw_s = np.array(self._raw_s) - self._raw_s[0]
        off_ns = np.array([off - self._off_ns[0] for off in self._off_ns], dtype=float)
        slope, start = np.polyfit(raw_s, off_ns, 1)
        return {
            "drift_ppm": float(slope) / 1e3,
            "rms_from_line_us": float(np.std(off_ns - slope * raw_s - start)) / 1e3,
        }
