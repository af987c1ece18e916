"""Four timestamps say what offset and delay must be (RFC 5905, section 8): units show there."""

from __future__ import annotations

from collections.abc import Mapping

from chronotick.lab.recordings.errors import CellError

TOLERANCE_NS = 1_000  # of rounding, here and where the file was made
RELATIVE = 1e-3
_FACTORS = {
    1e3: "in milliseconds",
    1e6: "in microseconds",
    1e9: "in nanoseconds",
    -1.0: "of the opposite sign (it must be true time - local clock)",
}


def offset_and_delay(t1_ns: int, t2_ns: int, t3_ns: int, t4_ns: int) -> tuple[int, int]:
    """Return offset and delay of an exchange in ns; t1 and t4 are the local clock's."""
    return ((t2_ns - t1_ns) + (t3_ns - t4_ns)) // 2, (t4_ns - t1_ns) - (t3_ns - t2_ns)


def contradiction(values: Mapping[str, int], local_ns: int) -> CellError | None:
    """Compare columns with the four timestamps beside them.

    Args:
        values: nanoseconds by column.
        local_ns: local time of the exchange.
    """
    stamps = [values[f"t{number}_s"] for number in (1, 2, 3, 4)]
    offset_ns, delay_ns = offset_and_delay(*stamps)
    middle_ns = (stamps[0] + stamps[3]) // 2
    time = "t_local_s" if "t_local_s" in values else "t_s"
    if not stamps[0] - TOLERANCE_NS <= local_ns <= stamps[3] + TOLERANCE_NS:
        return _wrong(time, local_ns, middle_ns)
    if not _equal(values["offset_s"], offset_ns):
        return _wrong("offset_s", values["offset_s"], offset_ns)
    stated_ns = values.get("delay_s", delay_ns)
    return None if _equal(stated_ns, delay_ns) else _wrong("delay_s", stated_ns, delay_ns)


def _equal(stated_ns: int, computed_ns: int) -> bool:
    return abs(stated_ns - computed_ns) <= TOLERANCE_NS


def _wrong(column: str, stated_ns: int, computed_ns: int) -> CellError:
    found = f"{stated_ns * 1e-9:.9g} where t1_s to t4_s give {computed_ns * 1e-9:.9g}"
    for factor, words in _FACTORS.items():
        if abs(stated_ns - factor * computed_ns) <= RELATIVE * abs(factor * computed_ns):
            cure = f". Divide the column by {factor:.0f}"
            return CellError(f"{found}: it is {words}{cure}", column)
    return CellError(f"{found}: they contradict each other", column)
