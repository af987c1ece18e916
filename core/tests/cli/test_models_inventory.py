"""``models list`` and ``models info``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chronotick.hub import entry, import_directory
from chronotick.hub.testing import tensors_file


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    directory = tmp_path / "stick"
    directory.mkdir()
    (directory / "config.json").write_text("{}")
    (directory / "model.safetensors").write_bytes(tensors_file({"a": 500_000}))
    return directory


def row(output: str, model: str) -> list[str]:
    line = next(line for line in output.splitlines() if line.startswith(f"{model} "))
    return [cell.strip() for cell in line.split("  ") if cell]


def prose(output: str) -> str:
    """What was said, however it was wrapped."""
    return " ".join(output.split())


def test_missing_weights_are_named_with_place_and_command(run, carried, tmp_path: Path):
    carried()
    output = run("models", "list").output
    assert row(output, "carried") == [
        "carried",
        "process",
        "-",
        "missing 0.2 MB",
        "Apache-2.0",
    ]
    assert (
        f"carried: weights: the cache {tmp_path}/hf/hub does not hold org/name@v1. Run, where "
        "there is a network: chronotick models pull carried; or give a directory: --checkpoint "
        "carried=DIR"
    ) in prose(output)


def test_it_fits_a_hundred_columns(run, carried, daemon: dict[str, Any]):
    carried()
    daemon["carried"] = {"state": "building", "latency_median_ms": 1234.5, "memory_mb": 12345.6}
    output = run("models", "list").output
    table = output.partition("\n\n")[0]
    assert "building" in table
    assert max(map(len, table.splitlines())) <= 100


def test_cached_weights_have_a_size_and_are_not_missed(run, carried, weights: Path):
    carried()
    import_directory(weights, "org/name", "v1")
    output = run("models", "list").output
    assert "cached 2 MB" in row(output, "carried")
    assert "carried: weights" not in output
    facts = json.loads(run("models", "info", "carried", "--json").output)
    assert facts["weights"]["state"] == "cached"
    assert facts["weights"]["imported_from"] == str(weights)
    assert facts["weights"]["name"] == f"org/name@{entry('org/name').commit('v1')}"


def test_configured_directory_counts(
    run, carried, weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    carried()
    config = tmp_path / "c.yaml"
    config.write_text(f"workers: {{checkpoints: {{carried: {weights}}}}}\n")
    output = prose(run("models", "info", "carried", "--config", str(config)).output)
    assert f"directory 2 MB: {weights} (chosen in workers.checkpoints)" in output
    (weights / "config.json").unlink()
    output = prose(run("models", "info", "carried", "--config", str(config)).output)
    assert f"missing: {weights} lacks config.json" in output
    (weights / "config.json").write_text("{}")
    (weights / "model.safetensors").write_bytes(b"cut")
    output = prose(run("models", "info", "carried", "--config", str(config)).output)
    assert f"{weights / 'model.safetensors'} is damaged: " in output


def test_a_running_daemon_tells_state_latency_memory_and_error(
    run, carried, daemon: dict[str, Any]
):
    carried()
    daemon["carried"] = {
        "state": "broken",
        "latency_median_ms": 41.2,
        "memory_mb": 567.8,
        "last_error": "out of memory",
    }
    output = run("models", "list").output
    assert {"broken", "41.2 ms", "568 MiB"} <= {*row(output, "carried")}
    assert "not used" in row(output, "echo")
    assert "carried: last error: out of memory" in output
    facts = json.loads(run("models", "info", "carried", "--json").output)
    assert facts["daemon"]["memory_mb"] == 567.8
    assert "broken, median latency 41.2 ms" in prose(run("models", "info", "carried").output)


def test_what_the_daemon_has_loaded_needs_no_advice(run, carried, daemon: dict[str, Any]):
    carried()
    ready = {"state": "ready", "answers": 3, "last_error": "out of memory"}
    daemon["carried"] = ready | {"checkpoint": "/srv/weights/tuned"}
    daemon["ttm"] = ready | {"checkpoint": f"org/name@{'a' * 40}"}
    output = run("models", "list").output
    assert "in use: tuned" in row(output, "carried")
    assert row(output, "ttm")[2:4] == ["in use", "in use"]
    assert "carried:" not in output
    assert "ttm:" not in output
    info = prose(run("models", "info", "carried").output)
    assert "weights in use: tuned" in info
    assert "missing" not in info
    assert "last error" not in info


def test_a_model_that_never_answered_keeps_its_error(run, carried, daemon: dict[str, Any]):
    carried()
    daemon["carried"] = {"state": "ready", "answers": 0, "last_error": "TypeError: no"}
    assert "carried: last error: TypeError: no" in run("models", "list").output


def test_without_a_daemon_nothing_is_said_of_one(run, carried):
    carried()
    assert "latency" not in run("models", "list").output
    assert "state" not in run("models", "info", "carried").output


def test_licences_that_forbid_commercial_use_stand_out(run, carried):
    carried("CC-BY-NC-4.0")
    assert "carried: weights: CC-BY-NC-4.0: NOT for commercial use" in run("models", "list").output
    info = run("models", "info", "carried")
    assert "org/name@v1, CC-BY-NC-4.0: NOT for commercial use, 0.2 MB" in prose(info.output)
    facts = json.loads(run("models", "info", "carried", "--json").output)
    assert facts["weights"]["non_commercial"] is True


def test_info_has_everything_a_specification_says(run, carried):
    carried()
    output = prose(run("models", "info", "carried").output)
    for words in (
        "carried: Weights to carry about",
        "chronotick-carried 2.5 - For tests",
        "code licence MIT",
        "context 1 to 1000 samples",
        "horizon up to 1024 steps",
        "output quantiles",
        "covariates temperature",
        "trained on m4, weather",
        "default weights org/name@v1, Apache-2.0, 0.2 MB",
        "alternative org/large, CC-BY-NC-4.0: NOT for commercial use",
        "weights missing: the cache",
        "the daemon's interpreter",
    ):
        assert words in output, words


def test_info_of_a_model_without_weights(run):
    output = prose(run("models", "info", "kalman").output)
    assert "default weights none needed" in output
    assert "runs in daemon" in output


def test_unknown_model_names_the_near_ones(run):
    result = run("models", "info", "kalmann")
    assert result.exit_code == 2
    assert "Did you mean kalman" in result.output


def test_environment_that_is_not_built_names_the_command(run, monkeypatch: pytest.MonkeyPatch):
    listed = json.loads(run("models", "list", "--json").output)["models"]
    unbuilt = {
        name: model["environment"]
        for name, model in listed.items()
        if model["environment"]["state"] == "not built"
    }
    assert unbuilt, "first-party plugins have environments, and this data directory is empty"
    for name, environment in unbuilt.items():
        assert environment["problem"] == f"not built. Run: chronotick envs sync {name}"
        assert environment["recipe"] in environment["directory"]


def test_broken_plugins_stand_below(run, carried, tmp_path: Path):
    carried()
    (tmp_path / "site" / "carried_plugin.py").write_text("import torchh\n")
    result = run("models", "list")
    assert result.exit_code == 0
    assert "left out: carried: ModuleNotFoundError" in prose(result.output)
    listed = json.loads(run("models", "list", "--json").stdout)
    assert [problem["name"] for problem in listed["problems"]] == ["carried"]


def test_lock_that_is_missing_is_the_plugins_fault(
    run: Callable[..., Any], carried, tmp_path: Path
):
    carried()
    module = tmp_path / "site" / "carried_plugin.py"
    source = module.read_text()
    environment = 'Environment(recipe="gone", package="json", python=">=3.10")'
    source = source.replace("Checkpoint, ModelSpec", "Checkpoint, Environment, ModelSpec")
    module.write_text(
        source.replace('output="quantiles"', f'output="point", environment={environment}')
    )
    output = prose(run("models", "list").output)
    assert "no lock" in output
    assert "package json holds no gone.lock" in output


def test_a_model_of_another_machine_misses_nothing(
    run, carried, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    carried()
    remote = '{"carried": {"address": "tcp://gpu-host:7411"}}'
    monkeypatch.setenv("CHRONOTICK_WORKERS__REMOTE", remote)
    output = run("models", "list").output
    assert row(output, "carried")[:4] == ["carried", "remote", "-", "-"]
    assert "carried: computed by tcp://gpu-host:7411" in prose(output)
    assert "chronotick models pull carried" not in prose(output)
    facts = json.loads(run("models", "info", "carried", "--json").output)
    assert facts["server"] == "tcp://gpu-host:7411"
    assert facts["weights"]["state"] == facts["environment"]["state"] == "remote"
    assert "missing" not in run("models", "info", "carried").output
