"""A configuration that is valid and still cannot work here: models, weights, CPUs."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from pathlib import Path

import pytest

from chronotick.cli.fitting import fitted, misfits, usable_cpus
from chronotick.config import ConfigError, Loaded, load
from chronotick.plugin.registry import Plugins, load_plugins

ABSENT = max(os.sched_getaffinity(0)) + 4096  # a machine this test runs on has fewer


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "c.yaml"


def loaded(path: Path, text: str, **overrides: object) -> Loaded:
    path.write_text(text)
    options = {key.replace("__", "."): value for key, value in overrides.items()}
    return load(path, {}, options)


def test_the_defaults_fit(config: Path, plugins: Plugins):
    settings = loaded(config, "")
    assert [*misfits(settings, plugins)] == []
    assert fitted(settings, plugins) == settings


def test_all_misfits_are_told_at_once_with_their_places(config: Path, plugins: Plugins):
    text = (
        "short_term: {models: [cronos, kalmann]}\n"
        "workers:\n  checkpoints:\n    chrnos: /x\n    kalman: /y\n"
        f"process: {{cpu_affinity: [0, {ABSENT}]}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        fitted(loaded(config, text), plugins)
    found = [str(problem).replace(f"{config}", "c") for problem in caught.value.problems]
    assert [
        text.partition(":")[0] + text.partition(":")[2].partition(")")[0] for text in found
    ] == [
        "short_term.models (c1",
        "short_term.models (c1",
        "workers.checkpoints.chrnos (c4",
        "workers.checkpoints.kalman (c5",
        "process.cpu_affinity (c6",
    ]
    assert "Did you mean chronos" in found[0]
    assert "Did you mean kalman" in found[1]


def test_weights_for_a_model_that_no_plugin_provides_name_the_near_one(
    config: Path, plugins: Plugins
):
    """`--checkpoint chrnos=/x` was accepted without a word, and the default weights were used."""
    settings = loaded(config, "", workers__checkpoints={"chrnos": "/x"})
    (problem,) = misfits(settings, plugins)
    assert str(problem).startswith("workers.checkpoints.chrnos (command line): unknown model")
    assert "Did you mean chronos" in str(problem)


def test_weights_for_a_model_that_is_not_used_are_remarked_on(config: Path, plugins: Plugins):
    settings = loaded(config, "workers: {checkpoints: {echo: /x}}\n")
    (remark,) = fitted(settings, plugins).remarks
    assert "workers.checkpoints.echo" in remark
    assert "has no effect" in remark
    used = loaded(config, "workers: {checkpoints: {echo: /x}}\nlong_term: {models: [echo]}\n")
    assert fitted(used, plugins).remarks == ()
    off = "long_term: {models: [echo], enabled: false}\nworkers: {checkpoints: {echo: /x}}\n"
    assert len(fitted(loaded(config, off), plugins).remarks) == 1


def test_one_wrong_name_given_for_both_loops_is_one_problem(config: Path, plugins: Plugins):
    names = {"short_term__models": ["kalmann"], "long_term__models": ["kalmann"]}
    (problem,) = misfits(loaded(config, "", **names), plugins)
    assert problem.path == "short_term.models and long_term.models"


def test_cpus_that_do_not_exist_are_named_beside_those_that_do(config: Path, plugins: Plugins):
    """The kernel said only "Invalid argument", and nothing if one CPU of several exists."""
    here = min(os.sched_getaffinity(0))
    key = "process__cpu_affinity"
    assert [*misfits(loaded(config, "", **{key: [here]}), plugins)] == []
    (one,) = misfits(loaded(config, "", **{key: [here, ABSENT]}), plugins)
    assert f"CPU {ABSENT} does not exist" in str(one)
    assert one.accepted.startswith(str(here))
    (some,) = misfits(loaded(config, "", **{key: [ABSENT, ABSENT + 2, ABSENT + 1]}), plugins)
    assert f"CPUs {ABSENT}-{ABSENT + 2} do not exist" in str(some)


def test_asking_which_cpus_can_be_used_changes_nothing_and_sees_past_the_present_choice():
    before, every = os.sched_getaffinity(0), usable_cpus()
    assert os.sched_getaffinity(0) == before <= set(every)
    seen: list[int] = []

    def bound() -> None:
        os.sched_setaffinity(0, {every[-1]})
        seen.extend(usable_cpus())

    thread = threading.Thread(target=bound)
    thread.start()
    thread.join()
    assert seen == every


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cpu-affinity", str(ABSENT)], f"CPU {ABSENT} does not exist"),
        (["--checkpoint", "chrnos=/x"], "Did you mean chronos"),
        (["--checkpoint", "kalman=/x"], "has no weights"),
        (["--checkpoint", "chronos="], "MODEL=WEIGHTS"),
        (["--models", "kalmann"], "Did you mean kalman"),
        (["--models", ""], "list of one or more"),
        (["--server", "foo:99999"], "65535"),
    ],
)
def test_run_refuses_before_the_daemon_starts(run, options: list[str], words: str):
    result = run("run", *options)
    assert result.exit_code == 2
    assert words in result.output
    assert "Errno" not in result.output


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("ntp", "{ntp: {servers: ['nts://ntp.example']}}"),
        ("watchdog", "{watchdog: {enabled: true, servers: ['nts://pool.example']}}"),
    ],
)
def test_nts_without_its_package_is_told_beforehand(
    config: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch, key: str, text: str
):
    settings = loaded(config, f"clock_measurement: {text}\n")
    assert [*misfits(settings, plugins)] == []
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    (problem,) = misfits(settings, plugins)
    assert problem.path == f"clock_measurement.{key}.servers"
    assert problem.advice == "Run: pip install 'chronotick[nts]'"


def test_a_watchdog_that_is_off_needs_no_package(
    config: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    text = "clock_measurement: {watchdog: {servers: ['nts://pool.example']}}\n"
    assert [*misfits(loaded(config, text), plugins)] == []


def test_check_and_doctor_say_the_same(run, config: Path):
    config.write_text("workers: {checkpoints: {chrnos: /x}}\n")
    checked = run("config", "check", str(config))
    assert checked.exit_code == 2
    assert "Did you mean chronos" in checked.output
    found = json.loads(run("doctor", "--config", str(config), "--json").output)
    assert any("Did you mean chronos" in f["evidence"] for f in found if f["state"] == "bad")


def test_check_in_json(run, config: Path):
    config.write_text("workers: {checkpoints: {echo: /x}}\n")
    result = run("config", "check", str(config), "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["path"], answer["valid"]) == (0, str(config), True)
    assert len(answer["remarks"]) == 1
    config.write_text("shm: {frequenzy: 5}\nlogging:\n  level: LOUD\n")
    result = run("config", "check", str(config), "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["path"], answer["valid"]) == (2, str(config), False)
    assert [p["key"] for p in answer["problems"]] == ["shm.frequenzy", "logging.level"]
    assert answer["problems"][1]["origin"] == f"{config}:3"
    assert answer["problems"][1]["accepted"] == "DEBUG, INFO, WARNING, ERROR"
    assert json.loads(run("config", "check", "--json").stdout)["path"] is None


def test_overrides_of_models_nobody_provides_are_told(config: Path, plugins: Plugins):
    text = (
        "short_term:\n  models: [line]\n  overrides:\n    lines: {inference_interval: 60}\n"
        f"workers:\n  overrides:\n    echo: {{cpu_affinity: [{ABSENT}]}}\n"
    )
    found = [str(problem) for problem in misfits(loaded(config, text), plugins)]
    assert found[0].startswith(f"short_term.overrides.lines ({config}:4)")
    assert "Did you mean line" in found[0]
    assert found[1].startswith(f"workers.overrides.echo ({config}:7): CPU {ABSENT} does not exist")
    assert len(found) == 2


def test_overrides_without_effect_are_remarked(config: Path, plugins: Plugins):
    text = "workers: {overrides: {echo: {threads: 2}}}\n"
    (remark,) = fitted(loaded(config, text), plugins).remarks
    assert "workers.overrides.echo" in remark
    assert "has no effect: no prediction loop uses echo" in remark


def test_unknown_models_may_yet_come_while_plugins_are_read(config: Path, plugins: Plugins):
    settings = loaded(config, "short_term: {models: [absent]}\n")
    assert len([*misfits(settings, plugins)]) == 1
    assert [*misfits(settings, dataclasses.replace(plugins, pending=("slow",)))] == []
