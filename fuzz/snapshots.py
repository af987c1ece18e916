"""What a daemon goes on from after a restart: real saved states, changed in a few places.

The input names the state (clock, scores, standing, watchdog) and changes: steps into the tree, and
a value.
"""

from __future__ import annotations

import copy
import functools
import json
import math
from typing import Any

from chronotick.config.schema import Config
from chronotick.daemon.memory import Standing
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.fusion import Skill
from chronotick.ntp.measurement import Measurement, Stamps
from chronotick.ntp.watchdog.saved import SavedPool, SavedServer, SavedWatch, SavedWatchdog
from chronotick.ntp.watchdog.verdict import Finding, Verdict
from chronotick.shm.layout import Status
from fuzz.oracle import require
from fuzz.taking import Taking

SECOND = 1_000_000_000
_BASE_NS = 18 * 10**17
_COUNT = 12
_MOST_CHANGES = 3
_MOST_STEPS = 6
_STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**63, -(2**80), 10**400, 0.0, -1.5, 1e-320, 1e300),
    *(math.inf, -math.inf, math.nan, "", "a", "AAAA", "////////", [], [0], {}, {"a": 1}),
)
_DAMAGED = (ValueError, KeyError, TypeError, OverflowError)


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Take up a state.

    Raises:
        Finding: it was taken up, but says what no clock can, or was refused and changed something.
    """
    taking = Taking(data)
    name = taking.one_of(tuple(_saved()))
    saved = json.loads(json.dumps(_changed(copy.deepcopy(_saved()[name]), taking)))
    restore = {
        "timekeeper": _restore_clock,
        "skill": _restore_skill,
        "standing": _restore_standing,
        "watchdog": _restore_watchdog,
    }
    restore[name](saved)


def _changed(tree: Any, taking: Taking) -> Any:  # noqa: ANN401 - any JSON type
    for _ in range(1 + taking.number() % _MOST_CHANGES):
        place, key = tree, None
        for _ in range(1 + taking.number() % _MOST_STEPS):
            inner = place if key is None else place[key]
            if not isinstance(inner, dict | list) or not inner:
                break
            place = inner
            keys = list(inner) if isinstance(inner, dict) else range(len(inner))
            key = keys[taking.number() % len(keys)]
        if key is not None:
            place[key] = _value(taking, place[key])
    return tree


def _value(taking: Taking, before: object) -> object:
    """Return another value: a strange one, or like the one before."""
    how = taking.number()
    if how < 2 * len(_STRANGE):
        return copy.deepcopy(_STRANGE[how // 2])  # one object in itself is no JSON
    if isinstance(before, str) and before:
        at = taking.number(2) % len(before)
        return before[:at] + taking.some(how % 12).decode("latin-1") + before[at + how % 12 :]
    return taking.double() if isinstance(before, float) else taking.number(8, signed=True)


def _restore_clock(saved: dict[str, Any]) -> None:
    keeper = _keeper()
    try:
        keeper.restore(saved)
    except ValueError as error:
        require(str(error), "a refusal has words")
        return
    newest_ns = keeper.newest_raw_ns
    require(newest_ns is not None, "a clock that goes on has been measured")
    if newest_ns is not None and abs(newest_ns) < 10**18:
        _check_target(keeper, newest_ns + SECOND)


def _check_target(keeper: Timekeeper, raw_ns: int) -> None:
    target = keeper.target(raw_ns)
    if target is None:
        return
    numbers = (target.rate, target.sigma_rate, target.low_rate, target.high_rate)
    require(all(map(math.isfinite, numbers)), "rates are numbers")
    require(target.low_ns <= target.high_ns, "limits have an inside")
    require(target.sigma_ns >= 0, "an uncertainty is not negative")


def _restore_skill(saved: dict[str, Any]) -> None:
    skill = Skill(Config().fusion.min_scores, experts=True)
    before = json.dumps(skill.snapshot())
    try:
        skill.restore(saved)
    except ValueError:
        require(json.dumps(skill.snapshot()) == before, "on failure nothing is changed")
        return
    skill.table()
    skill.snapshot()


def _restore_standing(saved: dict[str, Any]) -> None:
    try:
        standing = Standing.from_json(saved)
    except _DAMAGED:
        return
    require(Standing.from_json(standing.as_json()) == standing, "a standing is saved as it was")


def _restore_watchdog(saved: dict[str, Any]) -> None:
    try:
        watchdog = SavedWatchdog.from_json(saved)
    except (*_DAMAGED, AttributeError):
        return
    text = json.dumps(watchdog.as_json(), allow_nan=False)
    require(SavedWatchdog.from_json(json.loads(text)) == watchdog, "it is saved as it was")


def _keeper() -> Timekeeper:
    return Timekeeper(Config())


def _measurement(number: int) -> Measurement:
    return Measurement(
        source="ab"[number % 2],
        raw_ns=10**12 + number * 16 * SECOND,
        offset_ns=_BASE_NS + 300 * number % 7,
        delay_ns=10**6 + 1000 * (number % 5),
        precision_ns=100,
        root_delay_ns=1000,
        root_dispersion_ns=1000,
        stratum=2,
        leap=0,
        reference_id=1,
        stamps=Stamps.USER,
    )


@functools.cache
def _saved() -> dict[str, Any]:
    keeper = _keeper()
    for number in range(_COUNT):
        keeper.measure(_measurement(number))
    standing = Standing(
        servers=("a", "b"), suspended_ns=5, status=Status.SYNCHRONISED, believed=frozenset("ab")
    )
    return {
        "timekeeper": keeper.snapshot(),
        "skill": keeper.skill.snapshot(),
        "standing": standing.as_json(),
        "watchdog": _watchdog().as_json(),
    }


def _watchdog() -> SavedWatchdog:
    figures = {"asked": 9, "answered": 8, "mean_ns": -5, "spread_ns": 1, "allowed_ns": 2}
    pool = SavedPool(
        servers=(SavedServer("192.0.2.1", "pool.example.org", 1, 60.5),),
        refused={"192.0.2.9:123": 12.0},
        round=1,
        round_age_s=60.0,
    )
    alarm = Finding(verdict=Verdict.CONTRADICTS, **figures)
    watch = SavedWatch(pool=pool, alarm=alarm, alarm_age_s=4.0, panic_age_s=5.0)
    return SavedWatchdog(watch=watch, names=("pool.example.org",), size=500)


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    return {
        "clock": b"\0\0\1\0\x00\x0c",
        "bound": b"\0\0\4\1\1\0\2\x1e",
        "packed": b"\0\0\2\0\3\xff\5\0AAAAAAAAAA",
        "skill": b"\1\1\2\1\0\x1e\1\2\2\x20",
        "standing": b"\2\0\0\1\x1e",
        "watchdog": b"\3\0\1\0\2\x20",
        "nothing": b"",
    }
