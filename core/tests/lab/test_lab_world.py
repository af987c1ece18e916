import json
import subprocess
import sys

import numpy as np
import pytest

from chronotick.history import boot_id
from chronotick.lab.network import Leg, PathModel, RouteChange
from chronotick.lab.oscillator import OSCILLATORS
from chronotick.lab.path_presets import PATHS
from chronotick.lab.world import DEFAULT_START_UTC_NS, Lie, ServerModel, World

NS = 1_000_000_000


@pytest.mark.parametrize("clock", OSCILLATORS)
@pytest.mark.parametrize("network", PATHS)
def test_every_preset_makes_a_world_that_survives_json(network: str, clock: str):
    world = World.from_preset(f"{network}-{clock}", servers=4, false=1, seed=3)
    assert World.model_validate_json(world.model_dump_json()) == world
    assert [bool(server.lie) for server in world.servers] == [False, False, False, True]
    assert world.live().exchange(0, 5 * NS) is not None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dc-calmm", r"clock 'calmm' is not one of .*Did you mean 'calm'"),
        ("dcc-calm", r"network 'dcc' is not one of .*Did you mean 'dc'"),
        ("dc", r"clock '' is not one of"),
    ],
)
def test_an_unknown_preset_names_those_there_are(name: str, message: str):
    with pytest.raises(ValueError, match=message):
        World.from_preset(name)


@pytest.mark.parametrize("counts", [{"servers": 2, "false": 3}, {"servers": 0}, {"false": -1}])
def test_impossible_counts_of_servers_are_refused(counts: dict[str, int]):
    with pytest.raises(ValueError, match="server"):
        World.from_preset("dc-calm", **counts)


def test_route_changes_out_of_order_are_refused_with_their_place():
    changes = [RouteChange(at_s=t, forward_s=0.0, backward_s=0.0) for t in (5.0, 1.0)]
    server = ServerModel(path=PathModel(route_changes=changes))
    with pytest.raises(ValueError, match=r"servers.1.path.route_changes"):
        World(oscillator=OSCILLATORS["calm"], servers=(ServerModel(), server), seed=1)


def test_seeds_decide_routes_offset_and_frequency():
    one, same, other = (World.from_preset("wan-calm", servers=2, seed=s) for s in (1, 1, 2))
    assert one == same
    assert one.oscillator.frequency != other.oscillator.frequency
    assert one.servers[0].path != one.servers[1].path


def test_the_ideal_world_has_no_error_at_all():
    live = World.from_preset("loopback-ideal").live()
    exchange = live.exchange(0, 7 * NS)
    assert exchange.offset_ns == DEFAULT_START_UTC_NS
    assert exchange.delay_ns == 0


def test_truth_can_be_rebuilt_from_the_description_by_another_process():
    world = World.from_preset("wan-host", servers=2, seed=5).starting_now()
    times_ns = [world.start_raw_ns + t for t in (0, 1, 5 * NS + 7, 3000 * NS + 13)]
    program = (
        "import json, sys; from chronotick.lab.world import World; "
        "live = World.model_validate_json(sys.argv[1]).live(); "
        "print(json.dumps([live.truth(t) for t in json.loads(sys.argv[2])]))"
    )
    other = subprocess.run(
        [sys.executable, "-c", program, world.model_dump_json(), json.dumps(times_ns)],
        check=True,
        capture_output=True,
    )
    live = world.live()
    assert json.loads(other.stdout) == [live.truth(t) for t in times_ns]


def test_starting_now_starts_at_about_the_time_of_this_machine():
    world = World.from_preset("dc-calm").starting_now()
    assert world.boot_id == boot_id()
    assert world.start_utc_ns > DEFAULT_START_UTC_NS
    assert World.from_preset("dc-calm").start_utc_ns == DEFAULT_START_UTC_NS


