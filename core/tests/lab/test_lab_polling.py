import math

import numpy as np
import pytest

from chronotick.lab.network import Outage, PathModel
from chronotick.lab.polling import Polling, Prediction, exchanges
from chronotick.lab.simulation import ADAPTIVE
from chronotick.lab.world import ServerModel, World

NS = 1_000_000_000


def asked_s(world: World, polling: Polling, server: int = 0, duration_s: float = 7200.0):
    polls = exchanges(world.live(), server, polling, duration_s)
    return np.array([exchange.t1_ns / NS for exchange in polls if exchange])


def test_a_fixed_poll_starts_with_a_burst_and_is_never_early():
    times_s = asked_s(World.from_preset("dc-calm", seed=3), Polling())
    pauses_s = np.diff(times_s)
    assert times_s[0] == 0.2
    assert np.all((pauses_s[:3] >= 2.0) & (pauses_s[:3] < 2.04))
    assert np.all((pauses_s[3:] >= 64.0) & (pauses_s[3:] < 64.0 * 1.02))
    assert np.std(pauses_s[3:]) == pytest.approx(1.28 / math.sqrt(12), rel=0.2)


def test_polls_can_be_exact():
    polling = Polling(interval_s=180.0, jitter=0.0, burst=0, start_s=1.0)
    assert list(asked_s(World.from_preset("dc-calm"), polling)) == list(range(1, 7200, 180))


def test_servers_are_asked_one_after_the_other():
    world = World.from_preset("dc-calm", servers=4)
    first = [asked_s(world, Polling(), server, 60.0)[0] for server in range(4)]
    assert first == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_a_burst_goes_on_until_enough_replies_came():
    lost = PathModel(outages=(Outage(from_s=1.0, until_s=50.0),))
    world = World(
        oscillator=World.from_preset("dc-ideal").oscillator,
        servers=(ServerModel(path=lost),),
        seed=1,
    )
    polls = list(exchanges(world.live(), 0, Polling(jitter=0.0), 200.0))
    answered_s = [exchange.t1_ns / NS for exchange in polls if exchange]
    # lost at 2.2, 6.2, 14.2 and 30.2: the pauses double; then the other three of the burst
    assert answered_s == pytest.approx([0.2, 62.2, 64.2, 66.2, 130.2, 194.2])
    assert polls.count(None) == 4


def test_an_adaptive_poll_grows_on_a_quiet_clock():
    pauses_s = np.diff(asked_s(World.from_preset("wan-calm"), ADAPTIVE, duration_s=86_400.0))
    assert np.median(pauses_s[-20:]) > 1000.0
    assert pauses_s.max() < 1024.0 * 1.02
    assert np.all(pauses_s[3:15] < 130.0)


def test_an_adaptive_poll_stays_short_while_the_clock_moves_more_than_the_network():
    pauses_s = np.diff(asked_s(World.from_preset("dc-hvac"), ADAPTIVE, duration_s=86_400.0))
    assert np.median(pauses_s) < 300.0


def test_polls_repeat_with_the_seed_and_differ_without():
    worlds = [World.from_preset("wan-calm", seed=seed) for seed in (1, 1, 2)]
    one, same, other = (asked_s(world, ADAPTIVE) for world in worlds)
    assert list(one) == list(same)
    assert list(one) != list(other)


def test_nothing_is_predicted_from_few_replies_and_a_line_perfectly():
    prediction = Prediction()
    found = [prediction.innovation(float(t), 1e-3 + 2e-6 * t) for t in range(6)]
    assert found[:4] == [math.inf] * 4
    assert np.abs(found[4:]) == pytest.approx([0.0, 0.0], abs=1e-6)


def test_innovations_of_a_noisy_line_are_about_one():
    rng, prediction = np.random.default_rng(1), Prediction()
    found = [prediction.innovation(64.0 * k, rng.normal(0.0, 1e-3)) for k in range(2000)]
    assert 1.0 < np.sqrt(np.median(np.square(found[10:])) / 0.455) < 1.6


def test_a_maximum_below_the_minimum_is_refused():
    with pytest.raises(ValueError, match=r"maximum_s \(16\) must not be below interval_s \(64\)"):
        Polling(maximum_s=16.0)
