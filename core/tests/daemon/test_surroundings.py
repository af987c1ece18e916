from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.daemon.surroundings import Surroundings


@pytest.fixture
def host(tmp_path: Path) -> Path:
    for number, millidegrees in enumerate(["41500\n", "55250\n", "broken\n"]):
        zone = tmp_path / "class" / "thermal" / f"thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "temp").write_text(millidegrees)
    stat(tmp_path, user=100, idle=800, iowait=100)
    return tmp_path


def stat(host: Path, *, user: int, idle: int, iowait: int) -> None:
    (host / "stat").write_text(f"cpu  {user} 0 0 {idle} {iowait} 0 0 0 77 0\ncpu0 1 2 3\n")


def test_the_hottest_zone_and_the_share_of_busy_time(host: Path):
    surroundings = Surroundings(sys=host, proc=host)
    stat(host, user=130, idle=850, iowait=120)
    assert surroundings.read() == {"temperature_c": 55.25, "load": 0.3}


def test_load_is_that_since_the_last_reading(host: Path):
    surroundings = Surroundings(sys=host, proc=host)
    stat(host, user=200, idle=800, iowait=100)
    assert surroundings.read()["load"] == 1.0
    assert "load" not in surroundings.read()  # no time has passed
    stat(host, user=200, idle=900, iowait=100)
    assert surroundings.read()["load"] == 0.0


def test_a_host_that_tells_nothing_gives_nothing(tmp_path: Path):
    assert Surroundings(sys=tmp_path, proc=tmp_path).read() == {}


def test_this_host_tells_its_load():
    surroundings = Surroundings()
    while "load" not in (readings := surroundings.read()):
        sum(range(100_000))
    assert 0.0 <= readings["load"] <= 1.0
