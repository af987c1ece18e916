from __future__ import annotations

import numpy as np
import pytest

from chronotick.clock.route import PRIOR, TOLERANCE, WIDEST, WIDTHS, judge_routes, no_routes

FLAT = 1.0  # variance of an offset of which nothing is known, s²


def filtered(measured_s, noise: float, prior) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of offset and biases as the filters have them: with the widest prior."""
    count = len(measured_s)
    before = np.diag([FLAT, *prior])
    seen = np.hstack([np.ones((count, 1)), np.eye(count)])
    gain = before @ seen.T @ np.linalg.inv(seen @ before @ seen.T + noise * np.eye(count))
    return gain @ measured_s, before - gain @ seen @ before


def equal(count: int, sigma_s: float = 1e-3) -> np.ndarray:
    return np.full(count, sigma_s**2)


def test_servers_that_agree_have_symmetric_routes():
    agree = judge_routes(*filtered(np.full(4, 1e-3), 1e-12, equal(4)), equal(4))
    differ = judge_routes(*filtered(np.array([-2, -1, 1, 2]) * 1e-3, 1e-12, equal(4)), equal(4))
    assert agree.unseen < differ.unseen / 10
    assert agree.variance < differ.variance / 10


def test_of_servers_that_agree_but_for_their_noise_little_is_learnt():
    sharp = judge_routes(*filtered(np.zeros(4), 1e-12, equal(4)), equal(4))
    vague = judge_routes(*filtered(np.zeros(4), 1e-4, equal(4)), equal(4))
    assert sharp.unseen < vague.unseen / 5


def test_one_server_tells_nothing_of_its_route():
    prior = equal(1)
    alone = judge_routes(*filtered(np.array([5e-3]), 1e-14, prior), prior)
    expected = PRIOR @ WIDTHS**2 / WIDEST**2 * prior[0]
    assert alone.shift_s == pytest.approx(0.0, abs=1e-8)
    assert alone.unseen == pytest.approx(expected)
    assert alone.variance == pytest.approx(expected, rel=1e-4)


def test_numbers_by_hand():
    """Two like servers 2a apart: the offset is in the middle, its error's variance prior / 2."""
    prior, apart = equal(2), 1e-4
    effect = judge_routes(*filtered(np.array([-apart, apart]), 1e-16, prior), prior)
    narrow = prior[0] * (WIDTHS / WIDEST) ** 2
    # the difference of two biases is normal with twice their variance
    evidence = np.exp(-0.5 * (2 * apart) ** 2 / (2 * narrow)) / np.sqrt(narrow)
    weights = PRIOR * evidence / (PRIOR * evidence).sum()
    # what both have in common: by what is believed of the width before anything was seen
    total, common = weights @ narrow / 2, weights @ WIDTHS**2 / WIDEST**2 * prior[0] / 2
    assert effect.shift_s == pytest.approx(0.0, abs=1e-9)
    assert effect.unseen == pytest.approx(TOLERANCE[2] ** 2 * common, rel=1e-3)
    assert effect.variance == pytest.approx(total + (TOLERANCE[2] ** 2 - 1) * common, rel=1e-3)


def test_it_is_what_integration_over_all_biases_gives():
    """The posterior of the offset, averaged over widths, on a grid of biases."""
    measured_s, noise, prior = np.array([0.3e-3, -0.9e-3]), 4e-8, np.array([1e-6, 9e-6])
    effect = judge_routes(*filtered(measured_s, noise, prior), prior)
    grid = [np.linspace(-6, 6, 1201) * sigma for sigma in np.sqrt(prior)]
    b0, b1 = np.meshgrid(*grid, indexing="ij")
    level = ((measured_s[0] - b0) + (measured_s[1] - b1)) / 2  # the offset, given the biases
    gap = (measured_s[0] - b0) - (measured_s[1] - b1)
    seen = np.exp(-0.5 * gap**2 / (2 * noise))
    evidence, means, squares = [], [], []
    for width in WIDTHS / WIDEST:
        narrow = prior * width**2
        believed = seen * np.exp(-0.5 * (b0**2 / narrow[0] + b1**2 / narrow[1]))
        believed /= np.sqrt(narrow.prod())
        evidence.append(believed.sum())
        means.append((believed * level).sum() / believed.sum())
        squares.append((believed * level**2).sum() / believed.sum() + noise / 2)
    weights = PRIOR * evidence / (PRIOR @ evidence)
    mean = weights @ means
    variance = weights @ squares - mean**2
    offset_s = filtered(measured_s, noise, prior)[0][0] + effect.shift_s
    known = effect.variance - (1 - TOLERANCE[2] ** -2) * effect.unseen
    assert offset_s == pytest.approx(mean, rel=2e-3)
    assert known == pytest.approx(variance, rel=5e-3)


def test_offset_and_biases_are_as_filtered_anew_with_every_width():
    """Errors of servers were once told without the move that goes with the offset's."""
    measured_s, noise, prior = np.array([0.0, 1e-3, 4e-4]), 1e-7, np.array([4e-6, 1e-6, 1e-8])
    effect = judge_routes(*filtered(measured_s, noise, prior), prior)
    found, evidence = [], []
    for width in WIDTHS / WIDEST:
        found.append(filtered(measured_s, noise, prior * width**2)[0])
        total = FLAT + np.diag(prior * width**2 + noise)
        misfit = measured_s @ np.linalg.solve(total, measured_s)
        evidence.append(np.exp(-0.5 * misfit) / np.sqrt(np.linalg.det(total)))
    expected = (PRIOR * evidence) @ found / (PRIOR @ evidence)
    mean, _ = filtered(measured_s, noise, prior)
    assert abs(effect.shift_s) > 1e-5
    moved = mean + np.array([effect.shift_s, *effect.bias_shifts_s])
    np.testing.assert_allclose(moved, expected, rtol=1e-5, atol=1e-9)


def test_more_servers_that_agree_tell_more():
    unseen = [
        judge_routes(*filtered(np.zeros(n), 1e-12, equal(n)), equal(n)).unseen for n in range(2, 9)
    ]
    assert unseen == sorted(unseen, reverse=True)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 20])
def test_what_cannot_be_told_is_no_more_than_all_that_is_not_known(count: int):
    """An offset that is known better than the routes (as after a restart) stays so."""
    covariance = np.diag([4e-14, *[1e-14] * count])
    effect = judge_routes(np.zeros(count + 1), covariance, equal(count))
    wider = TOLERANCE[count] if count < 8 else 1.25
    assert effect.unseen == pytest.approx(wider**2 * 4e-14)
    assert effect.variance == pytest.approx(wider**2 * 4e-14)


def test_without_servers_nothing_changes():
    effect = judge_routes(np.array([1e-3]), np.array([[4e-6]]), np.zeros(0))
    assert (effect.shift_s, effect.variance, effect.unseen) == (0.0, 4e-6, 0.0)
    assert no_routes(4e-6).bias_shifts_s.size == 0


def test_tolerances_are_students():
    """95 % of Student's t over the normal distribution's, degrees of freedom from the tables."""
    quantiles = [4.303, 3.182, 2.776, 2.571, 2.447]
    expected = [1.0, 1.0, quantiles[0] / 1.960, *(each / 1.960 for each in quantiles)]
    np.testing.assert_allclose(TOLERANCE, expected, atol=0.01)
