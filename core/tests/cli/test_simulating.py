"""``chronotick lab simulate`` as a user types it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chronotick.cli.main import chronotick
from chronotick.lab.simulation import Simulation
from chronotick.lab.writing import FILES


def simulate(*arguments: object) -> Result:
    return CliRunner().invoke(chronotick, ["lab", "simulate", *map(str, arguments)])


def described(directory: Path) -> Simulation:
    return Simulation.read(directory / "world.json")


def test_options_end_up_in_the_description(tmp_path: Path):
    done = simulate(
        *("wan-hvac", "--out", tmp_path, "--servers", 3, "--false", 1, "--poll", "2m"),
        *("--duration", "1h", "--every", "5s", "--seed", 7, "--set", "oscillator.wander=2e-9"),
    )
    assert done.exit_code == 0, done.output
    made = described(tmp_path)
    assert (len(made.world.servers), made.world.seed, made.polling.interval_s) == (3, 7, 120.0)
    assert (made.duration_s, made.every_s, made.world.oscillator.wander) == (3600.0, 5.0, 2e-9)
    assert "720" in done.output


def test_a_description_is_made_again_exactly_and_can_be_changed(tmp_path: Path):
    assert simulate("wifi_load_def_s2", "--out", tmp_path / "a", "--duration", "2h").exit_code == 0
    description = tmp_path / "a" / "world.json"
    assert simulate(description, "--out", tmp_path / "b").exit_code == 0
    assert simulate(description, "--out", tmp_path / "c", "--poll", "p").exit_code == 2
    assert simulate(description, "--out", tmp_path / "c", "--poll", "32s").exit_code == 0
    same = [(tmp_path / place / FILES[0]).read_bytes() for place in "abc"]
    assert same[0] == same[1] != same[2]
    assert described(tmp_path / "c").polling.maximum_s is None


def test_polls_can_be_adaptive(tmp_path: Path):
    done = simulate("wan-calm", "--out", tmp_path, "--poll", "adaptive", "--duration", "1h")
    assert done.exit_code == 0, done.output
    assert (described(tmp_path).polling.interval_s, described(tmp_path).polling.maximum_s) == (
        64.0,
        1024.0,
    )


def test_several_seeds_get_a_directory_each(tmp_path: Path):
    done = simulate(
        *("dc-calm", "--out", tmp_path, "--count", 2, "--seed", 4, "--duration", "10m", "--json")
    )
    made = json.loads(done.stdout)
    assert [Path(each["directory"]).name for each in made] == ["dc-calm-4", "dc-calm-5"]
    assert described(tmp_path / "dc-calm-5").world.seed == 5
    assert all(each["measurements"] > 40 for each in made)


def test_a_recording_is_no_description(tmp_path: Path):
    assert simulate("dc-calm", "--out", tmp_path, "--duration", "10m").exit_code == 0
    done = simulate(tmp_path / "measurements.csv.gz", "--out", tmp_path / "again")
    assert done.exit_code == 2
    assert "chronotick lab replay" in " ".join(done.stderr.split())
    assert not (tmp_path / "again").exists()


def test_nothing_is_overwritten_without_force(tmp_path: Path):
    arguments = ("dc-calm", "--out", tmp_path, "--duration", "10m")
    assert simulate(*arguments).exit_code == 0
    again = simulate(*arguments)
    assert again.exit_code == 1
    assert "already holds" in again.stderr
    assert simulate(*arguments, "--force", "--seed", 1).exit_code == 0


def test_nothing_is_written_when_one_of_several_is_there(tmp_path: Path):
    (tmp_path / "dc-calm-1").mkdir()
    (tmp_path / "dc-calm-1" / "truth.csv.gz").touch()
    assert simulate("dc-calm", "--out", tmp_path, "--count", 2).exit_code == 1
    assert not (tmp_path / "dc-calm-0").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("wan-hvax",), "Did you mean 'hvac'"),
        (("wan-hvac", "--duration", "a day"), "is not a time such as 64s"),
        (("wan-hvac", "--duration", "0"), "not in the range x>=0.001"),
        (("wan-hvac", "--every", "1e-10"), "not in the range x>=0.001"),
        (("wan-hvac", "--poll", "1e-12"), "not in the range x>=0.001"),
        (("wan-hvac", "--set", "every_s=1e-10"), "every_s: Input should be greater than or equal"),
        (("wan-hvac", "--set", "oscillator.step_s=1e-9"), "step_s: Input should be greater"),
        (("wan-hvac", "--set", "oscillator.offset_s=1e300"), "offset_s: Input should be less"),
        (("wan-hvac", "--duration", "-1h"), "is not a time such as 64s"),
        (("wan-hvac", "--duration", "1e999s"), "inf is not a finite number"),
        (("wan-hvac", "--duration", "nan"), "is not a time such as 64s"),
        (("wan-hvac", "--poll", "sometimes"), "is not a time such as 64s"),
        (("wan-hvac", "--duration", "5s"), "there would be no truth"),
        (("wan-hvac", "--false", "5"), "5 false servers of 4"),
        (("wan-hvac", "--set", "oscillator.wandr=1"), "Did you mean 'wander'"),
        (("wan-hvac", "--set", "oscillator.wander=-1"), "world.oscillator.wander: Input should be"),
    ],
)
def test_bad_arguments_are_refused_and_write_nothing(
    arguments: tuple[str, ...], message: str, tmp_path: Path
):
    done = simulate(*arguments, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_world_that_overflows_is_refused_and_writes_nothing(tmp_path: Path):
    bursts = '{"fraction":0.5,"mean_duration_s":100,"median_s":1,"sigma":1e6}'
    leg = f"servers.*.path.forward.bursts={bursts}"
    done = simulate("dc-ideal", "--out", tmp_path / "out", "--duration", "1h", "--set", leg)
    assert done.exit_code == 1
    assert "too large to be simulated" in done.stderr
    assert not (tmp_path / "out").exists()


def test_bad_descriptions_are_refused(tmp_path: Path):
    for text, message in (
        ("{", "is not JSON"),
        ('{"name": "x"}', "world: Field required"),
        ("[]", "object"),
    ):
        path = tmp_path / "bad.json"
        path.write_text(text)
        done = simulate(path, "--out", tmp_path / "out")
        assert done.exit_code == 2
        assert message in done.stderr
    assert "No such file" in simulate(tmp_path / "none.json", "--out", tmp_path / "out").stderr


def test_a_description_has_its_own_servers(tmp_path: Path):
    path = tmp_path / "mine.json"
    path.write_text(Simulation.named("dc-calm").model_dump_json())
    done = simulate(path, "--out", tmp_path / "out", "--servers", 2)
    assert done.exit_code == 2
    assert "--servers and --false are for named worlds" in done.stderr
