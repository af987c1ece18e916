"""Weights are part of who is compared: they are known before anything is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chronotick.hub.testing import FakeHub, running_hub, tensors_file
from chronotick.lab.comparing.reproducing import command_of
from chronotick.lab.traces import Trace
from chronotick.plugin.contract import Checkpoint, ModelSpec
from chronotick.plugin.registry import Plugins

WEIGHTY = """
from dataclasses import replace

from chronotick.plugin.echo import Echo
from chronotick.plugin.weights import locate


class Weighty(Echo):
    def load(self, checkpoint, device, threads):
        found = locate(checkpoint, "weighty")
        return replace(super().load("", device, threads), checkpoint=found.name)
"""
FILES = {"config.json": b"{}", "model.safetensors": tensors_file({"w": 4})}


@pytest.fixture
def weighty(
    tmp_path: Path,
    make_plugins: Callable[..., Plugins],
    spec_of: Callable[..., ModelSpec],
    monkeypatch: pytest.MonkeyPatch,
) -> Plugins:
    """A model whose weights are ``org/name`` on a hub, and a cache that is empty."""
    for name in ("HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    (tmp_path / "weighty.py").write_text(WEIGHTY)
    monkeypatch.syspath_prepend(str(tmp_path))
    weights = Checkpoint(repository="org/name", licence="Apache-2.0")
    return make_plugins(spec_of("weighty", "weighty:Weighty", checkpoint=weights))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


def test_weights_that_are_nowhere_are_named_with_what_brings_them(
    compare, calm: Trace, weighty: Plugins, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    compare.plugins = weighty
    rows = compare("weighty", calm).rows
    status = rows.loc[rows["model"] == "weighty", "status"]
    assert status.str.contains("does not hold org/name@main").all()
    assert status.str.contains("chronotick models pull weighty").all()


def test_weights_that_a_run_downloads_are_those_of_the_next(
    compare, calm: Trace, weighty: Plugins, hub: FakeHub
):
    """They were unknown when jobs got their names, so that the next run computed all again."""
    commit = hub.publish("org/name", FILES)
    compare.plugins = weighty
    first = compare("weighty", calm)
    before = compare.stamps()
    assert first.models["weighty"]["weights"] == f"org/name@{commit}"
    assert (first.rows["status"] == "ok").all()
    compare("weighty", calm)
    assert compare.stamps() == before
    row = first.rows[first.rows["model"] == "weighty"].iloc[0]
    assert f"weighty=org/name@{commit}" in command_of(first, row)


def test_new_weights_under_an_old_name_are_another_model(
    compare, calm: Trace, weighty: Plugins, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
):
    """The main branch moves on: what counts is the commit that is in the cache."""
    compare.plugins = weighty
    hub.publish("org/name", FILES)
    compare("weighty", calm)
    before = compare.stamps()
    monkeypatch.setenv("HF_HOME", str(compare.out / "other-cache"))
    hub.publish("org/name", FILES | {"config.json": b'{"changed": true}'})
    compare("weighty", calm)
    after = compare.stamps()
    assert {name.partition("/")[0] for name in after.keys() - before.keys()} == {"weighty"}
