from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from chronotick.ntp.drift import UNKNOWN, Drift, common_drift, slope
from chronotick.ntp.measurement import Measurement

MakeSample = Callable[..., Measurement]


def estimate_drift(sources: list[list[Measurement]]) -> Drift:
    return common_drift(slope(samples) for samples in sources)


@pytest.fixture
def drifting(sample: MakeSample) -> Callable[..., list[Measurement]]:
    """Eight samples of a source: drift, queueing on either way, constant error."""

    def make(
        rate: float, *, seed: int = 1, queue_ns: int = 0, step_s: float = 16, error_ns: int = 0
    ) -> list[Measurement]:
        rng = random.Random(seed)
        samples = []
        for number in range(8):
            out, back = (round(rng.expovariate(1) * queue_ns) for _ in range(2))
            at_s = number * step_s
            true_ns = round(rate * at_s * 1e9)
            offset_ns = error_ns + true_ns + (out - back) // 2
            samples.append(sample(at_s=at_s, delay_ns=200_000 + out + back, offset_ns=offset_ns))
        return samples

    return make


def test_nothing_known_is_said_to_be_unknown(sample: MakeSample) -> None:
    assert estimate_drift([]) == Drift(0.0, UNKNOWN)
    assert estimate_drift([[sample(at_s=0), sample(at_s=16, offset_ns=10**6)]]) == Drift()


def test_samples_of_one_moment_have_no_slope(sample: MakeSample) -> None:
    assert estimate_drift([[sample(at_s=5)] * 4]) == Drift()


@pytest.mark.parametrize("rate", [-300e-6, 0.0, 80e-6])
def test_a_clean_path_gives_the_rate(
    drifting: Callable[..., list[Measurement]], rate: float
) -> None:
    found = estimate_drift([drifting(rate)])
    assert abs(found.rate - rate) < 1e-9
    assert found.uncertainty < 1e-6


@pytest.mark.parametrize("seed", range(20))
def test_queueing_widens_the_uncertainty_enough(
    drifting: Callable[..., list[Measurement]], seed: int
) -> None:
    found = estimate_drift([drifting(50e-6, seed=seed, queue_ns=1_000_000)])
    assert abs(found.rate - 50e-6) < found.uncertainty < 100e-6


def test_a_short_burst_over_a_noisy_path_is_not_trusted(
    drifting: Callable[..., list[Measurement]],
) -> None:
    found = estimate_drift([drifting(50e-6, queue_ns=20_000_000, step_s=0.5)])
    assert found == Drift()


def test_constant_errors_of_servers_do_not_matter(
    drifting: Callable[..., list[Measurement]],
) -> None:
    sources = [drifting(20e-6, error_ns=error_ns) for error_ns in (0, 10**9, -(10**12))]
    assert abs(estimate_drift(sources).rate - 20e-6) < 1e-9


def test_a_minority_that_runs_away_is_outvoted(
    drifting: Callable[..., list[Measurement]],
) -> None:
    honest = [drifting(20e-6, seed=seed, queue_ns=100_000) for seed in range(3)]
    found = estimate_drift([drifting(400e-6), *honest])
    assert abs(found.rate - 20e-6) < 10e-6


def test_the_estimate_carries_samples_and_widens_bounds(sample: MakeSample) -> None:
    drift = Drift(rate=10e-6, uncertainty=100e-6)
    assert drift.carry(sample(at_s=1, offset_ns=5), 3_000_000_000) == 5 + 20_000
    assert drift.growth_ns(2_000_000_000) == drift.growth_ns(-2_000_000_000) == 200_000
