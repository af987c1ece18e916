import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.lab.environment import Cycle, Step
from chronotick.lab.oscillator import BLOCK_STEPS, OSCILLATORS, Oscillator, OscillatorModel

NS = 1_000_000_000
DAY_NS = 86_400 * NS


@pytest.mark.parametrize("name", OSCILLATORS)
def test_the_same_seed_gives_the_same_truth_whatever_was_asked_before(name: str):
    times_ns = [0, 17, 5 * NS + 3, BLOCK_STEPS * NS, 40_000 * NS + 999, 3 * NS]
    one = Oscillator(OSCILLATORS[name], seed=7)
    other = Oscillator(OSCILLATORS[name], seed=7)
    other.truth(90_000 * NS)
    assert [one.truth(t) for t in times_ns] == [other.truth(t) for t in times_ns]


def test_other_seeds_give_other_truth():
    one, other = (Oscillator(OSCILLATORS["calm"], seed=seed) for seed in (1, 2))
    assert one.truth(DAY_NS) != other.truth(DAY_NS)


def test_a_process_draws_the_same_whichever_others_there_are():
    wander = Oscillator(OscillatorModel(wander=1e-8), seed=1)
    both = Oscillator(OscillatorModel(wander=1e-8, white_fm=1e-8), seed=1)
    white = Oscillator(OscillatorModel(white_fm=1e-8), seed=1)
    t = 12_345 * NS
    assert both.phase_s(t) == pytest.approx(wander.phase_s(t) + white.phase_s(t), abs=1e-15)


@pytest.mark.parametrize("name", OSCILLATORS)
def test_truth_is_continuous_and_increasing_over_grid_and_block_boundaries(name: str):
    oscillator = Oscillator(OSCILLATORS[name], seed=3)
    for boundary_s in (1, 2, BLOCK_STEPS - 1, BLOCK_STEPS, 5 * BLOCK_STEPS):
        times = range(boundary_s * NS - 2_000_000, boundary_s * NS + 2_000_000, 100_000)
        steps = np.diff([oscillator.truth(t) for t in times])
        assert np.all(np.abs(steps - 100_000) <= 1)  # 100 us at some ppm of error


@given(st.integers(0, 40 * DAY_NS), st.integers(1, NS))
def test_truth_advances_at_nearly_the_nominal_rate(raw_ns: int, later_ns: int):
    oscillator = Oscillator(OscillatorModel(frequency=20e-6, cycles=()), seed=1)
    elapsed = oscillator.truth(raw_ns + later_ns) - oscillator.truth(raw_ns)
    assert elapsed == pytest.approx(later_ns * (1 + 20e-6), abs=2)


def test_an_ideal_oscillator_is_exact_to_the_nanosecond():
    oscillator = Oscillator(
        OSCILLATORS["ideal"], seed=1, start_raw_ns=123_456_789, start_utc_ns=10**18
    )
    assert oscillator.truth(123_456_789) == 10**18
    assert oscillator.truth(123_456_789 + 10 * DAY_NS + 1) == 10**18 + 10 * DAY_NS + 1


def test_offset_frequency_and_ageing_follow_the_formula():
    model = OscillatorModel(offset_s=-0.25, frequency=20e-6, ageing=1e-12)
    t = 100_000
    expected_s = -0.25 + 20e-6 * t + 1e-12 * t**2 / 2
    assert Oscillator(model, seed=1).phase_s(t * NS) == pytest.approx(expected_s, abs=1e-12)


def test_the_phase_of_a_cycle_is_the_integral_of_its_frequency():
    cycle = Cycle(period_s=1200.0, amplitude=0.5e-6)
    oscillator = Oscillator(OscillatorModel(cycles=(cycle,)), seed=5)
    phase_s = np.array([oscillator.phase_s(t * NS) for t in range(1201)])
    assert np.ptp(phase_s) == pytest.approx(0.5e-6 * 1200 / np.pi, rel=1e-3)
    assert phase_s[-1] == pytest.approx(phase_s[0], abs=1e-11)


def test_steps_of_phase_and_frequency_last():
    steps = (Step(at_s=100.0, phase_s=2e-3), Step(at_s=50.0, frequency=1e-6))
    oscillator = Oscillator(OscillatorModel(frequency=1e-5, steps=steps), seed=1)
    phase_s = [oscillator.phase_s(t * NS) - 1e-5 * t for t in (49, 50, 60, 99, 100, 200)]
    assert phase_s == pytest.approx([0.0, 0.0, 1e-5, 49e-6, 2.05e-3, 2.15e-3], abs=1e-15)
    assert oscillator.truth(100 * NS) - oscillator.truth(100 * NS - 1) == 2_000_001


def test_a_coarser_grid_has_the_same_statistics():
    def spread(step_s: float) -> float:
        model = OscillatorModel(wander=1e-8, step_s=step_s)
        return np.std([Oscillator(model, seed=s).phase_s(3600 * NS) for s in range(300)])

    theory = 1e-8 * np.sqrt(3600**3 / 3)
    assert spread(1.0) == pytest.approx(theory, rel=0.15)
    assert spread(60.0) == pytest.approx(theory, rel=0.15)


def test_real_hosts_have_the_allan_deviation_floor_of_the_preset():
    """Free-running hosts: 0.3 to 1.2e-7 for tau from 1000 s to 8000 s."""
    oscillator = Oscillator(OSCILLATORS["host"], seed=2)
    phase_s = np.array([oscillator.phase_s(t * NS) for t in range(0, 200_000, 100)])
    for m in (10, 80):
        second_difference = phase_s[2 * m :] - 2 * phase_s[m:-m] + phase_s[: -2 * m]
        deviation = np.sqrt(np.mean(second_difference**2) / 2) / (m * 100)
        assert 0.3e-7 < deviation < 1.4e-7


def test_the_time_before_the_start_is_an_error_that_says_so():
    with pytest.raises(ValueError, match=r"no truth 5 ns before"):
        Oscillator(OSCILLATORS["calm"], seed=1, start_raw_ns=100).truth(95)


@pytest.mark.parametrize(
    "wrong",
    [
        {"frequency": 1.0},
        {"wander": -1e-9},
        {"step_s": 0.0},
        {"wander": float("nan")},
        {"drift": 1},
    ],
)
def test_descriptions_refuse_what_makes_no_sense(wrong: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OscillatorModel.model_validate(wrong)
