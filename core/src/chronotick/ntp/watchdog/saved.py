"""What is saved of the watchdog for a restart: the pool, which took hours to gather, and the alarm.

Times are saved as ages. Who reads them adds what has passed since, see :class:`Instant`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chronotick.ntp.watchdog.verdict import Finding, Verdict

VERSION = 1
_LONGEST_S = 1e11
"""Some thousand years: a time beyond that is none."""
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment on the clocks of this host.

    Attributes:
        boot: identifier of the running boot.
        boottime_s: CLOCK_BOOTTIME, which nobody sets, and which goes on while the host sleeps.
        unix_s: the system clock.
    """

    boot: str
    boottime_s: float
    unix_s: float

    def since_s(self, before: Instant) -> float:
        """Time since an earlier moment, never negative.

        Between two boots there is no clock but the system's: if somebody has set it forward
        meanwhile, everything saved is as much older. It is made no younger.
        """
        if self.boot == before.boot:
            return max(0.0, self.boottime_s - before.boottime_s)
        return max(0.0, self.unix_s - before.unix_s)


@dataclass(frozen=True, slots=True)
class SavedServer:
    """A server that was found under the name of a pool.

    Attributes:
        host: its numeric address.
        name: the name, as configured.
        round: of look-ups, in which it was found.
        age_s: how long ago that was.
    """

    host: str
    name: str
    round: int
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPool:
    """A pool.

    Attributes:
        servers: those that came from the names of pools. Others are looked up anew in a moment.
        refused: identifiers of those who do not want to be asked, and how long ago they said so.
        round: number of the newest round of look-ups.
        round_age_s: how long ago it began.
    """

    servers: tuple[SavedServer, ...] = ()
    refused: Mapping[str, float] = field(default_factory=dict)
    round: int = 0
    round_age_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedWatch:
    """A watch.

    Attributes:
        pool: whom it asked.
        alarm: what the whole pool said last, if it was an alarm that still stood.
        alarm_age_s: how long ago that was; 0 without alarm.
        panic_age_s: how long ago the whole pool was asked; None: it never was.
    """

    pool: SavedPool = field(default_factory=SavedPool)
    alarm: Finding | None = None
    alarm_age_s: float = 0.0
    panic_age_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedWatchdog:
    """A watchdog.

    Attributes:
        watch: what it knew.
        names: the pool's configured names.
        size: how many servers it was to have.
        vouched: the clock was measured by an authenticated source.
        at: when this was saved.
    """

    watch: SavedWatch = field(default_factory=SavedWatch)
    names: tuple[str, ...] = ()
    size: int = 0
    vouched: bool = False
    at: Instant = Instant("", 0.0, 0.0)

    def as_json(self) -> dict[str, Any]:
        """As JSON types."""
        body = dataclasses.asdict(self) | {"version": VERSION}
        if self.watch.alarm is not None:
            body["watch"]["alarm"]["verdict"] = self.watch.alarm.verdict.value
        return body

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> SavedWatchdog:
        """From JSON types.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: they are not of a watchdog, or of
                another version's, or a number is none that a watchdog has.
        """
        if body["version"] != VERSION:
            raise ValueError(f"version {body['version']!r}, this program knows {VERSION}")
        at = body["at"]
        return cls(
            watch=_watch(body["watch"]),
            names=tuple(map(_text, body["names"])),
            size=_count(body["size"]),
            vouched=bool(body["vouched"]),
            at=Instant(_text(at["boot"]), _age_s(at["boottime_s"]), _age_s(at["unix_s"])),
        )


def _watch(body: Mapping[str, Any]) -> SavedWatch:
    alarm, panic_age_s = body["alarm"], body["panic_age_s"]
    return SavedWatch(
        pool=_pool(body["pool"]),
        alarm=None if alarm is None else _alarm(alarm),
        alarm_age_s=_age_s(body["alarm_age_s"]),
        panic_age_s=None if panic_age_s is None else _age_s(panic_age_s),
    )


def _pool(body: Mapping[str, Any]) -> SavedPool:
    return SavedPool(
        servers=tuple(map(_server, body["servers"])),
        refused={_text(who): _age_s(age_s) for who, age_s in body["refused"].items()},
        round=_count(body["round"]),
        round_age_s=_age_s(body["round_age_s"]),
    )


def _server(body: Mapping[str, Any]) -> SavedServer:
    return SavedServer(
        _text(body["host"]), _text(body["name"]), _count(body["round"]), _age_s(body["age_s"])
    )


def _alarm(body: Mapping[str, Any]) -> Finding:
    if Verdict(body["verdict"]) is not Verdict.CONTRADICTS:
        raise ValueError(f"an alarm with the verdict {body['verdict']!r}")
    return Finding(
        verdict=Verdict.CONTRADICTS,
        asked=_count(body["asked"]),
        answered=_count(body["answered"]),
        mean_ns=int(_number(body["mean_ns"], -_LARGEST, _LARGEST)),
        spread_ns=_count(body["spread_ns"]),
        allowed_ns=_count(body["allowed_ns"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where a text is due")
    return value


def _count(value: object) -> int:
    return int(_number(value, 0, _LARGEST))


def _age_s(value: object) -> float:
    return float(_number(value, 0.0, _LONGEST_S))


def _number(value: object, lowest: float, highest: float) -> float:
    """Return a number that lies between two; NaN does not."""
    if not isinstance(value, int | float):
        raise TypeError(f"{type(value).__name__} where a number is due")
    if not lowest <= value <= highest:
        raise ValueError(f"a number that is not from {lowest:g} to {highest:g}")
    return value
