from __future__ import annotations

import numpy as np
import pytest

from chronotick.lab.environment import Cycle, Cycling
from chronotick.lab.simulation import Simulation
from chronotick.lab.training.oracle import Foresight, foresee, left
from chronotick.lab.training.waves import INTEGRALS, gained_turns


@pytest.fixture(scope="module")
def loaded() -> Foresight:
    simulation = Simulation.named("dc-load", servers=1, seed=101)
    found = foresee(simulation)
    assert found is not None
    return found


def test_with_load_seeing_it_is_best_and_knowing_its_parameters_better_than_nothing(
    loaded: Foresight,
) -> None:
    oracle, ideal = loaded.ratios
    assert (oracle[2:] < 0.95).all()
    assert (ideal[2:] < 1.0).all()
    assert np.exp(np.mean(np.log(oracle))) < np.exp(np.mean(np.log(ideal)))


def test_without_structure_the_oracle_is_the_filter_and_the_ideal_filter_hardly_better() -> None:
    found = foresee(Simulation.named("dc-calm", servers=1, seed=102))
    assert found is not None
    oracle, ideal = found.ratios
    np.testing.assert_array_equal(oracle, 1.0)
    assert ((ideal > 0.7) & (ideal < 1.15)).all()


def test_a_world_that_is_too_short_says_nothing() -> None:
    short = Simulation.named("dc-calm", servers=1).model_copy(update={"duration_s": 7200.0})
    assert foresee(short) is None


def test_means_over_worlds_are_geometric() -> None:
    one, four = np.ones(4), np.full(4, 4.0)
    found = [Foresight("a", one, one, one), Foresight("b", one, four, four)]
    ratio, error = left(found)
    np.testing.assert_allclose(ratio, 2.0)
    np.testing.assert_allclose(error, 2.0)


@pytest.mark.parametrize("waveform", INTEGRALS)
def test_cycles_of_many_clocks_go_as_the_simulated_one(waveform: str) -> None:
    cycle = Cycle.model_validate({"period_s": 1000, "amplitude": 1e-6, "waveform": waveform})
    step_s, rng = 0.5, np.random.default_rng(1)
    simulated = np.cumsum(Cycling(cycle, step_s, np.random.default_rng(2)).advance(5000)) * step_s
    begin_s = np.array([np.random.default_rng(2).random() * cycle.period_s])
    into_s, length_s, total = begin_s, np.array([cycle.period_s]), 0.0
    for steps in range(500, 5001, 500):
        gained, into_s, length_s = gained_turns(cycle, into_s, length_s, 500 * step_s, rng)
        total += float(gained[0])
        assert total == pytest.approx(simulated[steps - 1], abs=6e-7)  # a grid step


def test_irregular_cycles_are_as_long_on_average_as_they_should_be() -> None:
    cycle = Cycle(period_s=100.0, amplitude=1e-6, waveform="sawtooth", jitter=0.1)
    rng = np.random.default_rng(3)
    zeros, length_s = np.zeros(2000), np.full(2000, 100.0)
    _, _, length_s = gained_turns(cycle, zeros, length_s, 250.0, rng)
    assert length_s.mean() == pytest.approx(100.0, abs=1.0)
    assert length_s.std() == pytest.approx(10.0, abs=1.0)
