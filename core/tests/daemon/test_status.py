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
