from __future__ import annotations

import numpy as np
import pytest

from chronotick.clock.noise import BINS, LEAST_SAMPLES, WIDTHS, Components, NoiseDensity
from chronotick.clock.packing import packed, unpacked
from chronotick.clock.posterior import posterior

EXCESS_S = np.array([1e-3])
FLOOR = np.array([1e-12])
PLACES = (np.arange(BINS) + 0.5) / BINS - 0.5


def shares(density: NoiseDensity) -> np.ndarray:
    return density.components(EXCESS_S, FLOOR).shares[0]


def taught(errors_s, density: NoiseDensity) -> NoiseDensity:
    """A density that has seen errors through a filter that knows the clock to 0.2 us."""
    own = np.array([4e-14])
    for error_s in errors_s:
        seen = posterior(np.array([error_s]), own, density.components(EXCESS_S, FLOOR))
        density.learn(seen.probabilities, np.array([True]))
    return density


def known(learns: bool = True) -> NoiseDensity:
    return NoiseDensity(1, delay_known=True, learns=learns)


def uniform(rng):
    return rng.uniform(-0.5, 0.5, 3000)


def tilted(rng):
    return rng.beta(3, 1, 3000) - 0.5


def two_ended(rng):
    return np.where(rng.random(3000) < 0.5, -0.45, 0.45) + rng.uniform(-0.03, 0.03, 3000)


@pytest.mark.parametrize("drawn", [uniform, tilted, two_ended])
def test_the_density_of_errors_is_learnt(drawn):
    places = drawn(np.random.default_rng(1))
    density = taught(places * EXCESS_S[0], known())
    true, _ = np.histogram(places, bins=BINS, range=(-0.5, 0.5))
    assert np.abs(np.cumsum(shares(density) - true / len(places))).max() < 0.1
    components = density.components(EXCESS_S, FLOOR)
    assert components.mean_s[0] == pytest.approx(places.mean() * EXCESS_S[0], abs=2e-5)
    assert components.variance[0] == pytest.approx(places.var() * EXCESS_S[0] ** 2, rel=0.1)


def test_at_first_an_error_is_anywhere_within_half_the_excess():
    components = known().components(EXCESS_S, FLOOR)
    assert components.mean_s[0] == pytest.approx(0.0, abs=1e-12)
    assert components.variance[0] == pytest.approx(1e-6 / 12, rel=0.02)  # uniform


def test_a_bin_is_a_normal_component_as_wide_as_itself_and_its_soft_ends():
    components = known().components(np.array([2.0]), np.array([0.25]))
    np.testing.assert_allclose(components.means[0], 2.0 * PLACES)
    np.testing.assert_allclose(components.variances[0], 4.0 * (1 / 32**2 + 0.02**2) + 0.25)


def test_a_sample_weighs_a_hundredth_of_what_was_assumed_and_is_forgotten_after_5000():
    density = known()
    density.learn(np.eye(1, BINS), np.array([True]))
    samples = unpacked(density.snapshot()["samples"], (1, BINS))[0]
    assert samples.tolist() == pytest.approx(
        [100 / 16 * (1 - 1 / 5000) + 1, *[100 / 16 * (1 - 1 / 5000)] * 15]
    )


def test_without_delays_bins_are_widths_of_which_the_usual_are_within_half_as_much_again():
    """From an eighth of the scatter to 32 times, normal in the logarithm; no narrower than 1 us."""
    components = NoiseDensity(1, delay_known=False).components(EXCESS_S, np.array([4e-8]))
    widths = np.exp(np.linspace(np.log(1 / 8), np.log(32), BINS))
    np.testing.assert_allclose(WIDTHS, widths)
    np.testing.assert_allclose(components.variances[0], np.maximum((widths * 1e-3) ** 2, 4e-8))
    assumed = np.exp(-0.5 * (np.log(widths) / np.log(1.5)) ** 2)
    np.testing.assert_allclose(components.shares[0], assumed / assumed.sum(), atol=1e-4)


