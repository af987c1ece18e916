"""What scenarios check, they find: outcomes made of readings that are wrong in one way each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chronotick.daemon.status import Transition
from chronotick.lab.scenarios.outcome import Lived, Outcome
from chronotick.lab.scenarios.scenario import Expected, Scenario
from chronotick.lab.scenarios.watching import Reading
from chronotick.lab.scenarios.worlds import world
from chronotick.ntp import Reason, SourceReport
from chronotick.shm.layout import Status

MS = 1_000_000
SECOND = 1_000_000_000
STATUSES = (Status.WARMING_UP, Status.SYNCHRONISED)
EXPECTED = Expected(error_s=1e-3, within_s=5.0, reasons={0: "*+"})
SCENARIO = Scenario(
    name="made-up",
    happens="nothing",
    asserts="all is well",
    world=world(),
    expected=EXPECTED,
    duration_s=100.0,
)


def reading(
    at_s: float, error_ns: int = 0, epoch: int = 0, *, authenticated: bool = False
) -> Reading:
    return Reading(
        at_s=at_s,
        status=Status.SYNCHRONISED,
        estimate_ns=round(at_s * SECOND) + error_ns,
        error_ns=error_ns,
        bound_ns=10 * MS,
        epoch=epoch,
        authenticated=authenticated,
    )


def lived(*readings: Reading, statuses: tuple[Status, ...] = STATUSES, letter: str = "*") -> Lived:
    transitions = [
        Transition(raw_ns=0, before=Status.UNKNOWN, after=status, reason="") for status in statuses
    ]
    source = SourceReport(
        id="192.0.2.1:123",
        name="192.0.2.1",
        address="192.0.2.1",
        reason=Reason(letter),
        drops={"nts-refused": 1},
    )
    return Lived(
        readings=readings or [reading(float(at_s)) for at_s in range(4, 100)],
        transitions=transitions,
        sources=[source],
        system_steps=0,
        key_exchanges={0: 1},
        warnings={},
    )


def failures(seen: Lived, scenario: Scenario = SCENARIO) -> str:
    return "; ".join(Outcome.of(scenario, 0, seen).failures)


def test_nothing_is_found_where_all_is_well():
    assert failures(lived()) == ""


def test_a_true_time_outside_the_bound_is_found():
    found = failures(lived(reading(4.0, 11 * MS), reading(9.0), reading(10.0)))
    assert "true time was outside the bound in 1 readings: first at 4 s (error +11.000 ms" in found


def test_outside_the_bound_is_allowed_where_its_assumptions_do_not_hold():
    blind = replace(SCENARIO, expected=replace(EXPECTED, blind_s=((3.0, 5.0),)))
    seen = lived(reading(4.0, 11 * MS), reading(5.0))
    assert failures(seen, blind) == ""
    assert "outside" in failures(lived(reading(5.0, 11 * MS)), blind)


def test_a_time_where_there_must_be_none_is_found():
    silent = replace(SCENARIO, expected=replace(EXPECTED, silent_s=((5.0, 9.0),)))
    assert failures(lived(), silent) == "time was served where there must be none, first at 5 s"
    assert failures(lived(reading(4.0), reading(9.0)), silent) == ""


def test_a_mistake_of_the_daemon_that_it_survives_is_found():
    said = "polling 192.0.2.1:123 failed: a mistake in ChronoTick. Again in 1 s"
    assert failures(replace(lived(), warnings={said: 1, "192.0.2.1:123: replaced": 1})) == said


def test_a_step_back_within_an_epoch_is_found():
    back = replace(reading(5.0), estimate_ns=reading(4.0).estimate_ns - 1)
    assert "stepped back 1 times within an epoch" in failures(lived(reading(4.0), back))


def test_a_step_that_was_not_expected_is_found():
    seen = lived(reading(4.0), reading(5.0, epoch=1))
    assert failures(seen) == "served time was stepped 1 times, not 0"
    assert failures(seen, replace(SCENARIO, expected=replace(EXPECTED, epochs=1))) == ""


def test_other_statuses_are_found():
    seen = lived(statuses=(*STATUSES, Status.DISRUPTED))
    assert "went through warming-up > synchronised > disrupted, not" in failures(seen)


def test_holdovers_in_a_row_count_as_one():
    held = (Status.HOLDOVER, Status.SYNCHRONISED)
    expecting = replace(SCENARIO, expected=replace(EXPECTED, statuses=(*STATUSES, *held)))
    assert failures(lived(statuses=(*STATUSES, *held, *held, *held)), expecting) == ""
    assert "went through" in failures(lived(), expecting)


@pytest.mark.parametrize(
    ("readings", "found"),
    [
        ((reading(9.0),), "only 9 s after the disturbance, not 5 s"),
        ((reading(4.0, 2 * MS), reading(7.0)), "only 7 s after the disturbance"),
        ((reading(4.0), reading(7.0, 2 * MS)), "not synchronised within 1 ms of true time at the"),
        ((Reading(at_s=4.0, status=Status.UNKNOWN),), "no time was ever served"),
    ],
)
def test_a_late_recovery_is_found(readings: tuple[Reading, ...], found: str):
    assert found in failures(lived(*readings))


def test_a_letter_that_was_not_expected_is_found():
    assert failures(lived(letter="x")) == "server 0 ended with the letter x, not * or +"


def test_a_time_that_is_not_authenticated_is_found():
    wanted = replace(SCENARIO, expected=replace(EXPECTED, authenticated=True))
    genuine = reading(4.0, authenticated=True)
    assert failures(lived(genuine), wanted) == ""
    assert failures(lived(genuine, reading(5.0)), wanted) == "1 of 2 times were not authenticated"


def test_other_key_exchanges_are_found():
    assert (
        failures(lived(), replace(SCENARIO, expected=replace(EXPECTED, key_exchanges={0: 1}))) == ""
    )
    others = replace(SCENARIO, expected=replace(EXPECTED, key_exchanges={0: 2, 1: 1}))
    found = "server 0 did 1 key exchanges, not 2; server 1 did 0 key exchanges, not 1"
    assert failures(lived(), others) == found


def test_that_nothing_was_dropped_is_found():
    dropped = {0: "nts-refused"}
    assert failures(lived(), replace(SCENARIO, expected=replace(EXPECTED, dropped=dropped))) == ""
    dropped = {0: "forged", 1: "forged"}
    found = failures(lived(), replace(SCENARIO, expected=replace(EXPECTED, dropped=dropped)))
    assert found.split("; ") == [f"nothing of server {n} was dropped as forged" for n in dropped]


def test_a_scenario_that_ends_before_it_is_over_is_refused():
    with pytest.raises(ValueError, match="over_s must lie between"):
        replace(SCENARIO, over_s=100.0)
