"""Environments are built once on each machine, before jobs; what cannot be is told by the jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from chronotick.config.schema import Workers
from chronotick.lab.comparing import Stage, compare_traces, nodes
from chronotick.lab.comparing.contestants import Contestant, contestants
from chronotick.lab.comparing.jobs import loaded
from chronotick.lab.comparing.nodes import Nodes, everywhere_of, has_environment, here
from chronotick.lab.traces import Traces
from chronotick.plugin.contract import Environment, ModelSpec
from chronotick.plugin.registry import Plugins

HOUSE = Environment(recipe="house", package="chronotick", python=">=3.10")


class Machines:
    """Three machines that do nothing but write down what they are asked to do."""

    def __init__(self) -> None:
        self.asked: list[Callable[[], Any]] = []

    def __call__(self, work: Callable[[], Any]) -> Mapping[str, Any]:
        self.asked.append(work)
        return dict.fromkeys("abc")

    @property
    def housed(self) -> list[str]:
        """Models whose environments they were asked for."""
        arguments = [argument for work in self.asked for argument in getattr(work, "args", ())]
        return [each.name for each in arguments if isinstance(each, Contestant)]


@pytest.fixture
def housed(
    make_plugins: Callable[..., Plugins], spec_of: Callable[..., ModelSpec]
) -> Callable[..., list[Contestant]]:
    """Contestants, two of which have environments."""
    specs = [
        replace(spec_of(name, "chronotick.plugin.echo:Echo"), environment=HOUSE)
        for name in ("one", "two")
    ]

    def make(**workers: object) -> list[Contestant]:
        plugins = make_plugins(*specs, origin="somebody 1.0")
        return contestants(["one", "two", "echo"], plugins, Workers(build=False, **workers))

    return make


def test_each_environment_is_asked_for_once_on_all_machines(housed):
    machines, told = Machines(), []
    Nodes(machines).synchronise(housed(), lambda *ready: told.append(ready))
    assert machines.housed == ["one", "two"]
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_models_on_servers_and_yardsticks_need_none(housed):
    remote = {"one": {"address": "tcp://somewhere:1234"}}
    assert [e.name for e in housed(remote=remote) if has_environment(e)] == ["two"]


def test_what_cannot_be_built_ends_nothing(housed):
    """``workers.build`` is off: jobs will say so."""
    Nodes(here).synchronise(housed(), lambda *_ready: None)


def test_room_is_shared_by_processes():
    machines = Machines()
    Nodes(machines).make_room(7)
    make_room = machines.asked[-1]
    before = loaded().room
    try:
        make_room()
        assert loaded().room == 3  # of 7 jobs in 3 processes
    finally:
        loaded().room = before


def test_machines_that_are_gone_need_not_be_left():
    def gone(_work: Callable[[], Any]) -> Mapping[str, Any]:
        raise ConnectionError("no node answers")

    Nodes(gone).leave()


def test_jobs_are_done_though_machines_could_not_be_prepared(compare, calm, make_settings):
    """One may be lost at any time."""

    def gone(_work: Callable[[], Any]) -> Mapping[str, Any]:
        raise ConnectionError("a node is lost")

    found = compare_traces(
        ["echo"],
        Traces((calm,), ()),
        make_settings(),
        compare.out,
        plugins=compare.plugins,
        everywhere=gone,
    )
    assert (found.rows["status"] == "ok").all()
    assert [each["reason"] for each in found.problems] == [
        "nodes could not be prepared: ConnectionError: a node is lost"
    ]


def test_only_threads_are_known_to_be_here():
    with ThreadPoolExecutor(1) as threads, ProcessPoolExecutor(1) as processes:
        assert everywhere_of(None) is here
        assert everywhere_of(threads) is here
        assert everywhere_of(processes) is None


def test_only_models_that_are_asked_get_an_environment(
    compare, clocks: Traces, make_settings, monkeypatch: pytest.MonkeyPatch
):
    """A repeated run builds none, whatever became of it meanwhile."""
    monkeypatch.setattr(nodes, "has_environment", lambda each: each.name == "echo")
    stages: list[Stage] = []
    machines = Machines()
    again = partial(
        compare_traces,
        ["echo"],
        Traces(clocks.traces[:1], ()),
        make_settings(),
        compare.out,
        plugins=compare.plugins,
        everywhere=machines,
        watch=stages.append,
    )
    with ThreadPoolExecutor(1) as executor:
        again(executor=executor)
        assert [stage.name for stage in stages].index("environments") < [
            stage.name for stage in stages
        ].index("asked")
        stages.clear()
        again(executor=executor)
    assert machines.housed == ["echo"]
    assert "environments" not in [stage.name for stage in stages]