def test_no_measurement_is_better_than_the_floor():
    variance = known().components(np.zeros(1), np.array([4e-12])).variance
    assert variance[0] == pytest.approx(4e-12)


def test_it_need_not_learn():
    density = taught(np.full(100, 4e-4), known(learns=False))
    np.testing.assert_allclose(shares(density), 1 / BINS)


def test_outliers_teach_nothing():
    density = known()
    density.learn(np.eye(1, BINS), np.array([False]))
    np.testing.assert_allclose(shares(density), 1 / BINS)


def test_nor_do_they_make_it_forget():
    density = taught([4e-4] * 50, known())
    before = density.snapshot()
    density.learn(np.eye(1, BINS), np.array([False]))
    assert density.snapshot() == before


def test_each_filter_learns_for_itself():
    density = NoiseDensity(2, delay_known=True)
    density.learn(np.eye(2, BINS), np.array([True, True]))
    both = density.components(np.ones(2), np.zeros(2)).shares
    assert both[0, 0] > both[0, 1]
    assert both[1, 1] > both[1, 0]


@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_without_delays_the_width_of_errors_is_learnt(sigma):
    """In units of the scatter that is given, which may be wrong."""
    rng = np.random.default_rng(2)
    errors_s = rng.normal(0, sigma * EXCESS_S[0], 2000)
    density = taught(errors_s, NoiseDensity(1, delay_known=False))
    assert WIDTHS[np.argmax(shares(density))] == pytest.approx(sigma, rel=0.4)


def test_without_delays_errors_are_about_as_wide_as_the_scatter_at_first():
    sigma_s = NoiseDensity(1, delay_known=False).components(EXCESS_S, FLOOR).variance[0] ** 0.5
    assert sigma_s == pytest.approx(EXCESS_S[0], rel=0.25)


def test_without_delays_tails_are_told_from_the_core():
    rng = np.random.default_rng(3)
    errors_s = rng.normal(0, np.where(rng.random(3000) < 0.8, 1.0, 20.0) * EXCESS_S[0])
    density = taught(errors_s, NoiseDensity(1, delay_known=False))
    assert shares(density)[WIDTHS < 5].sum() == pytest.approx(0.8, abs=0.06)


def test_what_never_happens_stays_possible():
    """After some ten thousand samples a bin's share was once saved as 0, and refused later."""
    density = known()
    for _ in range(70_000):
        density.learn(np.eye(1, BINS), np.array([True]))
    assert unpacked(density.snapshot()["samples"], (1, BINS)).min() == LEAST_SAMPLES
    NoiseDensity.restored(density.snapshot(), 1, learns=True)


def test_moments_of_a_mixture_by_hand():
    shares_ = np.array([[0.25, 0.75]])
    mixture = Components(shares_, np.array([[-1.0, 1.0]]), np.array([[1.0, 2.0]]))
    assert mixture.mean_s[0] == pytest.approx(0.5)
    assert mixture.variance[0] == pytest.approx(0.25 * 1 + 0.75 * 2 + 1 - 0.25)


def test_after_a_restart_it_is_the_same():
    density = taught(tilted(np.random.default_rng(4))[:200] * EXCESS_S[0], known())
    twin = NoiseDensity.restored(density.snapshot(), 1, learns=True)
    np.testing.assert_array_equal(shares(twin), shares(density))


@pytest.mark.parametrize(
    "damage",
    [
        {"samples": packed(np.zeros((1, BINS)))},
        {"samples": packed(-np.ones((1, BINS)))},
        {"samples": packed(np.full((1, BINS), np.nan))},
        {"samples": packed(np.ones((2, BINS)))},
        {"samples": [1.0] * BINS},
    ],
)
def test_damage_is_refused(damage):
    with pytest.raises(ValueError, match=r"sample|array"):
        NoiseDensity.restored({**known().snapshot(), **damage}, 1, learns=True)
