"""The noise has the Allan deviation that theory gives it (Riley, NIST SP 1065)."""

import numpy as np
import pytest

from chronotick.lab.environment import Cycle, Cycling, Load, Loading
from chronotick.lab.fluctuations import FlickerFM, Fluctuation, RandomWalkFM, WhiteFM, relax

STEPS = 100_000
TAUS = (1, 4, 16, 64, 256)
# The estimate scatters by about 1/sqrt(2 * independent intervals); the largest tau has 390 of them.
TOLERANCE = 0.10


def phase(process: Fluctuation, step_s: float = 1.0) -> np.ndarray:
    blocks = [process.advance(1000) for _ in range(STEPS // 1000)]
    return np.concatenate([[0.0], np.cumsum(np.concatenate(blocks)) * step_s])


def overlapping_allan_deviation(phase_s: np.ndarray, m: int, step_s: float = 1.0) -> float:
    """The overlapping estimator of NIST SP 1065."""
    second_difference = phase_s[2 * m :] - 2 * phase_s[m:-m] + phase_s[: -2 * m]
    return float(np.sqrt(np.mean(second_difference**2) / 2) / (m * step_s))


PROCESSES = {
    "white": (WhiteFM, lambda tau_s: 1e-8 / np.sqrt(tau_s)),
    "flicker": (FlickerFM, lambda _tau_s: 1e-8),
    "random walk": (RandomWalkFM, lambda tau_s: 1e-8 * np.sqrt(tau_s / 3)),
}


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("step_s", [1.0, 0.25])
def test_noise_has_its_theoretical_allan_deviation(name: str, step_s: float):
    make, theory = PROCESSES[name]
    phase_s = phase(make(1e-8, step_s, np.random.default_rng(11)), step_s)
    for m in TAUS:
        measured = overlapping_allan_deviation(phase_s, m, step_s)
        assert measured == pytest.approx(theory(m * step_s), rel=TOLERANCE), f"m={m}"


def test_flicker_stays_flat_over_four_decades():
    deviations = []
    for seed in range(6):
        phase_s = phase(FlickerFM(1e-8, 1.0, np.random.default_rng(seed)))
        deviations.append(
            [overlapping_allan_deviation(phase_s, m) for m in (1, 10, 100, 1000, 8000)]
        )
    mean = np.sqrt(np.mean(np.square(deviations), axis=0))
    assert mean[:3] == pytest.approx(1e-8, rel=0.05)
    assert mean[3:] == pytest.approx(1e-8, rel=0.25)


@pytest.mark.parametrize("name", PROCESSES)
def test_block_boundaries_do_not_show(name: str):
    """The same statistics whether a block has 1000 steps or 10."""
    make, theory = PROCESSES[name]
    process = make(1e-8, 1.0, np.random.default_rng(5))
    phase_s = np.cumsum(np.concatenate([process.advance(10) for _ in range(3000)]))
    for m in (1, 16):
        measured = overlapping_allan_deviation(phase_s, m)
        assert measured == pytest.approx(theory(m), rel=TOLERANCE)


def test_relax_solves_the_recursion():
    rng = np.random.default_rng(2)
    drive, decay, start = rng.normal(size=(37, 3)), np.array([0.0, 0.5, 0.999]), np.ones(3)
    expected, value = [], start
    for row in drive:
        value = decay * value + row
        expected.append(value)
    np.testing.assert_allclose(relax(decay, drive, start), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("waveform", ["sine", "triangle", "sawtooth"])
def test_a_cycle_repeats_and_keeps_to_its_amplitude(waveform: str):
    cycle = Cycle(period_s=1200.0, amplitude=5e-7, waveform=waveform)
    frequency = Cycling(cycle, 1.0, np.random.default_rng(1)).advance(6000)
    assert np.max(np.abs(frequency)) == pytest.approx(5e-7, rel=0.01)
    assert abs(np.mean(frequency)) < 1e-9
    np.testing.assert_allclose(frequency[:1200], frequency[1200:2400], atol=1e-12)


def test_a_triangle_has_no_jumps_and_a_sawtooth_has():
    def largest_jump(waveform: str) -> float:
        cycle = Cycle(period_s=1200.0, amplitude=1.0, waveform=waveform, jitter=0.1)
        process = Cycling(cycle, 1.0, np.random.default_rng(1))
        frequency = np.concatenate([process.advance(1000) for _ in range(20)])
        return np.max(np.abs(np.diff(frequency)))

    assert largest_jump("triangle") < 0.01
    assert largest_jump("sawtooth") > 1.5


def test_jitter_changes_the_length_of_cycles():
    cycle = Cycle(period_s=1200.0, amplitude=1.0, waveform="sawtooth", jitter=0.1)
    frequency = Cycling(cycle, 1.0, np.random.default_rng(4)).advance(200_000)
    lengths = np.diff(np.flatnonzero(np.diff(frequency) < -1))
    assert np.mean(lengths) == pytest.approx(1200, rel=0.05)
    assert np.std(lengths) == pytest.approx(120, rel=0.25)


def test_load_approaches_its_levels_with_the_thermal_constant():
    load = Load(amplitude=1.0, mean_hold_s=1e5, thermal_constant_s=180.0)
    process = Loading(load, 1.0, np.random.default_rng(3))
    frequency = np.concatenate([process.advance(1000) for _ in range(400)])
    change = int(np.argmax(np.abs(np.diff(frequency))))
    start, end = frequency[change], frequency[change + 2000]
    after = (frequency[change + 180] - end) / (start - end)
    assert after == pytest.approx(np.exp(-1), abs=0.01)
    assert np.max(np.abs(frequency)) <= 1.0


def test_load_changes_as_often_as_it_says():
    load = Load(amplitude=1.0, mean_hold_s=500.0, thermal_constant_s=1e-3)
    frequency = Loading(load, 1.0, np.random.default_rng(3)).advance(200_000)
    changes = np.count_nonzero(np.abs(np.diff(frequency)) > 0.01)
    assert changes == pytest.approx(400, rel=0.15)