def test_an_exchange_is_wrong_by_half_the_difference_of_its_two_ways():
    path = PathModel(forward=Leg(minimum_s=10e-3), backward=Leg(minimum_s=4e-3))
    server = ServerModel(path=path, hold_s=1e-3)
    live = World(oscillator=OSCILLATORS["ideal"], servers=(server,), seed=1).live()
    exchange = live.exchange(0, 100 * NS)
    middle_ns = (exchange.t1_ns + exchange.t4_ns) // 2
    assert exchange.t3_ns - exchange.t2_ns == 1_000_000
    assert exchange.delay_ns == 14_000_000
    assert exchange.offset_ns - (live.truth(middle_ns) - middle_ns) == 3_000_000


@pytest.mark.parametrize("preset", ["dc-hvac", "wan-rough", "wifi-load"])
def test_an_honest_server_is_never_wrong_by_more_than_half_the_delay(preset: str):
    live = World.from_preset(preset, servers=2, seed=8).live()
    for raw_ns in range(0, 40_000 * NS, 64 * NS):
        exchange = live.exchange(1, raw_ns)
        if exchange is None:
            continue
        middle_ns = (exchange.t1_ns + exchange.t4_ns) // 2
        error_ns = exchange.offset_ns - (live.truth(middle_ns) - middle_ns)
        # The frequency error over the round trip, 31 ppm of at most a second, is not the path's.
        allowance_ns = exchange.delay_ns * 31e-6 + 2
        assert abs(error_ns) <= exchange.delay_ns / 2 + allowance_ns


def test_a_lie_shifts_both_server_times_and_drifts():
    servers = (ServerModel(), ServerModel(lie=Lie(offset_s=0.03, drift=1e-6)))
    live = World(oscillator=OSCILLATORS["ideal"], servers=servers, seed=1).live()
    honest, lying = (live.exchange(server, 1000 * NS) for server in (0, 1))
    assert lying.offset_ns - honest.offset_ns == 31_000_000
    assert lying.delay_ns == honest.delay_ns


def test_a_lie_can_begin_late_and_end():
    lie = Lie(offset_s=0.01, drift=1e-6, from_s=1000.0, until_s=2000.0)
    errors_ns = [lie.at_ns(t) for t in (999.9, 1000.0, 1500.0, 2000.0)]
    assert errors_ns == [0, 10_000_000, 10_500_000, 0]
    servers = (ServerModel(lie=lie),)
    live = World(oscillator=OSCILLATORS["ideal"], servers=servers, seed=1).live()
    offsets = [live.seen(live.exchange(0, t * NS))[1] for t in (10, 1500, 2500)]
    assert offsets == [0, 10_500_000, 0]


def test_a_lie_that_ends_before_it_begins_is_refused():
    with pytest.raises(ValueError, match=r"until_s \(5\) must be after from_s \(5\)"):
        Lie(offset_s=1.0, from_s=5.0, until_s=5.0)


def test_servers_do_not_disturb_each_other():
    one, other = (World.from_preset("wifi-calm", servers=2, seed=4).live() for _ in range(2))
    for raw_ns in range(0, 6400 * NS, 64 * NS):
        one.exchange(0, raw_ns)
    times_ns = range(0, 640 * NS, 64 * NS)
    assert [one.exchange(1, t) for t in times_ns] == [other.exchange(1, t) for t in times_ns]


def test_a_day_of_polls_is_in_order_and_plausible():
    live = World.from_preset("wan-hvacs", servers=4, seed=2).live()
    asked = [live.exchange(s, t * NS) for t in range(0, 86_400, 256) for s in range(4)]
    polls = [exchange for exchange in asked if exchange]
    assert len(polls) > 0.98 * len(asked)
    assert all(poll.t4_ns > poll.t1_ns for poll in polls)
    offsets = np.array([poll.offset_ns - DEFAULT_START_UTC_NS for poll in polls]) / 1e9
    assert np.max(np.abs(offsets)) < 0.2 + 86_400 * 31.1e-6
