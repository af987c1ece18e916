"""Estimates against the truth, with chrony's beside them where they are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.recordings.errors import RecordingError
from chronotick.lab.recordings.truths import OFFSET, TIME, read_truth
from chronotick.lab.replaying.estimate import Estimate

WARM_UP_S = 3600.0  # of the truth's span, not counted
NOMINAL_SIGMAS = 1.96  # 95 %
CHRONY = "chrony_offset_s"
DISCIPLINED = "chrony_disciplined_error_s"

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Errors of one estimate of the clock, s.

    Attributes:
        count: errors.
        rms_s, sd_s: about zero, and about their mean.
        mean_s: their mean.
        median_s, p95_s, p99_s, max_s: of their absolute values.
    """

    count: int
    rms_s: float
    sd_s: float
    mean_s: float
    median_s: float
    p95_s: float
    p99_s: float
    max_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """How true the estimates of a replay were.

    Attributes:
        estimate: errors of ``offset_s``.
        served: errors of ``served_offset_s``.
        coverage_95: share of errors within 1.96 sigma.
        mean_sigma_s: mean of ``sigma_s``.
        bounded: estimates that had a bound, all of them, the warm-up included.
        bound_violations: of these, how many were further off than their bound.
        rms_to_chrony, sd_to_chrony: ratio to chrony's estimate on the same measurements, where it
            had one; ``None``: the truth holds none.
        rms_to_chrony_disciplined: ratio to the clock that chrony steered.
    """

    estimate: Spread
    served: Spread | None
    coverage_95: float
    mean_sigma_s: float
    bounded: int
    bound_violations: int
    rms_to_chrony: float | None
    sd_to_chrony: float | None
    rms_to_chrony_disciplined: float | None


class Truth:
    """What the offset really was; linear between its points.

    Args:
        path: of a table with ``t_local_s`` and ``offset_s``; ``-`` is standard input.

    Raises:
        RecordingError: it cannot be read.
    """

    def __init__(self, path: str) -> None:
        columns = read_truth(path, (CHRONY, DISCIPLINED))
        self._times_ns = columns[TIME]
        self._offsets_ns = columns[OFFSET]
        self._columns = columns
        self._path = path

    def offset_ns(self, local_ns: NDArray[np.int64]) -> Vector:
        """True offset at local times, NaN where it is not known."""
        times = self._times_ns
        return np.interp(local_ns, times, self._offsets_ns, left=np.nan, right=np.nan)

    def judge(self, estimates: list[Estimate], warm_up_s: float = WARM_UP_S) -> Errors:
        """Compare; errors count from ``warm_up_s`` after the truth begins on.

        Raises:
            RecordingError: there is no estimate in the truth's span, or none after the warm-up.
        """
        local = np.array([each.local_ns for each in estimates], dtype=np.int64)
        error = np.array([each.offset_ns for each in estimates]) - self.offset_ns(local)
        bounds = np.array([_or_nan(each.bound_ns) for each in estimates])
        known = ~np.isnan(error)
        since_ns = self._times_ns[0] + warm_up_s * 1e9
        counted = known & (local >= since_ns)
        if not counted.any():
            raise RecordingError(
                self._path, self._why_none(local, warm_up_s, known=bool(known.any()))
            )
        served = np.array([_or_nan(each.served_offset_ns) for each in estimates])
        served_error = (served - self.offset_ns(local))[counted]
        sigma = np.array([each.sigma_ns for each in estimates])[counted]
        spread = _spread(error[counted])
        return Errors(
            estimate=spread,
            served=_spread(served_error) if not np.isnan(served_error).any() else None,
            coverage_95=float(np.mean(np.abs(error[counted]) <= NOMINAL_SIGMAS * sigma)),
            mean_sigma_s=float(sigma.mean() * 1e-9),
            bounded=int(np.count_nonzero(~np.isnan(bounds) & known)),
            bound_violations=int(np.count_nonzero(np.abs(error) > bounds)),
            **self._ratios(spread, since_ns),
        )

    def _why_none(self, local_ns: NDArray[np.int64], warm_up_s: float, *, known: bool) -> str:
        if known:
            return (
                f"no estimate lies in it after the warm-up of {warm_up_s:g} s. Shorten that: "
                "--warm-up"
            )
        first_s, last_s = self._times_ns[0] * 1e-9, self._times_ns[-1] * 1e-9
        ours = (
            f"{local_ns[0] * 1e-9:.3f} to {local_ns[-1] * 1e-9:.3f} s" if len(local_ns) else "none"
        )
        return (
            f"no estimate lies in it: it knows local times {first_s:.3f} to {last_s:.3f} s, "
            f"estimates are of {ours}"
        )

    def _ratios(self, ours: Spread, since_ns: float) -> dict[str, float | None]:
        chrony = self._theirs(CHRONY, self._offsets_ns, since_ns)
        disciplined = self._theirs(DISCIPLINED, 0.0, since_ns)
        return {
            "rms_to_chrony": _ratio(ours, chrony, "rms_s"),
            "sd_to_chrony": _ratio(ours, chrony, "sd_s"),
            "rms_to_chrony_disciplined": _ratio(ours, disciplined, "rms_s"),
        }

    def _theirs(self, column: str, less: Vector | float, since_ns: float) -> Spread | None:
        """Chrony's errors, where the truth holds them."""
        if column not in self._columns:
            return None
        errors = (self._columns[column] - less)[self._times_ns >= since_ns]
        known = errors[~np.isnan(errors)]
        return _spread(known) if len(known) else None


def _ratio(ours: Spread, theirs: Spread | None, of: str) -> float | None:
    """``None`` without an error of theirs."""
    theirs_s: float = 0.0 if theirs is None else getattr(theirs, of)
    return float(getattr(ours, of)) / theirs_s if theirs_s else None


def _or_nan(value: int | None) -> float:
    return float("nan") if value is None else float(value)


def _spread(errors_ns: Vector) -> Spread:
    errors = errors_ns * 1e-9
    size = np.sort(np.abs(errors))
    last = len(size) - 1
    return Spread(
        count=len(size),
        rms_s=float(np.sqrt(np.mean(errors**2))),
        sd_s=float(errors.std()),
        mean_s=float(errors.mean()),
        median_s=float(size[len(size) // 2]),
        p95_s=float(size[int(0.95 * last)]),
        p99_s=float(size[int(0.99 * last)]),
        max_s=float(size[-1]),
    )
