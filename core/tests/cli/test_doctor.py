"""Which configuration ``doctor`` examines, and what it finds in the daemon's way."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from chronotick.daemon.control import ControlServer
from chronotick.history import open_history
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

Run = Callable[..., Result]
Findings = list[dict[str, str]]


@pytest.fixture(autouse=True)
def _without_names_to_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHRONOTICK_NTP_SERVERS", "127.0.0.1:11123")


def found(run: Run, what: str, *options: str) -> Findings:
    findings = json.loads(run("doctor", "--json", *options).stdout)
    return [each for each in findings if each["what"] == what]


def states(findings: Findings) -> list[str]:
    return [each["state"] for each in findings]


@pytest.fixture
def asked(run: Run, tmp_path: Path) -> Callable[..., Any]:
    """Run ``doctor`` while a daemon tells this status."""

    async def doctor(told: dict[str, Any], *options: str) -> Findings:
        status = {"pid": 17, "problems": [], "sources_believed": ["192.0.2.1:123"], **told}
        server = ControlServer(tmp_path / "control.sock", {"status": lambda: status})
        await server.start()
        try:
            shown = await asyncio.to_thread(run, "doctor", "--json", *options)
        finally:
            await server.close()
        findings: Findings = json.loads(shown.stdout)
        return findings

    return doctor


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """The daemon's configuration, which would be found nowhere."""
    path = tmp_path / "theirs.yaml"
    path.write_text("workers: {checkpoints: {chrnos: /x}}\n")
    return path


# ------------------------------------------------------------------------------ configuration


def test_the_first_line_says_which_configuration_is_examined(run: Run, theirs: Path):
    assert run("doctor").output.startswith("ok    configuration: the defaults (there is no file)\n")
    shown = run("doctor", "--config", str(theirs)).output
    assert shown.startswith(f"ok    configuration: {theirs}\n")


async def test_the_configuration_of_the_daemon_that_runs_is_examined(asked, theirs: Path):
    findings = await asked({"configuration": str(theirs)})
    first, *rest = findings
    assert first["state"] == "ok"
    assert first["evidence"] == f"{theirs}; the daemon (process 17) runs with it"
    assert any("Did you mean chronos" in each["evidence"] for each in rest)


