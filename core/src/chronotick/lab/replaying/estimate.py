"""One row of a replay's result."""

from __future__ import annotations

from dataclasses import dataclass

from chronotick.shm.layout import Source, Status


@dataclass(frozen=True, slots=True)
class MemberEstimate:
    """What one model said.

    Attributes:
        model: its name.
        offset_ns: true time - local clock.
        sigma_s: its measured (baseline: calibrated) standard error; NaN: not known yet.
        weight: its share, 0 to 1.
    """

    model: str
    offset_ns: int
    sigma_s: float
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the daemon would have known at an instant, from what had arrived by then.

    Attributes:
        local_ns: local time of the recording.
        offset_ns: true time - local clock.
        sigma_ns: calibrated standard uncertainty.
        bound_ns: hard bound of the offset's error; ``None`` where nothing bounds it.
        status: of the clock.
        source: what the estimate is made of.
        served_offset_ns: the same as readers would have seen it, steered; ``None``: none served.
        members: the models behind it.
    """

    local_ns: int
    offset_ns: int
    sigma_ns: int
    bound_ns: int | None
    status: Status
    source: Source
    served_offset_ns: int | None
    members: tuple[MemberEstimate, ...]
