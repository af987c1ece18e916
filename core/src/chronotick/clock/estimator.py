"""What the daemon asks of an estimator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from chronotick.clock.state import ClockState
from chronotick.ntp.measurement import Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Innovation:
    """How far a measurement was from what the estimator expected.

    Attributes:
        residual_s: measured minus predicted offset, s.
        variance: its predicted variance (state plus measurement noise), s².
        noise_variance: the part of it that is the measurement's own, s².
        outlier: it was too far off to be taken at face value.
        reacquired: so many were that the estimator concluded that the clock had changed.
    """

    residual_s: float
    variance: float
    noise_variance: float
    outlier: bool = False
    reacquired: bool = False

    @property
    def normalised(self) -> float:
        """Residual in units of its predicted standard deviation."""
        return float(self.residual_s / self.variance**0.5)


class Estimator(Protocol):
    """Turns measurements into the state of the clock. Everything on the RAW axis."""

    @property
    def newest_raw_ns(self) -> int | None:
        """RAW time of the newest measurement taken; ``None`` before the first."""

    def update(self, measurement: Measurement) -> Innovation:
        """Take one measurement; nearly in the order of their RAW time."""

    def state(self, raw_ns: int) -> ClockState | None:
        """Return the state carried forward to ``raw_ns``; ``None`` before the first measurement."""

    def noise_s(self, measurement: Measurement) -> float:
        """Return the standard uncertainty in s this estimator gives to a measurement."""

    def expected_error_s(self, measurement: Measurement) -> float:
        """Return what is believed to be wrong with a measurement in s: measured minus true."""

    def drop(self, source: str) -> None:
        """Forget a source that is gone; what it taught about the clock stays."""

    def snapshot(self) -> dict[str, Any]:
        """Return everything needed to go on after a restart, as JSON types."""

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take up a snapshot.

        Raises:
            ValueError: the snapshot is not one of this estimator's.
        """
