from pathlib import Path

import pytest

from chronotick.lab.assignment import assign
from chronotick.lab.polling import Polling
from chronotick.lab.simulation import ADAPTIVE, Simulation
from chronotick.lab.world import ServerModel, World


@pytest.mark.parametrize(
    ("name", "preset", "counts", "polling"),
    [
        ("wan-hvac", "wan-hvac", (4, 0), Polling()),
        ("wan_hvacs_p6_s4_false", "wan-hvacs", (4, 1), Polling(interval_s=64.0)),
        ("dc_calm_p7_s1", "dc-calm", (1, 0), Polling(interval_s=128.0)),
        ("wifi_load_def_s3_false2", "wifi-load", (3, 2), ADAPTIVE),
        ("wan_rough_s2", "wan-rough", (2, 0), Polling()),
        ("wan_rough", "wan-rough", (4, 0), Polling()),
        (
            "dc_hvacs_180s_s4",
            "dc-hvacs",
            (4, 0),
            Polling(interval_s=180.0, jitter=0.0, burst=0, start_s=1.0),
        ),
    ],
)
def test_names_mean_what_the_recorded_worlds_mean(
    name: str, preset: str, counts: tuple[int, int], polling: Polling
):
    simulation = Simulation.named(name, seed=5)
    servers, false = counts
    assert simulation.world == World.from_preset(preset, servers=servers, false=false, seed=5)
    assert simulation.polling == polling
    assert (simulation.duration_s, simulation.every_s) == (86_400.0, 10.0)


def test_counts_given_win_over_the_name():
    world = Simulation.named("wan_hvacs_p6_s4_false", servers=3, false=0).world
    assert [server.lie for server in world.servers] == [None] * 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wan-hvax", "clock 'hvax' is not one of .* Did you mean 'hvac'"),
        ("wann_hvac_p6_s4", "network 'wann' is not one of .* Did you mean 'wan'"),
        ("wan_hvac_q6_s4", "network 'wan_hvac_q6_s4' is not one of"),
        ("wan_hvac_s4_false5", "5 false servers of 4"),
        ("wan_hvac_s0", "servers"),
    ],
)
def test_unknown_names_are_refused(name: str, message: str):
    with pytest.raises(ValueError, match=message):
        Simulation.named(name)


def test_a_description_makes_the_same_simulation(tmp_path: Path):
    simulation = Simulation.named("wifi_hvac_def_s4_false", seed=9)
    path = tmp_path / "world.json"
    path.write_text(simulation.model_dump_json())
    assert Simulation.read(path) == simulation


def test_the_description_of_a_world_alone_will_do(tmp_path: Path):
    world = World.from_preset("wan-host", seed=2).starting_now()
    path = tmp_path / "mine.json"
    path.write_text(world.model_dump_json())
    assert Simulation.read(path) == Simulation(name="mine", world=world)


def test_other_seeds_keep_the_routes():
    simulation = Simulation.named("wan-hvac", seed=1)
    other = simulation.seeded(2)
    assert other.world.servers == simulation.world.servers
    assert other.world.seed == 2


@pytest.mark.parametrize(
    ("server", "key"),
    [
        (ServerModel(kiss="RATE"), "kiss"),
        (ServerModel(fault="origin"), "fault"),
        (ServerModel(min_interval_s=1.0), "min_interval_s"),
    ],
)
def test_what_only_real_packets_can_show_is_refused(server: ServerModel, key: str):
    """A virtual exchange knows nothing of it and would quietly leave it out."""
    world = World.from_preset("dc-calm").model_copy(update={"servers": (ServerModel(), server)})
    with pytest.raises(ValueError, match=rf"world\.servers\.1\.{key}: only `chronotick lab serve`"):
        Simulation(name="x", world=world)


def test_a_simulation_shorter_than_the_pause_between_truths_is_refused():
    with pytest.raises(ValueError, match=r"every_s \(10\) is longer than duration_s \(9\)"):
        Simulation(name="x", world=World.from_preset("dc-calm"), duration_s=9.0)


def test_values_are_replaced_by_place():
    simulation = assign(
        Simulation.named("wan-hvac"),
        [
            "oscillator.wander=3e-9",
            "world.oscillator.cycles.1.waveform=sawtooth",
            "servers.*.path.forward.loss=0.05",
            "servers.3.lie.offset_s=-0.2",
            "servers.3.lie.from_s=3600",
            "polling.jitter=0",
            'oscillator.steps=[{"at_s": 7200, "phase_s": 0.001}]',
        ],
    )
    world = simulation.world
    assert world.oscillator.wander == 3e-9
    assert [cycle.waveform for cycle in world.oscillator.cycles] == ["sine", "sawtooth"]
    assert [server.path.forward.loss for server in world.servers] == [0.05] * 4
    assert [server.lie and server.lie.at_ns(4000.0) for server in world.servers] == [
        *[None] * 3,
        -200_000_000,
    ]
    assert simulation.polling.jitter == 0.0
    assert world.oscillator.steps[0].at_s == 7200.0


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("oscillator.wandr=1", r"oscillator.wandr: 'wandr' is not one of .*Did you mean 'wander'"),
        ("oscillator.wander", "is not KEY=VALUE"),
        ("oscillator.wander=-1", "greater than or equal to 0"),
        ("oscillator.wander=much", "valid number"),
        ("oscillator.wander.x=1", "nothing below 1e-09"),
        ("servers.4.lie.offset_s=1", r"'4' is not an item of the list; there are 0 to 3 or \*"),
        ("oscillator.steps.0.at_s=1", "none: set the whole list"),
        ("servers.0.lie.offset=1", "servers.0.lie.offset"),
    ],
)
def test_wrong_replacements_say_where(assignment: str, message: str):
    with pytest.raises(ValueError, match=message):
        assign(Simulation.named("wan-calm"), [assignment])
