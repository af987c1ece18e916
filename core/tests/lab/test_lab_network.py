import numpy as np
import pytest

from chronotick.lab.network import Bursts, Leg, Outage, Path, PathModel, Queue, RouteChange
from chronotick.lab.path_presets import PATHS

SEED = np.random.SeedSequence(1)


def path(model: PathModel) -> Path:
    return Path(model, np.random.SeedSequence(9))


def legs_ms(model: PathModel, count: int = 4000, every_s: float = 64.0) -> np.ndarray:
    used = path(model)
    transits = [used.transit(k * every_s) for k in range(count)]
    return np.array([(t.forward_ns, t.backward_ns) for t in transits if t]) / 1e6


def test_nothing_configured_takes_no_time():
    assert set(legs_ms(PathModel()).ravel()) == {0.0}


def test_a_queue_has_the_mean_and_the_spread_of_its_gamma_distribution():
    leg = Leg(minimum_s=5e-3, queue=Queue(shape=2.0, scale_s=1e-3))
    forward, backward = legs_ms(PathModel(forward=leg, backward=leg)).T
    for direction in (forward, backward):
        assert direction.min() >= 5.0
        assert direction.mean() == pytest.approx(7.0, rel=0.02)
        assert direction.std() == pytest.approx(np.sqrt(2), rel=0.05)
    assert abs(np.corrcoef(forward, backward)[0, 1]) < 0.05


def test_delays_repeat_with_the_seed():
    model = PATHS["wifi"](np.random.default_rng(1), 0)
    assert np.array_equal(legs_ms(model), legs_ms(model))


def test_loss_happens_as_often_as_both_ways_together():
    model = PathModel(forward=Leg(loss=0.1), backward=Leg(loss=0.2))
    arrived = len(legs_ms(model)) / 4000
    assert arrived == pytest.approx(0.9 * 0.8, abs=0.03)


def test_bursts_take_their_share_of_time_and_come_together():
    bursts = Bursts(fraction=0.2, mean_duration_s=300.0, median_s=8e-3, sigma=0.0)
    forward = legs_ms(PathModel(forward=Leg(bursts=bursts)), 20_000, 10.0)[:, 0]
    in_burst = forward > 0
    assert in_burst.mean() == pytest.approx(0.2, abs=0.04)
    assert forward.max() == pytest.approx(8.0)
    starts = np.count_nonzero(np.diff(in_burst.astype(int)) == 1)
    assert in_burst.sum() * 10.0 / starts == pytest.approx(300.0, rel=0.25)


def test_bursts_depend_on_the_time_not_on_how_often_packets_are_sent():
    bursts = Bursts(fraction=0.2, mean_duration_s=300.0, median_s=8e-3, sigma=0.0)
    model = PathModel(forward=Leg(bursts=bursts))
    often = legs_ms(model, 4000, 10.0)[::10, 0]
    seldom = legs_ms(model, 400, 100.0)[:, 0]
    assert np.array_equal(often, seldom)


def test_a_route_change_lasts_until_the_next():
    changes = (
        RouteChange(at_s=100.0, forward_s=2e-3, backward_s=1e-3),
        RouteChange(at_s=200.0, forward_s=0.0, backward_s=0.0),
    )
    used = path(PathModel(route_changes=changes))
    forward_ms = [used.transit(t).forward_ns / 1e6 for t in (99.9, 100.0, 199.9, 200.0)]
    assert forward_ms == [0.0, 2.0, 2.0, 0.0]
    assert used.transit(150.0).backward_ns == 1_000_000


def test_nothing_arrives_during_an_outage():
    used = path(PathModel(outages=(Outage(from_s=10.0, until_s=20.0),)))
    assert [used.transit(t) is None for t in (9.9, 10.0, 19.9, 20.0)] == [False, True, True, False]


def test_an_outage_that_ends_before_it_begins_is_refused():
    with pytest.raises(ValueError, match=r"until_s \(9\) must be after from_s \(10\)"):
        Outage(from_s=10.0, until_s=9.0)


@pytest.mark.parametrize(
    ("preset", "median_excess_ms", "p90_excess_ms"),
    [("dc", 0.033, 0.076), ("wan", 2.54, 5.11), ("wans", 2.50, 5.11), ("wifi", 2.2, 15.0)],
)
def test_presets_queue_as_in_the_recorded_simulations(
    preset: str, median_excess_ms: float, p90_excess_ms: float
):
    """Round-trip delay over its minimum; the numbers are those of the recorded 24 h files."""
    delays = [legs_ms(PATHS[preset](np.random.default_rng(s), 0), 2000).sum(axis=1) for s in (1, 2)]
    excess = np.concatenate([delay - delay.min() for delay in delays])
    assert np.median(excess) == pytest.approx(median_excess_ms, rel=0.25)
    assert np.percentile(excess, 90) == pytest.approx(p90_excess_ms, rel=0.25)


def test_wan_routes_are_asymmetric_by_two_per_cent_of_the_round_trip():
    rng = np.random.default_rng(0)
    models = [PATHS["wan"](rng, index) for index in range(2000)]
    rtt = np.array([m.forward.minimum_s + m.backward.minimum_s for m in models])
    bias = np.array([m.forward.minimum_s - m.backward.minimum_s for m in models]) / 2
    assert rtt.min() >= 10e-3
    assert rtt.max() <= 40e-3
    assert np.std(bias / rtt) == pytest.approx(0.02, rel=0.1)


def test_symmetric_presets_are_symmetric():
    for preset in ("dc", "wans", "wifi", "loopback"):
        model = PATHS[preset](np.random.default_rng(0), 1)
        assert model.forward == model.backward
