import csv
import gzip
import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from chronotick.lab.simulation import Simulation
from chronotick.lab.writing import FILES, MEASUREMENTS, TRUTH, write

NS = 1_000_000_000
TRACES = Path(os.environ.get("CHRONOTICK_TRACES", Path(__file__).parents[4] / "shared" / "traces"))


def short(name: str = "wan_hvacs_p6_s4_false", **changes: object) -> Simulation:
    return Simulation.named(name, seed=3).model_copy(update={"duration_s": 3600.0, **changes})


def rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("simulated") / "new" / "place"
    write(short(), directory)
    return directory


def test_the_description_makes_the_same_bytes(written: Path, tmp_path: Path):
    again = tmp_path / "again"
    write(Simulation.read(written / "world.json"), again)
    assert [(again / n).read_bytes() for n in FILES] == [(written / n).read_bytes() for n in FILES]
    assert sorted(path.name for path in again.iterdir()) == sorted(FILES)


def test_another_seed_makes_others(written: Path, tmp_path: Path):
    write(short().seeded(4), tmp_path)
    assert (tmp_path / TRUTH).read_bytes() != (written / TRUTH).read_bytes()


def test_measurements_are_in_the_order_in_which_a_client_knows_them(written: Path):
    arrived = [float(row["t4_s"]) for row in rows(written / MEASUREMENTS)]
    assert arrived == sorted(arrived)
    assert {row["source"] for row in rows(written / MEASUREMENTS)} == {"1", "2", "3", "4"}


def test_offset_and_delay_follow_from_the_four_times_exactly(written: Path):
    for row in rows(written / MEASUREMENTS):
        t1, t2, t3, t4 = (round(float(row[f"t{n}_s"]) * NS) for n in (1, 2, 3, 4))
        assert round(float(row["t_local_s"]) * NS) == (t1 + t4) // 2
        assert round(float(row["offset_s"]) * NS) == ((t2 - t1) + (t3 - t4)) // 2
        assert round(float(row["delay_s"]) * NS) == (t4 - t1) - (t3 - t2)
        assert all(len(row[key].rpartition(".")[2]) == 9 for key in row if key != "source")


def test_truth_is_the_worlds(written: Path):
    live = short().world.live()
    truth = rows(written / TRUTH)
    assert [row["t_local_s"] for row in truth] == [str(t) for t in range(10, 3601, 10)]
    for row in truth:
        raw_ns = int(row["t_local_s"]) * NS
        assert round(float(row["offset_s"]) * NS) == live.truth(raw_ns) - raw_ns - (
            live.world.start_utc_ns
        )


def test_an_honest_measurement_is_wrong_by_at_most_half_its_delay(written: Path):
    truth = rows(written / TRUTH)
    at_s, offset_s = ([float(row[key]) for row in truth] for key in ("t_local_s", "offset_s"))
    for row in rows(written / MEASUREMENTS):
        if float(row["t_local_s"]) < 10.0:
            continue
        error_s = float(row["offset_s"]) - np.interp(float(row["t_local_s"]), at_s, offset_s)
        wrong_s = 0.030 if row["source"] == "4" else 0.0
        assert abs(error_s - wrong_s) <= float(row["delay_s"]) / 2 + 1e-6


def test_questions_without_an_answer_are_counted(tmp_path: Path):
    done = write(short("wifi_calm_p6_s4", duration_s=20_000.0), tmp_path)
    assert done.measurements == len(rows(tmp_path / MEASUREMENTS))
    assert 4 < done.lost < 60
    assert done.truths == 2000


def test_times_of_truth_need_not_be_whole_seconds(tmp_path: Path):
    write(short("dc_calm_p6_s1", duration_s=100.0, every_s=0.25), tmp_path)
    assert [row["t_local_s"] for row in rows(tmp_path / TRUTH)[:4]] == ["0.25", "0.5", "0.75", "1"]


def test_a_world_may_start_at_any_time(tmp_path: Path):
    simulation = short("dc_calm_p6_s1", duration_s=300.0)
    later = simulation.model_copy(update={"world": simulation.world.starting_now()})
    for directory, each in (("one", simulation), ("later", later)):
        write(each, tmp_path / directory)
    for name in (MEASUREMENTS, TRUTH):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "later" / name).read_bytes()


def test_nothing_is_overwritten_unless_asked(written: Path):
    before = (written / TRUTH).read_bytes()
    with pytest.raises(FileExistsError, match=r"already holds measurements.csv.gz, .*--force"):
        write(short().seeded(8), written)
    assert (written / TRUTH).read_bytes() == before


def test_a_file_in_the_way_is_an_error(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="is not a directory"):
        write(short(), tmp_path / "file")


def _scorer() -> ModuleType:
    path = TRACES / "score.py"
    if not path.exists():
        pytest.skip(f"{path} is not here (CHRONOTICK_TRACES)")
    spec = importlib.util.spec_from_file_location("score", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_scorer_finds_the_truth_true_and_an_error_as_large_as_it_is(tmp_path: Path):
    scorer, estimates = _scorer(), tmp_path / "estimates.csv"
    simulation = short("dc_hvac_p6_s1", duration_s=7200.0)
    write(simulation, tmp_path)
    live = simulation.world.live()
    lines = ["t_local_s,offset_s,sigma_s,bound_s"]
    for raw_ns in range(15 * NS, 7200 * NS, 10 * NS):  # between the statements of the truth
        offset_ns = live.truth(raw_ns) - raw_ns - live.start_offset_ns + 5_000
        lines.append(f"{raw_ns / NS},{offset_ns / NS:.9f},3e-6,4e-6")
    estimates.write_text("\n".join(lines))
    found = scorer.score(str(tmp_path / TRUTH), str(estimates), warmup=3600.0)
    assert found["rms_us"] == pytest.approx(5.0, abs=0.05)
    assert found["sd_us"] < 0.05
    assert (found["coverage95"], found["bound_violations"]) == (1.0, found["n"])


def test_a_recorded_world_has_the_same_columns(written: Path):
    recorded = TRACES / "sim" / "wan_hvacs_p6_s4_false"
    if not recorded.exists():
        pytest.skip(f"{recorded} is not here (CHRONOTICK_TRACES)")
    assert list(rows(written / MEASUREMENTS)[0]) == list(rows(recorded / MEASUREMENTS)[0])
    assert list(rows(written / TRUTH)[0]) == list(rows(recorded / TRUTH)[0])[:2]
    assert json.loads((written / "world.json").read_text())["name"] == recorded.name
