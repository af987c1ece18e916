"""What the history holds, as values: one class per table, one constructor per direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from json import dumps, loads
from typing import Any

from chronotick.ntp.measurement import Measurement, Stamps

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMeasurement:
    """A measurement as it was remembered.

    Attributes:
        id: number in this history, ascending.
        boot_id: boot on whose RAW axis it lies.
        measurement: the exchange.
        selected: the source was among those believed.
    """

    id: int
    boot_id: str
    measurement: Measurement
    selected: bool

    @property
    def unix_ns(self) -> int:
        """UTC of the measurement, as its own server told it."""
        return self.measurement.raw_ns + self.measurement.offset_ns

    @classmethod
    def from_row(cls, row: Row) -> StoredMeasurement:
        """Build from a row of ``measurements``, columns in the order of ``MEASUREMENT_COLUMNS``.

        Raises:
            ValueError, TypeError: the row was damaged.
        """
        number, boot, _unix, source, *numbers, stamps, authenticated, selected = row
        measurement = Measurement(
            source=str(source),
            **dict(zip(MEASUREMENT_COLUMNS[4:-3], map(int, numbers), strict=True)),
            stamps=Stamps(stamps),
            authenticated=bool(authenticated),
            delay_known=True,  # the daemon measures it itself
        )
        return cls(id=number, boot_id=boot, measurement=measurement, selected=bool(selected))

    def row(self) -> Row:
        """The row of ``measurements``."""
        m = self.measurement
        return (
            self.id,
            self.boot_id,
            int(self.unix_ns),
            m.source,
            int(m.raw_ns),
            int(m.offset_ns),
            int(m.delay_ns),
            int(m.precision_ns),
            int(m.root_delay_ns),
            int(m.root_dispersion_ns),
            int(m.stratum),
            int(m.leap),
            int(m.reference_id),
            m.stamps.value,
            int(m.authenticated),
            int(self.selected),
        )


MEASUREMENT_COLUMNS = (
    "id",
    "boot_id",
    "unix_ns",
    "source",
    "raw_ns",
    "offset_ns",
    "delay_ns",
    "precision_ns",
    "root_delay_ns",
    "root_dispersion_ns",
    "stratum",
    "leap",
    "reference_id",
    "stamps",
    "authenticated",
    "selected",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How a forecast turned out.

    Attributes:
        error_s: measured minus predicted offset, in seconds.
        measurement_id: the measurement that judged it.
        raw_ns: RAW time of that measurement.
    """

    error_s: float
    measurement_id: int
    raw_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredForecast:
    """One model's forecast for one horizon.

    Attributes:
        id: number in this history, ascending.
        boot_id: boot on whose RAW axis it lies.
        unix_ns: UTC when it was made, as it was known then.
        model: name of the model.
        predictor: the loop that asked: ``short_term`` or ``long_term``.
        issued_raw_ns: RAW time at which the forecast starts.
        horizon_ns: how far ahead it looks.
        predicted_offset_ns: UTC - RAW at ``issued_raw_ns + horizon_ns``.
        sigma_s: standard uncertainty the model claimed, in seconds; ``None`` if it claimed none.
        score: how it turned out, once a measurement has judged it.
    """

    id: int
    boot_id: str
    unix_ns: int
    model: str
    predictor: str
    issued_raw_ns: int
    horizon_ns: int
    predicted_offset_ns: int
    sigma_s: float | None
    score: Score | None = None

    @classmethod
    def from_row(cls, row: Row) -> StoredForecast:
        """Build from a row of ``forecasts``, columns in the order of ``FORECAST_COLUMNS``."""
        *values, error_s, measurement_id, scored_raw_ns = row
        score = None
        if error_s is not None:
            score = Score(error_s=error_s, measurement_id=measurement_id, raw_ns=scored_raw_ns)
        return cls(**dict(zip(FORECAST_COLUMNS[:-3], values, strict=True)), score=score)

    def row(self) -> Row:
        """The row of ``forecasts``, without its score, which comes later."""
        return (
            self.id,
            self.boot_id,
            int(self.unix_ns),
            self.model,
            self.predictor,
            int(self.issued_raw_ns),
            int(self.horizon_ns),
            int(self.predicted_offset_ns),
            None if self.sigma_s is None else float(self.sigma_s),
        )


FORECAST_COLUMNS = (
    "id",
    "boot_id",
    "unix_ns",
    "model",
    "predictor",
    "issued_raw_ns",
    "horizon_ns",
    "predicted_offset_ns",
    "sigma_s",
    "error_s",
    "measurement_id",
    "scored_raw_ns",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A change of the clock's state.

    Attributes:
        boot_id: boot on whose RAW axis it lies.
        raw_ns: RAW time of the change.
        unix_ns: UTC of the change, as it was known then.
        before: the state that ended, e.g. ``"synchronised"``.
        after: the state that began, e.g. ``"holdover"``.
        reason: why, as a sentence.
    """

    boot_id: str
    raw_ns: int
    unix_ns: int
    before: str
    after: str
    reason: str


TRANSITION_COLUMNS = ("boot_id", "raw_ns", "unix_ns", "before", "after", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was served at an instant: every few seconds one is kept.

    Attributes:
        raw_ns: the instant.
        unix_ns: served time at it.
        status: what the daemon said about it, e.g. ``"synchronised"``.
        system_minus_utc_ns: how far the system clock was from it.
        bound_ns: half-width of the hard interval.
        sigma_ns: calibrated standard uncertainty.
        frequency: d(UTC)/d(RAW) - 1 of the estimate (s/s).
        coverage: measured coverage of 95 % intervals, 0 to 1.
        weights: share of each model in the estimate.
        boot_id: boot on whose RAW axis it lies; ``""``: the running one.
    """

    raw_ns: int
    unix_ns: int
    status: str
    system_minus_utc_ns: int
    bound_ns: int
    sigma_ns: int
    frequency: float
    coverage: float
    weights: Mapping[str, float]
    boot_id: str = ""

    @classmethod
    def from_row(cls, row: Row) -> Reading:
        """Build from a row of ``readings``, columns in the order of ``READING_COLUMNS``.

        Raises:
            ValueError, TypeError: the row was damaged.
        """
        *values, weights = row
        return cls(**dict(zip(READING_COLUMNS[:-1], values, strict=True)), weights=loads(weights))

    def row(self, boot: str) -> Row:
        """The row of ``readings`` on a boot."""
        return (
            boot,
            int(self.raw_ns),
            int(self.unix_ns),
            self.status,
            int(self.system_minus_utc_ns),
            int(self.bound_ns),
            int(self.sigma_ns),
            float(self.frequency),
            float(self.coverage),
            dumps(dict(self.weights)),
        )


READING_COLUMNS = (
    "boot_id",
    "raw_ns",
    "unix_ns",
    "status",
    "system_minus_utc_ns",
    "bound_ns",
    "sigma_ns",
    "frequency",
    "coverage",
    "weights",
)


@dataclass(frozen=True, slots=True)
class SavedState:
    """The estimator as it was saved.

    Attributes:
        raw_ns: RAW time of the save.
        snapshot: what was saved.
    """

    raw_ns: int
    snapshot: Mapping[str, Any]
