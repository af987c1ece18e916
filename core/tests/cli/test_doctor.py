"""Which configuration ``doctor`` examines, and what it finds in the daemon's way."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from chronotick.cli.doctor import _clock, _room
from chronotick.cli.doctor_file import is_written_since
from chronotick.cli.fitting import _missing_token
from chronotick.config import Config, Loaded, Origin, load
from chronotick.daemon.control import ControlServer
from chronotick.daemon.in_force import fingerprint
from chronotick.daemon.in_force import told as as_told
from chronotick.daemon.report import _source
from chronotick.history import open_history
from chronotick.ntp import SourceReport
from chronotick.ntp.selection import Reason
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
    """Run ``doctor`` while a daemon tells this status, and what it runs with."""

    async def doctor(
        told: dict[str, Any],
        *options: str,
        runs: dict[str, Any] | None = None,
        sources: Findings | None = None,
    ) -> Findings:
        status = {"pid": 17, "problems": [], "sources_believed": ["192.0.2.1:123"], **told}
        methods: dict[str, Callable[[], Any]] = {"status": lambda: status}
        if runs is not None:
            methods["configuration"] = lambda: runs
        if sources is not None:
            methods["sources"] = lambda: sources
        server = ControlServer(tmp_path / "control.sock", methods)
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
    """The daemon's file, which would be found nowhere, and which would not work here."""
    path = tmp_path / "theirs.yaml"
    path.write_text("workers: {checkpoints: {chrnos: /x}}\n")
    return path


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """A file with a socket and a path of its own."""
    path = tmp_path / "ours.yaml"
    path.write_text(f"control: {{socket: {tmp_path}/control.sock}}\nhistory: {{path: h.sqlite3}}\n")
    return path


def write(path: Path, text: str) -> None:
    """Not in a coroutine: there it would be said to block."""
    path.write_text(text)