async def test_a_configuration_that_was_asked_for_is_examined_and_the_difference_told(
    asked, theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ours = tmp_path / "ours.yaml"
    ours.write_text("shm: {frequency: 20}\n")
    given = await asked({"configuration": str(theirs)}, "--config", str(ours))
    monkeypatch.setenv("CHRONOTICK_CONFIG", str(ours))
    for first, *rest in (given, await asked({"configuration": str(theirs)})):
        assert first["state"] == "note"
        assert first["evidence"].startswith(f"{ours}; the daemon (process 17) runs with {theirs}")
        assert first["fix"] == f"chronotick doctor --config {theirs}"
        assert not any("chrnos" in each["evidence"] for each in rest)


async def test_a_daemon_without_a_file_is_not_examined_by_ours_unnoticed(asked, theirs: Path):
    first, *_ = await asked({"configuration": None}, "--config", str(theirs))
    assert first["evidence"] == f"{theirs}; the daemon (process 17) runs with the defaults"
    assert first["state"] == "note"


async def test_a_configuration_that_cannot_be_read_is_told(asked, tmp_path: Path):
    first, *_ = await asked({"configuration": str(tmp_path / "gone.yaml")})
    assert first["state"] == "note"
    assert "the daemon's cannot be read by this user: " in first["evidence"]
    assert first["fix"]


async def test_a_daemon_of_an_earlier_version_tells_no_configuration(asked):
    first, *_ = await asked({})
    assert (first["state"], first["evidence"].partition(";")[0]) == (
        "ok",
        "the defaults (there is no file)",
    )


# ----------------------------------------------------------------------------------- problems


async def test_each_problem_is_told_once(asked):
    blind, lost, other = "the watchdog is blind", "lost. Nothing", "model chronos: died"
    watchdog = {"alarm": False, "problem": blind, "verdict": "silent", "pool": 9}
    findings = await asked(
        {
            "problems": [blind, f"history: {lost}", other],
            "watchdog": watchdog,
            "history": {"path": None, "problem": ""},
        }
    )
    told = {(each["what"], each["state"]) for each in findings if each["evidence"] in {blind, lost}}
    assert told == {("watchdog", "note"), ("history", "bad")}
    assert [each["what"] for each in findings if each["evidence"] == other] == ["daemon"]
    assert len([each for each in findings if each["evidence"] in {blind, lost, other}]) == 3


@pytest.mark.parametrize(
    ("health", "problems", "state"),
    [
        ({"path": "/h", "problem": ""}, [], "ok"),
        ({"path": "/h", "problem": ""}, ["history: kept as h.corrupt-1"], "note"),
        ({"path": "/h", "problem": "history: disk full"}, ["history: disk full"], "bad"),
        ({"path": None, "problem": ""}, ["history: in use. Nothing will be remembered"], "bad"),
    ],
)
async def test_a_history_that_forgets_is_bad(asked, health, problems: list[str], state: str):
    findings = await asked({"history": health, "problems": problems})
    history = [each for each in findings if each["what"] == "history"]
    assert states(history) == [state]
    assert bool(history[0]["fix"]) is (state == "bad")
    told = [each["evidence"] for each in findings if each["what"] == "daemon"]
    assert not set(told) & set(problems)


# ------------------------------------------------------------------------------------ history


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "history.sqlite3"
    monkeypatch.setenv("CHRONOTICK_HISTORY__PATH", str(path))
    return path


def test_without_a_history_there_is_nothing_to_say(run: Run, history: Path):
    assert found(run, "history") == []
    assert not history.exists()


def test_a_sound_history_is_ok_and_stays_as_it_is(run: Run, history: Path):
    open_history(history, 30).history.close()
    before = history.read_bytes()
    assert states(found(run, "history")) == ["ok"]
    assert history.read_bytes() == before


def test_what_the_daemon_will_set_aside_is_bad_and_left_where_it_is(run: Run, history: Path):
    history.write_text("This is no database, and longer than the header of one would be. " * 4)
    (finding,) = found(run, "history")
    assert finding["state"] == "bad"
    assert "is damaged" in finding["evidence"]
    assert "start the daemon: it keeps the file as history.sqlite3.corrupt-" in finding["fix"]
    assert history.read_text().startswith("This is no database")


def test_what_the_daemon_leaves_alone_is_bad(run: Run, history: Path):
    history.mkdir()
    (finding,) = found(run, "history")
    assert (finding["state"], finding["evidence"]) == ("bad", f"{history} is a directory")
    assert finding["fix"].startswith("set history.path to a file of its own")


def test_a_history_whose_daemon_was_killed_is_sound(run: Run, history: Path):
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from chronotick.history import open_history\n"
        "history = open_history(Path(sys.argv[1]), 30).history\n"
        "history.keep('watchdog', {})\n"
        "history.flush()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(history)], check=False)
    assert Path(f"{history}-wal").stat().st_size
    assert states(found(run, "history")) == ["ok"]


# ------------------------------------------------------------------------------------- record


def test_something_else_in_the_records_place_is_bad(run: Run, tmp_path: Path):
    (tmp_path / "record").write_text("Something else.\n")
    (finding,) = found(run, "record")
    assert finding["state"] == "bad"
    assert "not a ChronoTick record" in finding["evidence"]
    assert "move it away" in finding["fix"]
    (tmp_path / "record").unlink()
    RecordWriter(tmp_path / "record").write(good_record())
    assert found(run, "record") == []
    assert states(found(run, "daemon")) == ["ok"]


def test_a_daemon_says_in_its_log_what_is_in_the_records_way(tmp_path: Path):
    record = tmp_path / "record"
    record.write_text("Something else.\n")
    environ = os.environ | {
        "CHRONOTICK_SHM": str(record),
        "CHRONOTICK_CONTROL": str(tmp_path / "control.sock"),
        "CHRONOTICK_HISTORY__PATH": str(tmp_path / "history.sqlite3"),
    }
    line = [sys.executable, "-m", "chronotick", "run"]
    done = subprocess.run(line, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said = rf"ERROR   chronotick\.daemon: {record}: .*not a ChronoTick record; choose another path"
    assert re.search(said, done.stderr)
    assert len(done.stderr.splitlines()) == 1
    assert record.read_text() == "Something else.\n"
