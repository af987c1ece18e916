"""The oscillator's surroundings: temperature and load, which move its frequency."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

PERIOD_S: Final = 4.0
"""Between readings: as fine as the shortest step of a context by default."""

KEEP: Final = 16_384
"""Readings kept of each name: 18 hours."""

_CELSIUS: Final = 1e-3  # the kernel gives thousandths of a degree (sysfs-class-thermal)
_IDLE: Final = slice(3, 5)  # idle and iowait, of the times in /proc/stat (proc(5))
_TIMES: Final = slice(0, 8)  # user to steal; guest time is in user time already


class Surroundings:
    """Reads what Linux tells without privileges; what a host does not tell is left out.

    Args:
        sys: where sysfs is mounted.
        proc: where procfs is mounted.
    """

    def __init__(self, sys: Path = Path("/sys"), proc: Path = Path("/proc")) -> None:
        self._zones = sorted(sys.glob("class/thermal/thermal_zone*/temp"))
        self._stat = proc / "stat"
        self._busy, self._total = self._cpu_times()

    def read(self) -> dict[str, float]:
        """Return ``temperature_c``, of the hottest zone, and ``load``.

        Load is the share of CPU time, 0 to 1, that was busy since the last call.
        """
        readings = {}
        temperatures = [found for zone in self._zones if (found := _celsius(zone)) is not None]
        if temperatures:
            readings["temperature_c"] = max(temperatures)
        busy, total = self._cpu_times()
        if total > self._total:
            readings["load"] = (busy - self._busy) / (total - self._total)
        self._busy, self._total = busy, total
        return readings

    def _cpu_times(self) -> tuple[int, int]:
        """Busy and total CPU time in ticks, of all CPUs together; zeros where it is not told."""
        try:
            line = self._stat.read_text(encoding="ascii").splitlines()[0]
            times = [int(word) for word in line.split()[1:]][_TIMES]
        except (OSError, ValueError, IndexError):
            return 0, 0
        return sum(times) - sum(times[_IDLE]), sum(times)


def _celsius(zone: Path) -> float | None:
    with suppress(OSError, ValueError):  # a zone may be there and refuse to be read
        return int(zone.read_text(encoding="ascii")) * _CELSIUS
    return None
