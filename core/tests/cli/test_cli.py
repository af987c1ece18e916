from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from chronotick.cli.main import CLIENT_COMMANDS, COMMANDS, HELP, LazyGroup, chronotick, client
from chronotick.cli.output import NO_DAEMON, seconds, table


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_its_options_explained(run, name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 3
    command = chronotick.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert getattr(parameter, "help", None), parameter.name


def test_help_names_every_command(run):
    output = run("--help").output
    assert all(name in output for name in COMMANDS)


def test_aliases_of_the_documents_exist(run):
    assert set(CLIENT_COMMANDS) == {"read", "monitor", "status", "benchmark", "json"}
    assert run("benchmark", "--help", command=client).exit_code == 0
    for alias in ("chronotick", "chronotick-daemon", "chronotick-client"):
        program = Path(sys.executable).with_name(alias)
        done = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
        assert "Usage" in done.stdout


def test_a_mistyped_command_names_the_near_one(run):
    result = run("statsu")
    assert result.exit_code == 2
    assert "status" in result.output


@pytest.mark.parametrize(
    "args", [["read"], ["json"], ["bench"], ["status"], ["sources"], ["models", "status"]]
)
def test_without_a_daemon_reading_ends_with_code_3_and_says_what_to_run(run, args):
    result = run(*args)
    assert result.exit_code == NO_DAEMON
    assert "chronotick run" in result.output


def test_monitor_goes_on_without_a_daemon(run):
    result = run("monitor", "--count", "2", "--interval", "0.01")
    assert result.exit_code == 0
    assert result.output.count("no time") == 2


def test_waitsync_gives_up_with_a_reason(run):
    result = run("waitsync", "--timeout", "0.1")
    assert result.exit_code == NO_DAEMON
    assert "no such file" in result.output


def test_config_init_check_show_round_trip(run, tmp_path):
    path = tmp_path / "c.yaml"
    assert run("config", "init", str(path)).exit_code == 0
    assert run("config", "init", str(path)).exit_code == 1
    assert "exists" in run("config", "init", str(path)).output
    assert "valid" in run("config", "check", str(path)).output
    with path.open("a") as file:
        file.write("logging: {level: DEBUG}\n")
    shown = run("config", "show", "--config", str(path), "--origin").output
    assert f"{path}:" in shown
    values = json.loads(run("config", "show", "--json").output)
    assert values["shm.frequency"]["origin"] == "default"
    assert "properties" in json.loads(run("config", "show", "--schema").output)


def test_config_check_lists_all_problems_and_unknown_models(run, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("shm: {frequenzy: 5}\nlogging: {level: LOUD}\n")
    result = run("config", "check", str(path))
    assert result.exit_code == 2
    assert "frequency" in result.output
    assert "LOUD" in result.output
    path.write_text("short_term: {models: [cronos]}\n")
    result = run("config", "check", str(path))
    assert result.exit_code == 2
    assert "cronos" in result.output


def test_models_list_shows_the_built_in_ones(run):
    assert "kalman" in run("models", "list").output
    models = json.loads(run("models", "list", "--json").output)["models"]
    assert {"kalman", "hold", "line"} <= set(models)


def test_envs_list_is_empty_at_first(run):
    assert json.loads(run("envs", "list", "--json").output) == []
    assert "nothing to remove" in run("envs", "prune").output


def test_envs_sync_of_an_unknown_or_local_model(run):
    assert run("envs", "sync", "cronos").exit_code == 2
    assert "needs no environment" in run("envs", "sync", "kalman").output


def test_doctor_prints_findings_and_fails_on_bad_ones(run, monkeypatch):
    monkeypatch.setenv("CHRONOTICK_NTP_SERVERS", "127.0.0.1:11123")
    findings = json.loads(run("doctor", "--json").output)
    assert {"clock", "reader", "models"} <= {f["what"] for f in findings}
    assert all(f["fix"] for f in findings if f["state"] == "bad")
    monkeypatch.setenv("CHRONOTICK_NTP_SERVERS", "no-such-host.invalid")
    result = run("doctor")
    assert result.exit_code == 1
    assert "no-such-host.invalid" in result.output


def test_lab_serve_prints_addresses_and_stops(run):
    result = run("lab", "serve", "--world", "dc-calm", "--servers", "2", "--seconds", "0.2")
    assert result.exit_code == 0
    assert len(result.output.split()) == 2
    assert run("lab", "serve", "--world", "mars-calm").exit_code == 2


@pytest.mark.parametrize(
    "args", [["--freq", "fast"], ["--models", "kalmann"], ["extra"], ["--checkpoint", "x"]]
)
def test_run_with_bad_arguments_ends_with_code_2(run, args):
    assert run("run", *args).exit_code == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1.5 s"),
        (0.0123, "12.3 ms"),
        (4.56e-6, "4.56 us"),
        (7e-9, "7 ns"),
        (0.0, "0 ns"),
        (None, "-"),
        (float("inf"), "-"),
    ],
)
def test_times_are_shown_in_a_fitting_unit(value, text):
    assert seconds(value) == text
    assert seconds(-1e-3, signed=True) == "-1 ms"


def test_tables_are_aligned():
    assert table([["a", 1], ["bbb", 22]], ("x", "y")) == "x    y\na    1\nbbb  22"


def test_a_command_that_cannot_be_imported_takes_no_other_along():
    """One missing module made a traceback of `chronotick --help`, Tab and every manual page."""
    targets = {**COMMANDS, "odd": "chronotick.cli.absent:odd"}
    group = LazyGroup("chronotick", targets, HELP)
    listed = CliRunner().invoke(group, ["--help"])
    assert listed.exit_code == 0
    assert "(broken here: No module named 'chronotick.cli.absent')" in " ".join(
        listed.output.split()
    )
    done = CliRunner().invoke(group, ["odd", "--anything", "x"])
    assert done.exit_code == 1
    assert "odd is broken here" in done.output


def test_a_word_too_many_after_run_is_named():
    done = CliRunner().invoke(chronotick, ["run", "extra"])
    assert done.exit_code == 2
    assert "Got unexpected extra argument (extra)" in done.output


@pytest.mark.parametrize(("ends", "state"), [(False, "bad"), (True, "note")])
def test_doctor_finds_a_daemon_that_hangs_bad_and_none_worth_a_note(
    run, monkeypatch, tmp_path, ends, state
):
    monkeypatch.setenv("CHRONOTICK_NTP_SERVERS", "127.0.0.1:11123")
    monkeypatch.setenv("CHRONOTICK_SHM", str(tmp_path / "record"))
    program = (
        "import sys, time\n"
        "from chronotick.shm.writer import RecordWriter\n"
        "from chronotick.shm.testing import good_record\n"
        "from pathlib import Path\n"
        "stale = good_record(valid_s=-60.0)\n"
        "RecordWriter(Path(sys.argv[1])).write(stale)\n"
        "print(flush=True)\n"
        "time.sleep(600)\n"
    )
    line = [sys.executable, "-c", program, str(tmp_path / "record")]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as daemon:
        try:
            daemon.stdout.readline()
            if ends:
                daemon.kill()
                daemon.wait()
            findings = json.loads(run("doctor", "--json").output)
        finally:
            daemon.kill()
    (found,) = [f for f in findings if f["what"] == "daemon"]
    assert found["state"] == state
