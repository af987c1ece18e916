"""``models check``, ``bench`` and ``tiny``, in real workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chronotick.cli.choosing import checkpoint_of
from chronotick.cli.trying import shortened
from chronotick.testing import CHECKS


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, environments: Path) -> None:
    monkeypatch.setenv("CHRONOTICK_WORKERS__ENVIRONMENTS", str(environments))


def test_check_names_every_demand(run):
    result = run("models", "check", "echo")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert len(lines) == len(CHECKS) + 1
    assert all(line.startswith("ok ") for line in lines)


def test_check_leaves_out_what_the_daemon_computes_itself(run):
    result = run("models", "check", "kalman")
    assert result.exit_code == 0
    assert result.stdout == "kalman: computed in the daemon: not checked here\n"
    result = run("models", "check", "kalman", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == []


def test_weights_that_are_missing_are_told_before_anything_is_built(
    run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub = "ibm-granite/granite-timeseries-ttm-r2"
    for given in hub, f"ttm={tmp_path / 'gone'}", "neither":
        result = run("models", "check", "ttm", "--checkpoint", given)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr.startswith("chronotick: ttm: weights: ")
        assert "chronotick models check ttm --tiny" in result.stderr
        assert "building" not in result.stderr


def test_weights_on_the_hub_only_are_told_of_and_tried(run, carried):
    carried()
    result = run("models", "check", "carried")
    assert result.exit_code == 1
    assert "carried: weights: the cache " in result.stderr
    assert "carried=DIR. Trying to download them" in result.stderr
    assert "FAILED  carried: load" in result.stdout


@pytest.mark.parametrize("given", ["nan", "echo=nan"])
def test_checkpoint_may_name_its_model(run, given: str):
    result = run("models", "check", "echo", "--checkpoint", given)
    assert "not finite" in result.stdout


def test_checkpoint_of_one_model_is_not_that_of_others(run):
    result = run(
        "models", "bench", "hold", "echo", "--checkpoint", "echo=raise", "--repeat", "3", "--json"
    )
    assert [item["model"] for item in json.loads(result.stdout)["models"]] == ["hold"]
    assert "chronotick: echo: " in result.stderr


def test_a_directory_may_have_an_equals_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "size=1").mkdir()
    monkeypatch.chdir(tmp_path)
    assert checkpoint_of("size=1", ["echo"]) == {"echo": "size=1"}
    assert checkpoint_of("./a=b", ["echo"]) == {"echo": "./a=b"}
    assert checkpoint_of(None, ["echo"]) == {}


def test_sizes_of_all_models_are_checked_before_any_is_measured(run):
    smallest = run("models", "tiny", "ttm", "--list").stdout.split()[0]
    result = run("models", "bench", "ttm", "echo", "--size", smallest)
    assert result.exit_code == 2
    assert result.stderr == "chronotick: echo: its plugin writes no random weights\n"


def test_check_that_fails_says_why_and_ends_with_code_1(run):
    result = run("models", "check", "echo", "--checkpoint", "nan", "--json")
    assert result.exit_code == 1
    found = {outcome["check"]: outcome for outcome in json.loads(result.stdout)}
    assert not found["contexts"]["passed"]
    assert "not finite" in found["contexts"]["failure"]
    assert found["load"]["passed"]


def test_check_of_a_model_that_does_not_load_says_why(run):
    result = run("models", "check", "echo", "--checkpoint", "missing-weights")
    assert result.exit_code == 1
    assert "FAILED  echo: load: echo: no weights" in result.output


def test_bench_prints_cost_and_the_ratio_to_a_reference(run):
    result = run("models", "bench", "kalman", "echo", "--repeat", "3", "--json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer["question"] == {"context": 512, "horizon": 64, "batch": 1, "repeat": 3}
    assert [item["model"] for item in answer["models"]] == ["kalman", "echo"]
    for item in answer["models"]:
        assert 0 < item["median_s"] <= item["p90_s"]
        assert item["ratio"] == pytest.approx(item["median_s"] / item["reference_median_s"])
        assert item["peak_memory_mb"] > 5
        assert item["start_s"] > 0
        assert item["random_size"] == ""


def test_bench_as_a_table(run):
    output = run("models", "bench", "echo", "--repeat", "3", "--batch", "2").output
    assert output.startswith("model  weights")
    assert "threads: 1 (echo)." in " ".join(output.split())
    assert max(map(len, output.splitlines())) <= 100
    assert "ratio: median to that of numpy.fft.rfft" in output
    assert "random" not in output


def test_long_names_of_weights_stay_telling():
    commit = "772f3d25d38aec6d914c8949dab4462e2d46f5d8"
    assert shortened(f"amazon/chronos-bolt-small@{commit}") == "amazon/chronos-bolt-small@772f3d2"
    path = "/long" * 9 + "/ttm"
    assert shortened(path) == f"...{path[-33:]}"


def test_bench_goes_on_when_a_model_fails(run):
    result = run("models", "bench", "echo", "--checkpoint", "raise", "--repeat", "3")
    assert result.exit_code == 1
    assert "chronotick: echo: " in result.stderr


def test_threads_are_handed_on(run):
    result = run("models", "bench", "echo", "--threads", "2", "--repeat", "3", "--json")
    assert json.loads(result.stdout)["models"][0]["threads"] == 2


def test_threads_are_those_of_the_command_line_then_of_the_model(
    run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CHRONOTICK_WORKERS__OVERRIDES", '{"echo": {"threads": 3}}')
    for given, used in ((), 3), (("--threads", "1"), 1):
        result = run("models", "bench", "echo", "--repeat", "3", "--json", *given)
        assert json.loads(result.stdout)["models"][0]["threads"] == used


def test_what_is_tried_is_what_this_machine_computes(run, monkeypatch: pytest.MonkeyPatch):
    remote = '{"echo": {"address": "tcp://127.0.0.1:9"}}'
    monkeypatch.setenv("CHRONOTICK_WORKERS__REMOTE", remote)
    assert run("models", "check", "echo").exit_code == 0
    assert run("models", "bench", "echo", "--repeat", "3").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "kalmann"], "Did you mean kalman"),
        (["check", "echo", "--tiny", "--checkpoint", "x"], "either --tiny or --checkpoint"),
        (["check", "echo", "--tiny"], "writes no random weights"),
        (["bench", "echo", "--size", "a", "--checkpoint", "x"], "either --size or --checkpoint"),
        (["bench", "echo", "--size", "tiny"], "writes no random weights"),
        (["bench"], "Missing argument"),
        (["tiny", "echo"], "Missing option '--out'"),
        (["tiny", "kalman", "--out", "OUT"], "chronotick: kalman: its plugin writes no random"),
        (["check", "echo", "--checkpoint", "ttm=x"], "'ttm=x': expected echo=WEIGHTS"),
        (["check", "echo", "--checkpoint", "echo="], "expected echo=WEIGHTS"),
    ],
)
def test_what_cannot_be_meant(run, tmp_path: Path, arguments: list[str], words: str):
    result = run("models", *(str(tmp_path / "o") if a == "OUT" else a for a in arguments))
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_tiny_leaves_what_is_there_alone(run, tmp_path: Path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "config.json").write_text("mine")
    result = run("models", "tiny", "echo", "--out", str(tmp_path / "precious"))
    assert result.exit_code == 2
    assert "is not empty. Choose another directory, or --force" in result.stderr
    (tmp_path / "file").write_text("")
    assert (
        "not a directory" in run("models", "tiny", "echo", "--out", str(tmp_path / "file")).stderr
    )


def test_an_environment_that_cannot_be_built_costs_no_results(run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHRONOTICK_WORKERS__BUILD", "false")
    smallest = run("models", "tiny", "ttm", "--list").stdout.split()[0]
    result = run("models", "bench", "ttm", "--size", smallest, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["models"] == []
    assert "chronotick: ttm: " in result.stderr
    assert run("models", "check", "ttm", "--tiny").stderr.startswith("chronotick: ttm: ")


@pytest.mark.environment
@pytest.mark.timeout(600)
class TestChronos:
    """The whole way of a real model: random weights, checks, cost."""

    def test_sizes_are_listed_smallest_first(self, run):
        assert run("models", "tiny", "chronos", "--list").output.splitlines()[0] == "tiny-bolt"

    def test_unknown_size_names_those_there_are(self, run, built, tmp_path: Path):
        result = run("models", "tiny", "chronos", "--out", str(tmp_path / "w"), "--size", "huge")
        assert result.exit_code == 2
        assert "no size 'huge'; the sizes it writes: tiny-bolt" in result.stderr
        assert not (tmp_path / "w").exists()

    def test_tiny_weights_are_imported_checked_and_measured(
        self, run, built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        out = tmp_path / "tiny"
        written = run("models", "tiny", "chronos", "--out", str(out))
        assert written.exit_code == 0
        assert f"chronotick run --models chronos --checkpoint chronos={out}" in written.output
        hub = ("--checkpoint", "chronos=amazon/chronos-bolt-small@0123abc")
        missing = run("models", "check", "chronos", *hub)
        assert "Run, where there is a network: chronotick models pull chronos" in missing.output
        assert run("models", "pull", "chronos", *hub, "--from", str(out)).exit_code == 0
        checked = run("models", "check", "chronos", *hub)
        assert checked.exit_code == 0, checked.output
        measured = run("models", "bench", "chronos", *hub, "--repeat", "3", "--json")
        model = json.loads(measured.stdout)["models"][0]
        assert model["checkpoint"].startswith("amazon/chronos-bolt-small@")
        assert model["parameters"] > 10_000

    def test_bench_of_random_weights_says_so(self, run, built):
        output = run("models", "bench", "chronos", "--size", "tiny-bolt", "--repeat", "3").output
        assert "random, tiny-bolt" in output
        assert "random weights: chronos. Cost is real, forecasts mean nothing." in output
