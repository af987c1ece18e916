"""``models pull`` and ``models remove``, against a hub on loopback."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chronotick.hub import cache_directory, entry
from chronotick.hub.testing import FakeHub, tensors_file

FILES = {
    "config.json": b"{}",
    "model.safetensors": tensors_file({"a": 50_000}),
    "pytorch_model.bin": b"\x80",
}


@pytest.fixture
def published(hub: FakeHub) -> str:
    """Commit of ``org/name@v1`` on the hub."""
    return hub.publish("org/name", FILES, tags=("v1",))


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    directory = tmp_path / "stick"
    directory.mkdir()
    for name, content in FILES.items():
        (directory / name).write_bytes(content)
    return directory


def prose(output: str) -> str:
    """What was said, however it was wrapped."""
    return " ".join(output.split())


def test_pull_shows_licence_and_size_and_brings_the_pinned_revision(run, carried, published: str):
    carried()
    result = run("models", "pull", "carried")
    assert result.exit_code == 0
    assert f"weights  org/name@{published}" in result.stderr
    assert "licence  Apache-2.0\n" in result.stderr
    assert f"size     0.2 MB in 2 files, into {cache_directory()}" in result.stderr
    assert "100 % of 0.2 MB" in result.stderr
    place = entry("org/name").snapshot("v1")
    assert result.stdout == f"carried: downloaded: org/name@v1, 0.2 MB, in {place}\n"
    assert "weights cached 0.2 MB" in prose(run("models", "info", "carried").output)


def test_pull_again_asks_nobody(run, carried, hub: FakeHub, published: str):
    carried()
    run("models", "pull", "carried")
    before = len(hub.requests)
    result = run("models", "pull", "carried", "--json")
    assert json.loads(result.stdout)["how"] == "already there"
    assert len(hub.requests) == before


def test_pull_mends_what_was_damaged(run, carried, published: str):
    carried()
    run("models", "pull", "carried")
    place = entry("org/name").snapshot("v1")
    assert place is not None
    (place / "model.safetensors").write_bytes(bytes(len(FILES["model.safetensors"])))
    result = run("models", "pull", "carried")
    assert f"damaged: model.safetensors in {place}" in prose(result.stderr)
    assert "carried: downloaded" in result.stdout
    assert (place / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_json_is_all_there_is_on_standard_output(run, carried, published: str):
    carried()
    answer = json.loads(run("models", "pull", "carried", "--json").stdout)
    assert answer["commit"] == published
    assert answer["directory"] == str(entry("org/name").snapshot("v1"))
    assert answer["size_bytes"] == sum(len(FILES[n]) for n in ("config.json", "model.safetensors"))


@pytest.mark.parametrize("licence", ["cc-by-nc-4.0", "other", ""])
def test_licences_that_are_not_open_need_a_yes(run, carried, hub: FakeHub, licence: str):
    carried(licence or "custom")
    hub.publish("org/name", FILES, licence=licence, tags=("v1",))
    result = run("models", "pull", "carried")
    assert result.exit_code == 1
    assert "must be accepted. If you do, add --yes" in result.stderr
    assert ("NOT for commercial use" in result.stderr) == ("nc" in licence)
    assert hub.bodies() == []
    assert run("models", "pull", "carried", "--yes").exit_code == 0


def test_hub_and_plugin_that_disagree_are_both_quoted(run, carried, hub: FakeHub):
    carried("Apache-2.0")
    hub.publish("org/name", FILES, licence="cc-by-nc-4.0", tags=("v1",))
    result = run("models", "pull", "carried")
    assert result.exit_code == 1
    assert "cc-by-nc-4.0 says the hub, Apache-2.0 says the plugin" in result.stderr


def test_other_weights_by_their_name(run, carried, hub: FakeHub):
    carried()
    hub.publish("org/other", FILES)
    result = run("models", "pull", "carried", "--checkpoint", "org/other")
    assert result.exit_code == 0
    assert entry("org/other").snapshot(None) is not None


def test_a_directory_in_place_of_other_weights_names_the_whole_command(
    run, carried, published: str, stick: Path
):
    carried()
    run("models", "pull", "carried")
    (stick / "model.safetensors").write_bytes(tensors_file({"b": 70_000}))
    result = run("models", "pull", "carried", "--from", str(stick))
    assert result.exit_code == 1
    command = "chronotick models remove carried --checkpoint org/name@v1"
    assert f"Remove them first: {command}\n" in result.stderr
    assert run(*command.split()[1:], "--yes").exit_code == 0
    assert run("models", "pull", "carried", "--from", str(stick)).exit_code == 0


def test_pull_takes_the_name_of_the_model_too(run, carried, hub: FakeHub):
    carried()
    hub.publish("org/other", FILES)
    assert run("models", "pull", "carried", "--checkpoint", "carried=org/other").exit_code == 0
    assert entry("org/other").snapshot(None) is not None


def test_at_a_terminal_it_asks(carried, published: str, tmp_path: Path):
    carried()
    assert at_a_terminal("n\n", tmp_path) == 1
    assert entry("org/name").snapshot("v1") is None
    assert at_a_terminal("y\n", tmp_path) == 0
    assert entry("org/name").snapshot("v1") is not None


def at_a_terminal(answer: str, tmp_path: Path) -> int:
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-m", "chronotick", "models", "pull", "carried"]
    try:
        done = subprocess.run(
            command, stdin=theirs, capture_output=True, env=environment, check=False
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"download?" in done.stderr
    return done.returncode


def test_no_network_says_how_to_do_without(run, carried, monkeypatch: pytest.MonkeyPatch):
    carried()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # discard: nobody listens
    result = run("models", "pull", "carried")
    assert result.exit_code == 1
    assert "http://127.0.0.1:9 cannot be reached" in result.stderr
    assert "models pull carried --checkpoint org/name@v1 --from DIR" in result.stderr


def test_offline_is_respected(run, carried, hub: FakeHub, monkeypatch: pytest.MonkeyPatch):
    carried()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = run("models", "pull", "carried")
    assert result.exit_code == 1
    assert "does not hold org/name@v1, and HF_HUB_OFFLINE forbids a download" in result.stderr
    assert hub.requests == []


def test_import_is_found_as_the_pinned_revision(run, carried, stick: Path):
    carried()
    result = run("models", "pull", "carried", "--from", str(stick))
    assert result.exit_code == 0
    assert "left out pytorch_model.bin: a pickle, which runs code" in result.stderr
    assert "2 files linked, 0 copied" in result.stdout
    assert "weights cached 0.2 MB" in prose(run("models", "info", "carried").output)
    assert "already there" in run("models", "pull", "carried", "--from", str(stick)).stdout
    assert f"imported from {stick}" in prose(run("models", "info", "carried").output)


def test_import_of_nothing_usable(run, carried, stick: Path):
    carried()
    (stick / "model.safetensors").unlink()
    result = run("models", "pull", "carried", "--from", str(stick))
    assert result.exit_code == 1
    assert "lacks model.safetensors. It holds pytorch_model.bin: pickles run code" in result.stderr


@pytest.mark.parametrize("command", ["pull", "remove"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["kalman"], "kalman has no weights"),
        (["kalmann"], "Did you mean kalman"),
        (["carried", "--checkpoint", "nonsense"], "neither a directory nor a hub id"),
        (["carried", "--checkpoint", "/nowhere"], "directory /nowhere, not on the hub"),
    ],
)
def test_what_cannot_be_meant(run, carried, command: str, arguments: list[str], words: str):
    carried()
    result = run("models", command, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_remove_frees_the_disk(run, carried, published: str):
    carried()
    run("models", "pull", "carried")
    result = run("models", "remove", "carried", "--yes", "--json")
    assert json.loads(result.stdout)["freed_bytes"] >= len(FILES["model.safetensors"])
    assert not entry("org/name").path.exists()
    again = run("models", "remove", "carried", "--yes")
    assert again.exit_code == 1
    assert "holds no org/name@v1" in again.stderr


def test_remove_asks_first(run, carried, published: str):
    carried()
    run("models", "pull", "carried")
    result = run("models", "remove", "carried")
    assert result.exit_code == 1
    assert "remove org/name@v1" in result.output
    assert entry("org/name").snapshot("v1") is not None


@pytest.mark.parametrize(
    "report",
    [
        {"carried": {"state": "ready", "checkpoint": "org/name@abc"}},
        {"carried": {"state": "loading", "checkpoint": None}},
        {"another": {"state": "ready", "checkpoint": "org/name@abc"}},
    ],
)
def test_weights_in_use_stay(
    run, carried, published: str, daemon: dict[str, Any], report: dict[str, Any]
):
    carried()
    run("models", "pull", "carried")
    daemon.update(report)
    result = run("models", "remove", "carried", "--yes")
    assert result.exit_code == 1
    assert "is used by model" in result.stderr
    assert entry("org/name").snapshot("v1") is not None


def test_weights_a_daemon_does_not_use_can_go(run, carried, published: str, daemon: dict[str, Any]):
    carried()
    run("models", "pull", "carried")
    daemon["carried"] = {"state": "ready", "checkpoint": "/a/directory"}
    assert run("models", "remove", "carried", "--yes").exit_code == 0


@pytest.fixture
def shipped(run, carried, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let ``carried`` come with its weights; returns their directory."""
    carried()
    monkeypatch.setenv("CHRONOTICK_WORKERS__CHECKPOINTS", '{"carried": "pack_of_weights:clocks"}')
    package = tmp_path / "site" / "pack_of_weights"
    directory = package / "weights" / "clocks"
    directory.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name, content in FILES.items():
        (directory / name).write_bytes(content)
    card = "---\nlicense: apache-2.0\n---\n\n# Clocks\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    (directory / "README.md").write_text(card)
    return directory


