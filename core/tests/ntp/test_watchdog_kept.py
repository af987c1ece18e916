"""What is kept of the watchdog comes back whole, or is refused."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from chronotick.ntp.watchdog.kept import VERSION, Kept, KeptPool, KeptServer
from chronotick.ntp.watchdog.verdict import Finding, Verdict

ALARM = Finding(
    verdict=Verdict.CONTRADICTS,
    asked=96,
    answered=90,
    mean_ns=-(10**9),
    spread_ns=10**6,
    allowed_ns=10**7,
)
KEPT = Kept(
    pool=KeptPool(
        servers=(KeptServer("192.0.2.1", "0.pool.example.org", 3, 60.5),),
        refused={"192.0.2.9:123": 12.0},
        round=3,
        round_age_s=60.0,
    ),
    alarm=ALARM,
    panic_age_s=5.0,
    names=("0.pool.example.org",),
    size=500,
    vouched=True,
    unix_s=1.8e9,
)


def body() -> dict[str, Any]:
    """As it comes out of the history."""
    told: dict[str, Any] = json.loads(json.dumps(KEPT.as_json()))
    return told


@pytest.mark.parametrize("kept", [KEPT, Kept()])
def test_it_comes_back_as_it_was(kept: Kept):
    assert Kept.from_json(json.loads(json.dumps(kept.as_json()))) == kept


def test_a_thousand_servers_take_little_room():
    server = KeptServer("2001:db8:1111:2222:3333:4444:5555:6666", "0.pool.example.org", 99, 1e6)
    kept = Kept(pool=KeptPool(servers=(server,) * 1000))
    assert len(json.dumps(kept.as_json())) < 200_000


@pytest.mark.parametrize(
    "damage",
    [
        {"version": VERSION + 1},
        {"version": None},
        {"pool": None},
        {"pool": {"servers": [["192.0.2.1"]]}},
        {"alarm": {"verdict": "perhaps"}},
        {"alarm": 7},
        {"names": None},
        {"size": "many"},
        {"unix_s": []},
        {"panic_age_s": "long"},
    ],
)
def test_what_is_of_no_watchdog_is_refused(damage: dict[str, Any]):
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
        Kept.from_json(body() | damage)


@pytest.mark.parametrize("absent", sorted(body()))
def test_nothing_may_be_absent(absent: str):
    rest = {name: value for name, value in body().items() if name != absent}
    with pytest.raises(KeyError):
        Kept.from_json(rest)


def test_a_clock_that_was_set_back_makes_nothing_younger():
    assert Kept(unix_s=time.time() + 3600).elapsed_s() == 0.0
    assert Kept(unix_s=time.time() - 3600).elapsed_s() == pytest.approx(3600, abs=60)
