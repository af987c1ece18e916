"""The generator against theory, judged by allantools, with confidence intervals."""

import allantools
import numpy as np
import pytest
from allantools.ci import confidence_interval, edf_greenhall

from chronotick.lab.environment import Cycle, Load, Step
from chronotick.lab.oscillator import OSCILLATORS, Oscillator, OscillatorModel
from chronotick.lab.stability import allan_deviation, modified_allan_deviation

NS = 1_000_000_000
COUNT = 1 << 16
TAUS_S = (1, 4, 16, 64, 256, 1024, 4096)
CONFIDENCE = 0.999
PROCESSES = {
    "white": (OscillatorModel(white_fm=3e-8), 0),
    "flicker": (OscillatorModel(flicker_fm=5e-8), -1),
    "random walk": (OscillatorModel(wander=2e-9), -2),
}
PLAIN = (allantools.oadev, allan_deviation, False)
MODIFIED = (allantools.mdev, modified_allan_deviation, True)


def phase_s(model: OscillatorModel, seed: int, every_s: int = 1, count: int = COUNT) -> np.ndarray:
    oscillator = Oscillator(model, seed=seed)
    oscillator.phase_s(count * every_s * NS)
    return np.array([oscillator.phase_s(t * every_s * NS) for t in range(count + 1)])


@pytest.fixture(scope="module", params=PROCESSES)
def process(request: pytest.FixtureRequest):
    model, alpha = PROCESSES[request.param]
    return model, alpha, phase_s(model, seed=11)


@pytest.mark.parametrize(("measure", "theory", "modified"), [PLAIN, MODIFIED])
def test_power_law_noise_has_its_deviation_at_every_tau(process, measure, theory, modified):
    model, alpha, phase = process
    taus = [tau for tau in TAUS_S if not modified or tau >= 16]
    taus, deviations, _, _ = measure(phase, rate=1.0, data_type="phase", taus=taus)
    for tau, deviation, expected in zip(taus, deviations, theory(model, taus), strict=True):
        freedom = edf_greenhall(alpha, 2, int(tau), COUNT, overlapping=True, modified=modified)
        low, high = confidence_interval(deviation, freedom, CONFIDENCE)
        assert low < expected < high, (tau, deviation, expected, freedom)


def test_the_interval_would_notice_a_tenth_too_much_noise(process):
    model, alpha, phase = process
    taus, deviations, _, _ = allantools.oadev(1.1 * phase, rate=1.0, taus=[1])
    freedom = edf_greenhall(alpha, 2, 1, COUNT, overlapping=True)
    low, _ = confidence_interval(deviations[0], freedom, CONFIDENCE)
    assert low > allan_deviation(model, taus)[0]


@pytest.mark.parametrize("model", [OscillatorModel(ageing=1e-12), OscillatorModel(ageing=-3e-13)])
def test_ageing_grows_in_proportion_to_tau(model: OscillatorModel):
    taus, deviations, _, _ = allantools.oadev(phase_s(model, 1), rate=1.0, taus=[64, 1024, 8192])
    assert deviations == pytest.approx(allan_deviation(model, taus), rel=1e-4)
    assert deviations == pytest.approx(abs(model.ageing) * taus / np.sqrt(2), rel=1e-4)


def test_a_temperature_cycle_shows_at_half_its_period():
    model = OscillatorModel(cycles=(Cycle(period_s=1200.0, amplitude=5e-7),))
    taus, deviations, _, _ = allantools.oadev(phase_s(model, 1), rate=1.0, taus=[60, 300, 600, 840])
    assert deviations == pytest.approx(allan_deviation(model, taus), rel=0.02)
    _, modified, _, _ = allantools.mdev(phase_s(model, 1), rate=1.0, taus=[60, 300, 600, 840])
    assert modified == pytest.approx(modified_allan_deviation(model, taus), rel=0.02)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_host_preset_has_the_floor_of_free_running_hosts(seed: int):
    """0.3 to 1.2e-7 from 1000 s to 8000 s, as measured on real ones; two weeks long."""
    phase = phase_s(OSCILLATORS["host"], seed, every_s=100, count=12_096)
    taus, deviations, _, _ = allantools.oadev(phase, rate=0.01, taus=[1000, 2000, 4000, 8000])
    assert len(taus) == 4
    assert deviations.min() > 0.3e-7
    assert deviations.max() < 1.2e-7
    assert deviations == pytest.approx(allan_deviation(OSCILLATORS["host"], taus), rel=0.15)


@pytest.mark.parametrize(
    ("model", "part"),
    [
        (OscillatorModel(load=Load(amplitude=1e-7, mean_hold_s=9, thermal_constant_s=9)), "load"),
        (OscillatorModel(steps=(Step(at_s=1.0),)), "steps"),
        (OSCILLATORS["hvacs"], "cycles"),
    ],
)
def test_there_is_no_theory_without_a_formula(model: OscillatorModel, part: str):
    with pytest.raises(ValueError, match=f"no formula here for an oscillator's {part}"):
        allan_deviation(model, [1.0])