def test_weights_that_come_with_the_plugin_are_shown_with_their_card(run, shipped: Path):
    output = run("models", "info", "carried").output
    assert (
        f"shipped 0.2 MB: pack_of_weights:clocks (chosen in workers.checkpoints), in {shipped}"
        in (prose(output))
    )
    assert output.endswith("\n\n# Clocks\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    weights = json.loads(run("models", "info", "carried", "--json").output)["weights"]
    assert weights["state"] == "shipped"
    assert weights["name"] == "pack_of_weights:clocks"
    assert weights["card"].startswith("# Clocks")
    assert "shipped 0.2 MB" in run("models", "list").output


def test_weights_that_come_with_the_plugin_need_no_pull_and_cannot_be_removed(
    run, shipped: Path, stick: Path
):
    result = run("models", "pull", "carried")
    assert result.exit_code == 0
    assert result.stdout == (
        f"carried: pack_of_weights:clocks comes with the plugin, in {shipped}: nothing to pull\n"
    )
    assert json.loads(run("models", "pull", "carried", "--json").output)["how"] == "shipped"
    result = run("models", "pull", "carried", "--from", str(stick))
    assert result.exit_code == 2
    assert f"--checkpoint carried={stick}" in prose(result.stderr)
    result = run("models", "remove", "carried", "--yes")
    assert result.exit_code == 2
    assert "comes with the plugin, and goes with it" in prose(result.stderr)
    (shipped / "model.safetensors").write_bytes(b"cut")
    result = run("models", "pull", "carried")
    assert result.exit_code == 1
    assert "is damaged" in prose(result.stderr)
    assert "pip install" in prose(result.stderr)