def running(path: Path | None = None, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """What a daemon tells of its configuration, by sections."""
    sections = {each: changes.pop(each) for each in tuple(changes) if each in Config.model_fields}
    return {
        "pid": 17,
        "uid": os.geteuid(),
        "path": str(path) if path else None,
        "file_read": fingerprint(path) if path else None,
        "config": as_told(Config.model_validate(sections)),
        **changes,
    }


# ------------------------------------------------------------------------------ configuration


def test_the_first_line_says_which_configuration_is_examined(run: Run, theirs: Path):
    assert run("doctor").output.startswith("ok    configuration: the defaults (there is no file)\n")
    shown = run("doctor", "--config", str(theirs)).output
    assert shown.startswith(f"ok    configuration: {theirs}\n")


async def test_what_the_daemon_runs_with_is_examined_not_its_file(asked, theirs: Path):
    """The file alone would be bad: an option has replaced what is wrong in it."""
    sections = {"long_term": {"models": ["hold"]}}
    first, *rest = await asked({}, runs=running(theirs, **sections))
    assert first == {
        "state": "ok",
        "what": "configuration",
        "evidence": f"as process 17 runs it: {theirs}, and its options and variables",
        "fix": "",
    }
    assert [each for each in rest if each["what"] == "configuration"] == []
    assert [each for each in rest if each["state"] == "bad"] == []


async def test_what_is_wrong_with_what_the_daemon_runs_with_is_said_to_be_of_its_process(asked):
    first, *rest = await asked({}, runs=running(long_term={"models": ["hodl"]}))
    assert first["evidence"].startswith("as process 17 runs it: the defaults (there is no file), ")
    (bad,) = (each for each in rest if each["what"] == "configuration")
    assert bad["state"] == "bad"
    assert bad["evidence"].startswith("long_term.models (process 17): ")
    assert "hodl" in bad["evidence"]


async def test_paths_are_those_of_the_daemon(asked, tmp_path: Path):
    elsewhere = tmp_path / "file" / "envs"
    elsewhere.parent.touch()
    findings = await asked({}, runs=running(workers={"environments": elsewhere}))
    (room,) = (each for each in findings if each["what"] == "disk for environments")
    assert room["evidence"].endswith(f"free at {elsewhere.parent}")


def test_a_relative_path_is_told_as_the_daemon_means_it():
    told = as_told(Config.model_validate({"history": {"path": "h.sqlite3"}}))
    assert told["history"]["path"] == str(Path.cwd() / "h.sqlite3")
    assert as_told(Config.model_validate(json.loads(json.dumps(told)))) == told


async def test_a_file_that_the_daemon_has_not_read_since_is_told(asked, theirs: Path):
    runs = running(theirs)
    write(theirs, "# mended\n")
    (_, note) = (each for each in await asked({}, runs=runs) if each["what"] == "configuration")
    assert note["state"] == "note"
    assert note["evidence"] == f"{theirs} has changed since process 17 read it"
    assert note["fix"].startswith("to have it taken, send SIGHUP: chronotick config check ")
    assert note["fix"].endswith("kill -HUP 17")


async def test_a_file_that_the_daemon_would_not_start_with_again_is_bad(asked, theirs: Path):
    runs = running(theirs)
    write(theirs, "shm:\n  frequency: fast\n")
    (_, bad) = (each for each in await asked({}, runs=runs) if each["what"] == "configuration")
    assert bad["state"] == "bad"
    assert bad["evidence"].startswith(f"shm.frequency ({theirs}:2): got 'fast'")
    assert bad["evidence"].endswith("(process 17 goes on with what it read before)")
    assert f"chronotick config check {theirs} && kill -HUP 17" in bad["fix"]


async def test_what_an_option_of_the_daemon_may_mend_is_not_held_against_its_file(
    asked, theirs: Path
):
    """The limit below is in the file, the one above by an option, say."""
    runs = running(theirs)
    write(theirs, "clock_measurement: {timing: {normal_operation: {max_interval: 8}}}\n")
    (_, note) = (each for each in await asked({}, runs=runs) if each["what"] == "configuration")
    assert (note["state"], "has changed since" in note["evidence"]) == ("note", True)


@pytest.mark.parametrize("content", ["shm: {}\nshm: {}\n", "shm: 5\n", "- shm\n", "shm: [\n"])
async def test_what_no_option_can_mend_is_bad(asked, theirs: Path, content: str):
    runs = running(theirs)
    write(theirs, content)
    findings = await asked({}, runs=runs)
    assert states([each for each in findings if each["what"] == "configuration"]) == ["ok", "bad"]


@pytest.mark.parametrize("remove", [Path.unlink, lambda path: shutil.rmtree(path.parent)])
async def test_a_file_that_is_gone_is_said_to_be_gone(
    asked, tmp_path: Path, remove: Callable[[Path], object]
):
    path = tmp_path / "etc" / "c.yaml"
    path.parent.mkdir()
    path.touch()
    runs = running(path)
    remove(path)
    (_, bad) = (each for each in await asked({}, runs=runs) if each["what"] == "configuration")
    assert bad["state"] == "bad"
    words = f"{path} does not exist any more; process 17 goes on with what it read there"
    assert bad["evidence"] == words
    assert f"chronotick config init {path}" in bad["fix"]


def test_a_file_that_this_user_cannot_see_is_not_said_to_be_gone(closed: Path):
    assert not is_written_since(closed / "c.yaml", [1, 2, 3])


@pytest.mark.parametrize("content", ["shm: {frequency: fast}\n", "shm: [\n", None])
@pytest.mark.parametrize("is_named", [True, False], ids=["--config", "variable"])
def test_beside_a_file_that_cannot_be_used_the_rest_is_examined(
    run: Run, ours: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, *, is_named: bool
):
    ours.unlink()
    if content:
        ours.write_text(content)
    options = ["--config", str(ours)] if is_named else []
    monkeypatch.setenv("CHRONOTICK_CONFIG", "" if is_named else str(ours))
    shown = run("doctor", "--json", *options)
    first, second, *rest = json.loads(shown.stdout)
    assert shown.exit_code == 2
    assert (first["what"], first["state"]) == ("configuration", "note")
    assert first["evidence"].startswith("the defaults and this shell's variables, ")
    assert (second["what"], second["state"]) == ("configuration", "bad")
    assert str(ours) in second["evidence"]
    assert second["fix"].endswith(f"chronotick config check {ours}")
    assert {"clock", "daemon", "server 127.0.0.1:11123"} <= {each["what"] for each in rest}


async def test_beside_a_file_that_cannot_be_used_the_daemon_is_examined(
    asked, theirs: Path, monkeypatch: pytest.MonkeyPatch
):
    """It is the daemon's own, and found wrong once; a wrong variable does not hide the daemon."""
    runs = running(theirs, workers={"environments": theirs / "envs"})
    write(theirs, "shm: {frequncy: 10}\n")
    monkeypatch.setenv("CHRONOTICK_CONFIG", str(theirs))
    monkeypatch.setenv("CHRONOTICK_HISTORY__RETENTION_DAYS", "many")
    first, *rest = await asked({}, runs=runs)
    assert first["evidence"].startswith(f"as process 17 runs it: {theirs}, ")
    bad = [each["evidence"] for each in rest if each["what"] == "configuration"]
    assert len(bad) == 2
    assert "Did you mean shm.frequency?" in bad[0]
    assert "CHRONOTICK_HISTORY__RETENTION_DAYS" in bad[1]


def test_a_misspelt_variable_is_told(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHRONOTICK_NTP_SERVER", "192.0.2.1")
    (_, note) = found(run, "configuration")
    assert (note["state"], "Meant: CHRONOTICK_NTP_SERVERS?" in note["evidence"]) == ("note", True)


async def test_a_configuration_that_was_asked_for_is_examined_and_the_difference_told(
    asked, theirs: Path, ours: Path
):
    first, *rest = await asked({}, "--config", str(ours), runs=running(theirs))
    assert first["state"] == "note"
    assert first["evidence"] == f"{ours}; the daemon (process 17) runs with {theirs}"
    assert first["fix"] == "to examine that: chronotick doctor"
    assert not any("chrnos" in each["evidence"] for each in rest)


async def test_the_daemons_own_file_without_its_options_is_not_what_it_runs_with(
    asked, theirs: Path
):
    first, *rest = await asked({}, "--config", str(theirs), runs=running(theirs))
    assert first["state"] == "note"
    assert first["evidence"] == (
        f"{theirs}; the daemon (process 17) runs with it otherwise: with options or variables of "
        "its own, or as it was before"
    )
    assert any("Did you mean chronos" in each["evidence"] for each in rest)


async def test_a_file_with_another_socket_says_how_to_ask_the_daemon_there(
    asked, ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("CHRONOTICK_CONTROL")
    first, *_ = await asked({}, "--config", str(ours), runs=running())
    socket = tmp_path / "control.sock"
    assert first["fix"] == f"to examine that: CHRONOTICK_CONTROL={socket} chronotick doctor"


async def test_what_the_daemon_runs_with_can_be_what_was_asked_for(
    asked, ours: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(ours.parent)
    runs = running(config=as_told(load(ours, os.environ, {}).config))
    first, *_ = await asked({}, "--config", ours.name, runs=runs)
    assert first["evidence"] == f"{ours}; the daemon (process 17) runs with the same"
    assert first["state"] == "ok"


@pytest.mark.parametrize("runs", [None, {"config": {}}, running(config={"of_a_later": {}}), [1]])
async def test_of_a_daemon_that_tells_no_configuration_nothing_is_said(
    asked,
    runs: Any,  # noqa: ANN401 - any JSON type
):
    first, *_ = await asked({"configuration": "/etc/chronotick/config.yaml"}, runs=runs)
    assert first == {
        "state": "ok",
        "what": "configuration",
        "evidence": "the defaults (there is no file)",
        "fix": "",
    }


async def test_the_socket_that_answered_is_named(asked, tmp_path: Path):
    """A daemon may have another name for it: seen from within a container, or through a link."""
    runs = running(control={"socket": "/run/elsewhere/control.sock"})
    findings = await asked({}, runs=runs)
    (socket,) = (each for each in findings if each["what"] == "control socket")
    assert (socket["state"], socket["evidence"]) == ("ok", str(tmp_path / "control.sock"))


# -------------------------------------------------------------------------------- other users


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A directory that this user may not look into; root is nobody meanwhile."""
    path = tmp_path / "closed"
    path.mkdir(mode=0)
    user = os.geteuid()
    with contextlib.ExitStack() as stack:
        if user == 0:
            os.seteuid(65534)
            stack.callback(os.seteuid, user)
        yield path


def test_environments_behind_a_closed_directory_are_a_note(closed: Path):
    found = _room(closed / "envs")
    assert found.state == "note"
    assert found.evidence == (
        f"{closed / 'envs'} cannot be looked at by this user: Permission denied"
    )
    assert found.fix == "run chronotick doctor as the daemon's user"


def test_a_token_behind_a_closed_directory_is_no_traceback(closed: Path):
    http = {"listen": "127.0.0.1:8090", "token_file": closed / "token"}
    config, origins = Config.model_validate({"http": http}), {"http.token_file": Origin("option")}
    (problem,) = _missing_token(Loaded(config, origins, None))
    assert problem.message == f"there is no file {closed / 'token'}"


@pytest.mark.parametrize(("is_ours", "state"), [(True, "bad"), (False, "note")])
@pytest.mark.parametrize("secret", ["keys", "token"])
async def test_secrets_of_another_users_daemon_are_not_judged_by_what_this_one_may_read(
    asked, tmp_path: Path, secret: str, is_ours: bool, state: str
):
    path = tmp_path / "not there"
    sections = {
        "keys": {"clock_measurement": {"ntp": {"servers": ["key://1@::1"], "key_file": path}}},
        "token": {"http": {"listen": "127.0.0.1:8090", "token_file": path}},
    }[secret]
    uid = os.geteuid() + (0 if is_ours else 1)
    findings = await asked({}, runs=running(uid=uid, **sections))
    (_, found) = (each for each in findings if each["what"] == "configuration")
    assert found["state"] == state
    assert str(path) in found["evidence"]
    as_its_user = found["fix"] == "run chronotick doctor as the daemon's user"
    assert as_its_user is not is_ours


# -------------------------------------------------------------------------------------- clock


@pytest.mark.parametrize(
    ("source", "cost_ns", "state", "advice"),
    [
        ("tsc", 30.0, "ok", ""),
        ("hpet", 2000.0, "note", "choose a clock source"),
        ("tsc", 2000.0, "note", "though the source is a fast one"),
    ],
)
def test_a_slow_clock_is_not_advised_to_become_what_it_is(
    source: str, cost_ns: float, state: str, advice: str
):
    finding = _clock(source, cost_ns)
    assert finding.state == state
    assert advice in finding.fix
    assert ("choose" in finding.fix) is (source == "hpet")


# ------------------------------------------------------------------------------------ servers


def source(reason: Reason, last_error: str = "", reach: int = 0) -> dict[str, Any]:
    """What a daemon tells of one."""
    name = f"192.0.2.{len(last_error)}:123"
    report = SourceReport(id=name, name=name, reason=reason, reach=reach, last_error=last_error)
    return _source(report)


SINCE = {"sources_believed": [], "daemon_uptime": 22.0, "status_since_s": 21.0}


async def test_that_no_source_is_believed_is_bad_with_the_reason_of_each(asked):
    sources = [
        source(Reason.UNREACHABLE, "no reply in time"),
        source(Reason.NOT_AUTHENTICATED, "long past", reach=0o77),
        source(Reason.CLUSTERED_OUT),
    ]
    findings = await asked(SINCE, runs=running(), sources=sources)
    whole, silent, plain, other = (each for each in findings if each["what"].startswith("server"))
    assert whole["evidence"] == "the daemon has believed none of its 3 for 21 s"
    assert states([whole, silent, plain, other]) == ["bad"] * 4
    assert silent["evidence"] == "? no valid reply to the last questions: no reply in time"
    assert plain["evidence"] == f"A {Reason.NOT_AUTHENTICATED.words}"
    assert "clock_measurement.ntp.authentication" in plain["fix"]
    assert other["fix"] == "see them all: chronotick sources"


@pytest.mark.parametrize("young", ["daemon_uptime", "status_since_s"])
async def test_that_none_is_believed_yet_is_a_note(asked, young: str):
    sources = [source(Reason.NOT_MEASURED)]
    findings = await asked({**SINCE, young: 9.0}, runs=running(), sources=sources)
    (note,) = (each for each in findings if each["what"].startswith("server"))
    assert (note["state"], note["evidence"]) == ("note", "none is believed yet, after 9 s")


async def test_a_long_warm_up_is_awaited(asked):
    timing = {"timing": {"warm_up": {"duration_seconds": 60}}}
    runs = running(clock_measurement=timing)
    findings = await asked(SINCE, runs=runs, sources=[source(Reason.NOT_MEASURED)])
    assert states([each for each in findings if each["what"] == "servers"]) == ["note"]


async def test_a_daemon_that_tells_no_sources_leaves_names_to_be_looked_up(asked):
    findings = await asked(SINCE)
    assert states([each for each in findings if each["what"].startswith("server ")]) == ["ok"]


def test_of_an_address_there_is_nothing_to_look_up(run: Run):
    (server,) = found(run, "server 127.0.0.1:11123")
    words = "no name to look up; it was not asked"
    assert (server["state"], server["evidence"]) == ("ok", words)


# ----------------------------------------------------------------------------------- problems


async def test_each_problem_is_told_once(asked):
    blind, lost, other = "the watchdog is blind", "lost. Nothing", "model chronos: died"
    watchdog = {"alarm": False, "problem": blind, "verdict": "silent", "pool": 9}
    findings = await asked(
        {
            "problems": [blind, f"history: {lost}", other],
            "watchdog": watchdog,
            "history": {"path": None, "problem": "", "messages": [f"history: {lost}"]},
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
    messages = [each for each in problems if each != health["problem"]]
    told = {"history": {**health, "messages": messages}, "problems": problems}
    findings = await asked(told)
    history = [each for each in findings if each["what"] == "history"]
    assert states(history) == [state]
    assert bool(history[0]["fix"]) is (state == "bad")
    others = [each["evidence"] for each in findings if each["what"] == "daemon"]
    assert not set(others) & set(problems)


async def test_a_problem_is_the_historys_by_whose_it_is_not_by_how_it_begins(asked):
    of_a_model = "history: the model of that name died"
    health = {"path": "/h", "problem": "", "messages": ["the watchdog begins anew"]}
    problems = ["the watchdog begins anew", of_a_model]
    findings = await asked({"history": health, "problems": problems})
    told = {each["evidence"]: each["what"] for each in findings}
    assert (told["the watchdog begins anew"], told[of_a_model]) == ("history", "daemon")


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


def test_a_history_that_another_daemon_has_is_bad(run: Run, history: Path):
    with open_history(history, 30).history:
        (finding,) = found(run, "history")
    words = f"{history} is in use by another daemon (process {os.getpid()})"
    assert (finding["state"], finding["evidence"]) == ("bad", words)


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
        "history.save_part('watchdog', {})\n"
        "history.flush()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(history)], check=False)
    assert Path(f"{history}-wal").stat().st_size
    assert states(found(run, "history")) == ["ok"]


@pytest.mark.parametrize("way", ["envs", "envs/deeper/still"])
def test_a_history_whose_directory_cannot_be_made_is_bad(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
):
    (tmp_path / "envs").touch()
    monkeypatch.setenv("CHRONOTICK_HISTORY__PATH", str(tmp_path / way / "h.sqlite3"))
    (finding,) = found(run, "history")
    words = f"the directory {tmp_path / way} cannot be made: {tmp_path / 'envs'} is no directory"
    assert (finding["state"], finding["evidence"]) == ("bad", words)
    assert finding["fix"].startswith("set history.path to a file of its own")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_history_where_not_even_root_can_make_it_is_bad(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CHRONOTICK_HISTORY__PATH", "/proc/nowhere/h.sqlite3")
    assert states(found(run, "history")) == ["bad"]


def test_a_history_whose_directory_can_be_made_is_nothing_to_tell(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CHRONOTICK_HISTORY__PATH", str(tmp_path / "new" / "one" / "h.sqlite3"))
    assert found(run, "history") == []
    assert not (tmp_path / "new").exists()


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


def test_a_record_in_a_directory_that_does_not_exist_is_bad(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CHRONOTICK_SHM", str(tmp_path / "nowhere" / "record"))
    (finding,) = found(run, "record")
    words = f"the directory {tmp_path / 'nowhere'} does not exist"
    assert (finding["state"], finding["evidence"]) == ("bad", words)
    assert finding["fix"].startswith("create it, or choose another path")


@pytest.mark.parametrize("is_live", [True, False], ids=["live", "dangling"])
def test_a_symbolic_link_in_the_records_place_is_bad(run: Run, tmp_path: Path, *, is_live: bool):
    """Readers follow it; the daemon refuses it."""
    (tmp_path / "record").symlink_to(tmp_path / "elsewhere")
    if is_live:
        RecordWriter(tmp_path / "elsewhere").write(good_record())
    (finding,) = found(run, "record")
    assert finding["state"] == "bad"
    assert finding["evidence"].startswith(f"{tmp_path / 'record'} is a symbolic link")


HANGS = """
import sys, time
from pathlib import Path
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

RecordWriter(Path(sys.argv[1])).write(good_record(valid_s=-60.0))
print(flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("is_stopped", [True, False], ids=["stopped", "hanging"])
def test_while_a_daemon_lives_no_other_is_advised(run: Run, tmp_path: Path, *, is_stopped: bool):
    line = [sys.executable, "-c", HANGS, str(tmp_path / "record")]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as daemon:
        try:
            assert daemon.stdout
            daemon.stdout.readline()
            if is_stopped:
                daemon.send_signal(signal.SIGSTOP)
                os.waitpid(daemon.pid, os.WUNTRACED)  # until it is
            (finding,) = found(run, "daemon")
        finally:
            daemon.kill()
    assert finding["state"] == "bad"
    words = f"{tmp_path / 'record'}: process {daemon.pid} lives, and publishes nothing"
    assert finding["evidence"] == words
    advice = f"kill -CONT {daemon.pid}" if is_stopped else f"end process {daemon.pid}"
    assert finding["fix"].endswith(advice)


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
