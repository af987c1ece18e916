from __future__ import annotations

import numpy as np
import pytest

from chronotick.clock import KalmanBank
from chronotick.lab import World

SECOND = 1_000_000_000
WANDERS = (5e-10, 2e-9, 8e-9, 3.2e-8)


def followed(preset: str, wanders: tuple[float, ...], seed: int = 1):
    """A bank after an hour in a simulated world, its errors and their sigmas before each poll."""
    live = World.from_preset(preset, servers=3, seed=seed).live()
    bank = KalmanBank(wanders, 500e-6)
    errors, sigmas = [], []
    for n in range(1, 225):
        for server in range(3):
            exchange = live.exchange(server, round((16 * n + 0.05 * server) * SECOND))
            assert exchange is not None
            bank.update(exchange.measurement())
        raw_ns = (16 * n + 15) * SECOND
        state = bank.state(raw_ns)
        assert state is not None
        errors.append((state.offset_ns + raw_ns - live.truth(raw_ns)) * 1e-9)
        sigmas.append(state.sigma_at(raw_ns))
    return bank, np.array(errors[20:]), np.array(sigmas[20:])


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


@pytest.mark.parametrize("preset", ["dc-calm", "dc-hvac", "dc-rough"])
def test_the_bank_is_about_as_good_as_its_best_filter_whatever_the_oscillator(preset):
    _, errors, _ = followed(preset, WANDERS)
    single = [rms(followed(preset, (wander,))[1]) for wander in WANDERS]
    assert rms(errors) < 1.2 * min(single)
    assert max(single) > 1.1 * min(single)  # so choosing matters


@pytest.mark.parametrize("preset", ["dc-calm", "dc-hvac", "dc-rough"])
def test_its_uncertainty_is_that_of_its_errors(preset):
    _, errors, sigmas = followed(preset, WANDERS)
    assert 0.4 < rms(errors / sigmas) < 1.4


def test_weights_are_shares_and_name_the_fitting_wander():
    calm, rough = followed("dc-calm", WANDERS)[0].weights, followed("dc-rough", WANDERS)[0].weights
    assert sum(calm) == pytest.approx(1.0)
    assert int(np.argmax(calm)) < int(np.argmax(rough))


def test_without_measurements_there_is_no_state():
    bank = KalmanBank(WANDERS, 500e-6)
    assert bank.state(0) is None
    assert bank.newest_raw_ns is None


def test_snapshot_restores_the_same_state():
    bank, _, _ = followed("dc-calm", WANDERS)
    twin = KalmanBank(WANDERS, 500e-6)
    twin.restore(bank.snapshot())
    later = (bank.newest_raw_ns or 0) + SECOND
    assert twin.state(later) == bank.state(later)
    assert twin.bias_s("1") == bank.bias_s("1")


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 0},
        {"filters": None},
        {"filters": []},
        {"log_weights": [0.0]},
        {"log_weights": [float("nan")] * 4},
        {"filters": [{}] * 4},
    ],
)
def test_snapshots_that_do_not_fit_are_refused(damage):
    bank, _, _ = followed("dc-calm", WANDERS)
    with pytest.raises(ValueError, match="saved state"):
        KalmanBank(WANDERS, 500e-6).restore({**bank.snapshot(), **damage})
