"""What is saved of the watchdog comes back whole, or is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.watchdog.saved import (
    VERSION,
    Instant,
    SavedPool,
    SavedServer,
    SavedWatch,
    SavedWatchdog,
)
from chronotick.ntp.watchdog.verdict import Finding, Verdict

ALARM = Finding(
    verdict=Verdict.CONTRADICTS,
    asked=96,
    answered=90,
    mean_ns=-(10**9),
    spread_ns=10**6,
    allowed_ns=10**7,
)
SAVED = SavedWatchdog(
    watch=SavedWatch(
        pool=SavedPool(
            servers=(SavedServer("192.0.2.1", "0.pool.example.org", 3, 60.5),),
            refused={"192.0.2.9:123": 12.0},
            round=3,
            round_age_s=60.0,
        ),
        alarm=ALARM,
        alarm_age_s=4.0,
        panic_age_s=5.0,
    ),
    names=("0.pool.example.org",),
    size=500,
    vouched=True,
    at=Instant("one", 7200.0, 1.8e9),
)
REFUSED = (AttributeError, KeyError, TypeError, ValueError)
Path = tuple[str | int, ...]


def body(saved: SavedWatchdog = SAVED) -> dict[str, Any]:
    """As it comes out of the history."""
    told: dict[str, Any] = json.loads(json.dumps(saved.as_json()))
    return told


def places(tree: object, to: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every place in it, and what is there."""
    inner: Iterable[tuple[str | int, object]] = ()
    if isinstance(tree, dict):
        inner = tree.items()
    elif isinstance(tree, list):
        inner = enumerate(tree)
    for key, value in inner:
        yield (*to, key), value
        yield from places(value, (*to, key))


def changed(path: Path, value: object) -> dict[str, Any]:
    tree = place = body()
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return tree


@pytest.mark.parametrize("saved", [SAVED, SavedWatchdog()])
def test_it_comes_back_as_it_was(saved: SavedWatchdog):
    assert SavedWatchdog.from_json(body(saved)) == saved


def test_a_thousand_servers_take_little_room():
    server = SavedServer("2001:db8:1111:2222:3333:4444:5555:6666", "0.pool.example.org", 99, 1e6)
    saved = SavedWatchdog(watch=SavedWatch(pool=SavedPool(servers=(server,) * 1000)))
    assert len(json.dumps(saved.as_json())) < 200_000


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), VERSION + 1),
        (("version",), None),
        (("watch",), None),
        (("watch", "pool"), None),
        (("watch", "pool", "servers"), [["192.0.2.1"]]),
        (("watch", "alarm"), {"verdict": "perhaps"}),
        (("watch", "alarm"), 7),
        (("watch", "alarm", "verdict"), "agrees"),
        (("watch", "panic_age_s"), "long"),
        (("names",), None),
        (("size",), "many"),
        (("at", "unix_s"), []),
    ],
)
def test_what_is_of_no_watchdog_is_refused(path: Path, value: object):
    with pytest.raises(REFUSED):
        SavedWatchdog.from_json(changed(path, value))


NUMBERS = [
    path
    for path, value in places(body())
    if type(value) in {int, float} and path[-1] not in {"version", "mean_ns"}
]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, 10**400])
@pytest.mark.parametrize("path", NUMBERS)
def test_a_number_that_no_watchdog_has_is_refused(path: Path, value: float):
    """An age of NaN is neither more nor less than an hour: there would be no panic ever again."""
    with pytest.raises(ValueError, match="a number that is not from 0 to"):
        SavedWatchdog.from_json(changed(path, value))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([path for path, _ in places(body())]), ANY_JSON)
def test_whatever_is_in_its_place_it_is_refused_or_of_use(path: Path, value: object):
    try:
        saved = SavedWatchdog.from_json(changed(path, value))
    except REFUSED:
        return
    text = json.dumps(saved.as_json(), allow_nan=False)
    assert SavedWatchdog.from_json(json.loads(text)) == saved


@pytest.mark.parametrize("absent", sorted(body()))
def test_nothing_may_be_absent(absent: str):
    rest = {name: value for name, value in body().items() if name != absent}
    with pytest.raises(KeyError):
        SavedWatchdog.from_json(rest)


def test_whoever_sets_the_system_clock_makes_nothing_older_nor_younger_within_a_boot():
    for step_s in (-1e6, 0.0, 1e6):
        assert Instant("one", 7260.0, 1.8e9 + step_s).since_s(SAVED.at) == 60.0


def test_from_boot_to_boot_the_system_clock_counts_but_makes_nothing_younger():
    assert Instant("two", 5.0, 1.8e9 + 3600.0).since_s(SAVED.at) == 3600.0
    assert Instant("two", 9e9, 1.8e9 - 3600.0).since_s(SAVED.at) == 0.0
