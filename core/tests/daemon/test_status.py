from __future__ import annotations

import dataclasses

import pytest

from chronotick.daemon.status import Facts, StateMachine, Transition
from chronotick.shm.layout import Status

NOTHING = Facts(
    has_time=False,
    warm_up_over=False,
    measurements=0,
    believed=0,
    silent_s=float("inf"),
    patience_s=48.0,
)
WARMING = dataclasses.replace(NOTHING, has_time=True, measurements=1, believed=1, silent_s=0.1)
GOOD = dataclasses.replace(WARMING, warm_up_over=True, measurements=10)
SILENT = dataclasses.replace(GOOD, silent_s=100.0)
DISBELIEVED = dataclasses.replace(GOOD, believed=0)


def machine(status: Status = Status.UNKNOWN) -> tuple[StateMachine, list[Transition]]:
    seen: list[Transition] = []
    m = StateMachine(seen.append)
    m.status = status
    return m, seen


@pytest.mark.parametrize(
    ("before", "facts", "after"),
    [
        (Status.UNKNOWN, NOTHING, Status.UNKNOWN),
        (Status.UNKNOWN, WARMING, Status.WARMING_UP),
        (Status.WARMING_UP, WARMING, Status.WARMING_UP),
        (Status.WARMING_UP, dataclasses.replace(GOOD, measurements=3), Status.WARMING_UP),
        (Status.WARMING_UP, dataclasses.replace(GOOD, warm_up_over=False), Status.WARMING_UP),
        (Status.WARMING_UP, DISBELIEVED, Status.WARMING_UP),
        (Status.WARMING_UP, GOOD, Status.SYNCHRONISED),
        (Status.SYNCHRONISED, GOOD, Status.SYNCHRONISED),
        (Status.SYNCHRONISED, SILENT, Status.HOLDOVER),
        (Status.SYNCHRONISED, DISBELIEVED, Status.HOLDOVER),
        (Status.HOLDOVER, SILENT, Status.HOLDOVER),
        (Status.HOLDOVER, GOOD, Status.SYNCHRONISED),
        (Status.DISRUPTED, NOTHING, Status.DISRUPTED),
        (Status.DISRUPTED, WARMING, Status.WARMING_UP),
        (Status.SYNCHRONISED, NOTHING, Status.UNKNOWN),
    ],
)
def test_facts_decide_the_state(before, facts, after):
    m, _ = machine(before)
    assert m.judge(0, facts) is after


def test_each_change_is_told_once_with_its_reason():
    m, seen = machine()
    for facts in (WARMING, WARMING, GOOD, GOOD, SILENT, SILENT, GOOD):
        m.judge(7, facts)
    assert [(t.before.name, t.after.name) for t in seen] == [
        ("UNKNOWN", "WARMING_UP"),
        ("WARMING_UP", "SYNCHRONISED"),
        ("SYNCHRONISED", "HOLDOVER"),
        ("HOLDOVER", "SYNCHRONISED"),
    ]
    assert seen[2].reason == "no measurement for 100 s"
    assert all(t.reason and t.raw_ns == 7 for t in seen)
    assert m.counts["synchronised"] == 2


def test_what_overrules_the_sources_is_made_known_and_its_end_as_well():
    m, seen = machine(Status.SYNCHRONISED)
    for why in ("nobody trusts it", "nobody trusts it", "", ""):
        m.overrule(9, why)
    assert [(t.before.name, t.after.name, t.reason) for t in seen] == [
        ("SYNCHRONISED", "DISRUPTED", "nobody trusts it"),
        ("DISRUPTED", "SYNCHRONISED", "no longer: nobody trusts it"),
    ]
    assert (m.counts, m.since_raw_ns) == ({"disrupted": 1, "synchronised": 1}, 9)


def test_the_sources_go_on_unseen_while_they_are_overruled():
    m, seen = machine(Status.SYNCHRONISED)
    m.overrule(1, "nobody trusts it")
    assert m.judge(2, SILENT) is Status.HOLDOVER
    assert (m.told, m.reason) == (Status.DISRUPTED, "nobody trusts it")
    m.overrule(3, "")
    assert (m.told, m.reason[:14]) == (Status.HOLDOVER, "no measurement")
    assert [t.after for t in seen] == [Status.DISRUPTED, Status.HOLDOVER]


def test_overruling_a_disrupted_clock_changes_nothing_that_readers_see():
    m, seen = machine(Status.DISRUPTED)
    m.overrule(1, "nobody trusts it")
    m.overrule(2, "")
    assert seen == []
