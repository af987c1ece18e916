"""Files that are missing, directories, unreadable or full of noise; and what JSON there is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter


def missing(path: Path) -> None:
    assert not path.exists()


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 20)


def below_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.touch()


ODD = [missing, Path.mkdir, noise, below_a_file, Path.touch]
FILES = [
    ("config", "check"),
    ("config", "show", "--config"),
    ("doctor", "--config"),
    ("envs", "list", "--config"),
    ("run", "--config"),
]
RECORDS = [
    ("read", "--shm"),
    ("json", "--shm"),
    ("bench", "--shm"),
    ("waitsync", "--timeout=0", "--shm"),
]
SOCKETS = [("status", "--socket"), ("sources", "--socket"), ("models", "status", "--socket")]


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "odd"


@pytest.mark.parametrize("make", ODD[:4], ids=lambda make: make.__name__)
@pytest.mark.parametrize("command", FILES, ids=" ".join)
def test_odd_configuration_files(run, odd: Path, command: tuple[str, ...], make: Callable):
    make(odd)
    result = run(*command, str(odd))
    assert result.exit_code == 2
    assert f"configuration: {odd}" in result.output


@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
@pytest.mark.parametrize("command", [*RECORDS, *SOCKETS], ids=" ".join)
def test_odd_records_and_sockets(run, odd: Path, command: tuple[str, ...], make: Callable):
    make(odd)
    result = run(*command, str(odd))
    assert result.exit_code == 3
    assert str(odd) in result.output


@pytest.mark.parametrize("command", FILES, ids=" ".join)
def test_an_unreadable_file_is_named(run, command: tuple[str, ...]):
    """Root may read everything, but nobody may read this one from its beginning."""
    result = run(*command, "/proc/self/mem")
    assert result.exit_code == 2
    assert "/proc/self/mem: cannot be read: Input/output error" in result.output


@pytest.mark.parametrize("place", ["missing/c.yaml", "folder"])
def test_a_template_that_cannot_be_written(run, odd: Path, place: str):
    result = run("config", "init", "--force", str(odd.parent.parent / place))
    assert result.exit_code == 1
    assert "cannot be written" in result.output


def test_a_description_that_cannot_be_written(run, odd: Path):
    """`lab serve --describe /nonexistent/x` ended in a traceback."""
    result = run("lab", "serve", "--describe", str(odd / "x"), "--seconds", "0.1")
    assert result.exit_code == 1
    assert f"{odd / 'x'} cannot be written: No such file or directory" in result.output


def test_environments_in_odd_places(run, odd: Path, monkeypatch: pytest.MonkeyPatch):
    noise(odd)
    monkeypatch.setenv("CHRONOTICK_WORKERS__ENVIRONMENTS", str(odd))
    assert json.loads(run("envs", "list", "--json").stdout) == []
    result = run("envs", "sync", "chronos", "--find-links", str(odd))
    assert result.exit_code == 2
    assert f"'{odd}' is a file" in result.output
    assert run("envs", "sync", "chronos", "--device", "gpu").exit_code == 2


def test_sync_of_a_model_without_environment_is_an_empty_list_in_json(run):
    result = run("envs", "sync", "kalman", "--json")
    assert json.loads(result.stdout) == []
    assert "needs no environment" in result.stderr


def test_waitsync_prints_the_reading_it_waited_for(run, tmp_path: Path):
    record = tmp_path / "record"
    RecordWriter(record).write(good_record())
    assert run("waitsync").output == ""
    reading = json.loads(run("waitsync", "--json").stdout)
    assert reading["status"] == "synchronised"
    assert reading["earliest_ns"] < reading["time_ns"] < reading["latest_ns"]
    assert reading.keys() == json.loads(run("read", "--json").stdout).keys()
    late = run("waitsync", "--json", "--max-error", "1e-9", "--timeout", "0")
    assert (late.exit_code, late.stdout) == (4, "")
    assert "bound" in late.stderr


def test_doctor_without_network_says_how_to_go_on(run, monkeypatch: pytest.MonkeyPatch):
    names = ["one.invalid", "two.invalid"]
    monkeypatch.setenv("CHRONOTICK_NTP_SERVERS", ",".join(names))
    found = {f["what"]: f for f in json.loads(run("doctor", "--json").stdout)}
    for name in names:
        assert found[f"server {name}"]["evidence"].startswith("the name has no address")
        assert f"getent hosts {name}" in found[f"server {name}"]["fix"]
    assert "chronotick run --server ADDRESS" in found["servers"]["fix"]
    assert "chronotick demo" in found["servers"]["fix"]
    monkeypatch.setenv("CHRONOTICK_NTP_SERVERS", "one.invalid,127.0.0.1")
    assert "servers" not in {f["what"] for f in json.loads(run("doctor", "--json").stdout)}


@pytest.mark.parametrize("command", [("run", "--recommended"), ("config", "recommend")])
def test_odd_variables_are_no_reason_to_crash(
    run, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CHRONOTICK_SHM__FREQUENCY", "abc")
    result = run(*command)
    assert result.exit_code == 2
    assert "shm.frequency (CHRONOTICK_SHM__FREQUENCY): got 'abc'" in result.output
