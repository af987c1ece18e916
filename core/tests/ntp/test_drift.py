from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

import numpy as np
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


def test_three_samples_have_a_slope_two_have_none(sample: MakeSample) -> None:
    line = [sample(at_s=second, offset_ns=30_000 * second) for second in range(3)]
    assert slope(line[:2]) is None
    found = slope(line)
    assert found is not None
    assert found.rate == pytest.approx(30e-6)


def test_the_slope_is_that_of_weighted_least_squares(
    drifting: Callable[..., list[Measurement]],
) -> None:
    """Against numpy; what a sample may be wrong by is in the docstring of the module."""
    for seed in range(5):
        samples = drifting(50e-6, seed=seed, queue_ns=3_000_000)
        delays = np.array([each.delay_ns for each in samples])
        hidden = (np.sort(delays)[len(delays) // 2] - delays.min()) / 2
        noise = (delays - delays.min()) / 2 + 100 + hidden + 2000
        times = np.array([each.raw_ns for each in samples], dtype=float)
        offsets = np.array([each.offset_ns for each in samples], dtype=float)
        line, covariance = np.polyfit(times, offsets, 1, w=1 / noise, cov="unscaled")
        misfit = np.sum(((offsets - np.polyval(line, times)) / noise) ** 2) / (len(samples) - 2)
        found = slope(samples)
        assert found is not None
        assert found.rate == pytest.approx(line[0])
        expected = 3 * np.sqrt(max(misfit, 1.0) * covariance[0, 0])
        assert found.uncertainty == pytest.approx(expected)


def test_numbers_of_today_lose_no_digits(drifting: Callable[..., list[Measurement]]) -> None:
    """UTC - RAW is 10**18 ns and more, where floats are 256 ns apart."""
    samples = drifting(50e-6, queue_ns=3_000_000)
    late = [
        dataclasses.replace(
            each, raw_ns=each.raw_ns + 10**16 + 1, offset_ns=each.offset_ns + 1_800 * 10**15 + 1
        )
        for each in samples
    ]
    assert slope(late) == slope(samples)


def test_scatter_beyond_what_delays_explain_widens_the_uncertainty(sample: MakeSample) -> None:
    offsets = (0, 21_000, 0)
    samples = [sample(at_s=second, offset_ns=ns) for second, ns in enumerate(offsets)]
    found = slope(samples)
    assert found is not None
    standard_ns = (21_000**2 * 2 / 3) ** 0.5  # from the fit, with one degree of freedom
    assert found.uncertainty == pytest.approx(3 * standard_ns / (2 * 1e18) ** 0.5)


def test_of_two_rates_as_good_the_lower_is_taken_in_any_order() -> None:
    pair = [Drift(2e-6, 1e-6), Drift(1e-6, 1e-6)]
    assert common_drift(pair) == common_drift(pair[::-1]) == pair[1]


def test_an_excellent_server_does_not_outvote_two_good_ones() -> None:
    """Nobody is taken for better than 15 ppm, whatever he says."""
    good = [Drift(1e-6, 15e-6), Drift(2e-6, 15e-6)]
    assert common_drift([*good, Drift(300e-6, 1e-12)]) == good[1]


def test_a_worse_server_counts_less() -> None:
    vague = [Drift(-1e-6, 100e-6), Drift(-2e-6, 100e-6)]
    sure = Drift(5e-6, 20e-6)
    assert common_drift([*vague, sure]) == sure
    assert common_drift([*vague, Drift(5e-6, 60e-6)]) == vague[0]


def test_a_rate_that_may_be_off_by_anything_is_none() -> None:
    assert common_drift([Drift(5e-6, UNKNOWN)]) == Drift()
    almost = Drift(5e-6, UNKNOWN * 0.99)
    assert common_drift([None, almost]) == almost


def test_samples_of_one_moment_have_no_slope(sample: MakeSample) -> None:
    assert estimate_drift([[sample(at_s=5)] * 4]) == Drift()


@pytest.mark.parametrize("rate", [-300e-6, 0.0, 80e-6])
def test_a_clean_path_gives_the_rate(
    drifting: Callable[..., list[Measurement]], rate: float
) -> None:
    found = estimate_drift([drifting(rate)])
    assert abs(found.rate - rate) < 1e-9
    noise_ns, spread_ns = 100 + 2000, 16e9 * 42**0.5  # of eight samples 16 s apart
    assert found.uncertainty == pytest.approx(3 * noise_ns / spread_ns)


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
