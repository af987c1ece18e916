"""Authenticated servers on the virtual network: what scenarios of them rely upon."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chronotick.lab.scenarios import SCENARIOS, Expected, Scenario, run
from chronotick.lab.scenarios.worlds import leg, with_paths, world

NTS, KEYS = SCENARIOS["nts"], SCENARIOS["keys"]
AUTHENTIC = Expected(error_s=10e-3, within_s=20.0, authenticated=True, reasons={98: ".?"})
BY_NTS = SCENARIOS["ntsstripped"].servers


@pytest.mark.parametrize("scenario", [NTS, KEYS], ids=lambda each: each.name)
def test_without_authentication_the_liars_would_be_believed(scenario: Scenario):
    """That the scenario holds is the authentication's doing, and nothing else's."""
    ignoring = {"authentication": "ignore"}
    outcome = run(replace(scenario, ntp=ignoring, events=(), duration_s=60.0))
    assert outcome.outside == outcome.reads > 0
    assert outcome.authenticated == 0


def test_cookies_are_spent_and_refilled_on_the_way_of_a_lossy_network():
    lossy = with_paths(world(), range(4), forward=leg(0.01, 0.0, 0.2), backward=leg(0.01, 0.0, 0.2))
    outcome = run(
        replace(SCENARIOS["packetloss"], world=lossy, servers=BY_NTS, duration_s=600.0), seed=3
    )
    assert outcome.failures == ()
    assert outcome.authenticated == outcome.reads
    assert outcome.key_exchanges == dict.fromkeys(range(4), 1)


def test_the_same_seed_gives_the_same_outcome_with_other_keys():
    short = replace(NTS, duration_s=30.0)
    assert run(short, seed=5) == run(short, seed=5)


def test_where_no_server_is_there_are_no_keys_and_nothing_breaks():
    servers = (*BY_NTS, "nts://192.0.2.99")
    outcome = run(replace(SCENARIOS["calm"], servers=servers, expected=AUTHENTIC, duration_s=60.0))
    assert outcome.failures == ()
    assert outcome.key_exchanges == dict.fromkeys(range(4), 1)
