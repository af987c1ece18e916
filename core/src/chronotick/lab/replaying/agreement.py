"""How far a replay of a debug trace is from what the daemon found itself."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from chronotick.lab.replaying.estimate import Estimate
from chronotick.lab.replaying.traced import Planned


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The differences between estimates and the daemon's own plans of the same instants.

    Attributes:
        plans: how many were compared.
        offset_median_ns, offset_max_ns: of the estimates, absolute.
        sigma_max: of sigma, relative to the daemon's.
        bound_max_ns: of the hard bounds, absolute.
        weight_max: of the weight of any model, absolute.
        same_status: share of the plans with the same status.
    """

    plans: int
    offset_median_ns: float
    offset_max_ns: int
    sigma_max: float
    bound_max_ns: int
    weight_max: float
    same_status: float


@dataclass(slots=True)
class Comparison:
    """Compares estimates as they come.

    Args:
        plans: the daemon's own.
    """

    plans: Iterable[Planned]
    _by_instant: dict[int, Planned] = field(init=False)
    _offsets_ns: list[int] = field(default_factory=list)
    _sigmas: list[float] = field(default_factory=list)
    _bounds_ns: list[int] = field(default_factory=list)
    _weights: list[float] = field(default_factory=list)
    _same: int = 0

    def __post_init__(self) -> None:
        self._by_instant = {each.raw_ns: each for each in self.plans}

    def add(self, estimate: Estimate) -> None:
        """Take an estimate in; one of an instant without a plan is passed over."""
        planned = self._by_instant.get(estimate.local_ns)
        if planned is None:
            return
        self._offsets_ns.append(abs(estimate.offset_ns - planned.offset_ns))
        self._sigmas.append(abs(estimate.sigma_ns - planned.sigma_ns) / max(planned.sigma_ns, 1))
        if estimate.bound_ns is not None:
            self._bounds_ns.append(abs(estimate.bound_ns - planned.bound_ns))
        mine = {member.model: member.weight for member in estimate.members}
        models = mine.keys() | planned.weights.keys()
        weights = (abs(mine.get(m, 0.0) - planned.weights.get(m, 0.0)) for m in models)
        self._weights.append(max(weights, default=0.0))
        self._same += estimate.status is planned.status

    @property
    def agreement(self) -> Agreement | None:
        """What it came to; ``None``: nothing could be compared."""
        if not self._offsets_ns:
            return None
        return Agreement(
            plans=len(self._offsets_ns),
            offset_median_ns=statistics.median(self._offsets_ns),
            offset_max_ns=max(self._offsets_ns),
            sigma_max=max(self._sigmas),
            bound_max_ns=max(self._bounds_ns, default=0),
            weight_max=max(self._weights),
            same_status=self._same / len(self._offsets_ns),
        )
