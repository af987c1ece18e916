from __future__ import annotations

import numpy as np
import pytest

from chronotick.clock.scatter import UNKNOWN_S, Scatter

SECOND = 1_000_000_000


def fed(offsets_s, times_s=None) -> Scatter:
    scatter = Scatter()
    times = range(len(offsets_s)) if times_s is None else times_s
    for time_s, offset_s in zip(times, offsets_s, strict=True):
        scatter.add(round(time_s * SECOND), round(offset_s * SECOND))
    return scatter


@pytest.mark.parametrize("sigma_s", [1e-6, 4e-4])
@pytest.mark.parametrize("frequency", [0.0, -491e-6])
def test_noise_is_found_whatever_the_frequency(sigma_s, frequency):
    rng = np.random.default_rng(1)
    times_s = np.cumsum(rng.uniform(10, 100, 300))
    offsets_s = frequency * times_s + rng.normal(0, sigma_s, 300)
    assert fed(offsets_s, times_s).sigma_s == pytest.approx(sigma_s, rel=0.4)


def test_a_tenth_of_wild_values_hardly_moves_it():
    rng = np.random.default_rng(2)
    offsets_s = rng.normal(0, 1e-4, 300)
    offsets_s[::10] += 0.5
    assert fed(offsets_s).sigma_s == pytest.approx(1e-4, rel=0.8)


def test_a_step_of_the_clock_is_forgotten():
    offsets_s = np.random.default_rng(3).normal(0, 1e-4, 300) + (np.arange(300) > 280) * 0.2
    assert fed(offsets_s).sigma_s == pytest.approx(1e-4, rel=0.4)


def test_before_three_measurements_nothing_is_known():
    assert fed([]).sigma_s == fed([1.0, 2.0]).sigma_s == UNKNOWN_S


def test_few_measurements_say_little():
    """One difference of 0.1 ms may be a lucky one of a far wider scatter."""
    assert fed([0.0, 1.5**0.5 * 1e-4, 0.0]).sigma_s > 5e-4


def test_what_is_not_newer_tells_nothing():
    scatter = fed([0.0, 1e-4, 0.0, 1e-4])
    before = scatter.sigma_s
    scatter.add(0, 5 * SECOND)
    scatter.add(3 * SECOND, 5 * SECOND)
    assert scatter.sigma_s == before


def test_a_snapshot_keeps_it():
    scatter = fed(np.random.default_rng(4).normal(0, 1e-3, 100))
    assert Scatter.restored(scatter.snapshot()).sigma_s == scatter.sigma_s


def test_a_difference_by_hand():
    """The middle at a quarter of the time, 1300 ns above a line that rises by 800 ns."""
    scatter = Scatter()
    for raw_ns, offset_ns in ((1000, 5000), (2000, 5000 + 200 + 1300), (5000, 5800)):
        scatter.add(raw_ns, offset_ns)
    (difference_s,) = scatter.snapshot()
    assert difference_s == pytest.approx(1300e-9 / (1 + 1 / 16 + 9 / 16) ** 0.5)
    assert scatter.sigma_s == pytest.approx(difference_s / 0.6745 * (1 + 3))
