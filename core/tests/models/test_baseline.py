"""The baseline: the estimator's own expectation, curves included, in the place of a model."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from chronotick.clock import ClockState
from chronotick.models import Baseline
from chronotick.models.builtin import chronotick_models

SECOND = 1_000_000_000
KALMAN = next(spec for spec in chronotick_models() if spec.name == "kalman")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bent(ClockState):
    """A state that expects a parabola, and says how sure it is of it."""

    def offset_at(self, raw_ns: int) -> int:
        age_s = (raw_ns - self.raw_ns) / SECOND
        return self.tangent_at(raw_ns) + round(age_s**2)

    def variance_at(self, raw_ns: int) -> float:
        return 1e-12 + ((raw_ns - self.raw_ns) / SECOND * 1e-9) ** 2


STATE = Bent(
    raw_ns=100 * SECOND,
    offset_ns=5_000,
    frequency=1e-6,
    var_offset=1e-12,
    cov=0.0,
    var_frequency=1e-18,
    white_psd=0.0,
    wander_psd=0.0,
)


@pytest.fixture
def baseline() -> Baseline:
    return Baseline(KALMAN)


def test_the_path_is_curved_where_the_estimator_expects_a_curve(baseline):
    path = baseline.expectation("short_term", STATE, 110 * SECOND, 4 * SECOND, 16)
    assert path.offset_at(150 * SECOND) == 5_000 + 50_000 + 2_500
    assert path.offset_at(151 * SECOND + 1) == 5_000 + 51_000 + 2_601  # exact between points too
    assert path.claimed_sigma_at(200 * SECOND) == pytest.approx((1e-12 + 1e-14) ** 0.5)


def test_it_reaches_from_its_issue_and_knows_what_was_measured(baseline):
    path = baseline.expectation("long_term", STATE, 110 * SECOND, 64 * SECOND, 4)
    assert path.issued_raw_ns == 110 * SECOND
    assert path.known_raw_ns == 100 * SECOND
    assert path.horizon_s(130 * SECOND) == pytest.approx(30)
    assert path.covers(110 * SECOND)
    assert path.covers((110 + 256) * SECOND)
    assert not path.covers((110 + 257) * SECOND)
    assert not path.covers(109 * SECOND)


def test_it_is_counted_as_any_model(baseline):
    path = baseline.expectation("short_term", STATE, 110 * SECOND, 4 * SECOND, 16)
    assert (baseline.requests, baseline.answers) == (1, 1)
    assert baseline.latency_median_s == path.latency_s > 0  # measured, not made up
