"""What is kept of the watchdog over a restart: the pool, which took hours to gather, and the alarm.

Times are kept as ages at the moment of keeping. Who reads them adds what has passed since by the
system clock; one that was set back meanwhile makes nothing younger.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chronotick.ntp.watchdog.verdict import Finding, Verdict

VERSION = 1


@dataclass(frozen=True, slots=True)
class KeptServer:
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
class KeptPool:
    """A pool.

    Attributes:
        servers: those that came from the names of pools. Others are looked up anew in a moment.
        refused: identifiers of those who do not want to be asked, and how long ago they said so.
        round: number of the newest round of look-ups.
        round_age_s: how long ago it began.
    """

    servers: tuple[KeptServer, ...] = ()
    refused: Mapping[str, float] = field(default_factory=dict)
    round: int = 0
    round_age_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A watchdog.

    Attributes:
        pool: whom it asked.
        alarm: what the whole pool said last, if it was an alarm that still stood.
        panic_age_s: how long ago the whole pool was asked; None: it never was.
        names: the pool's configured names.
        size: how many servers it was to have.
        vouched: the clock was measured by an authenticated source.
        unix_s: when this was kept, by the system clock.
    """

    pool: KeptPool = field(default_factory=KeptPool)
    alarm: Finding | None = None
    panic_age_s: float | None = None
    names: tuple[str, ...] = ()
    size: int = 0
    vouched: bool = False
    unix_s: float = field(default_factory=time.time)

    def elapsed_s(self) -> float:
        """How long ago this was kept."""
        return max(0.0, time.time() - self.unix_s)

    def as_json(self) -> dict[str, Any]:
        """As JSON types."""
        body = dataclasses.asdict(self) | {"version": VERSION}
        if self.alarm is not None:
            body["alarm"]["verdict"] = self.alarm.verdict.value
        return body

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Kept:
        """From JSON types.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: they are not of a watchdog, or of
                another version's.
        """
        if body["version"] != VERSION:
            raise ValueError(f"version {body['version']!r}, this program knows {VERSION}")
        panic_age_s = body["panic_age_s"]
        return cls(
            pool=_pool(body["pool"]),
            alarm=None if body["alarm"] is None else _finding(body["alarm"]),
            panic_age_s=None if panic_age_s is None else float(panic_age_s),
            names=tuple(map(str, body["names"])),
            size=int(body["size"]),
            vouched=bool(body["vouched"]),
            unix_s=float(body["unix_s"]),
        )


def _pool(body: Mapping[str, Any]) -> KeptPool:
    return KeptPool(
        servers=tuple(map(_server, body["servers"])),
        refused={str(who): float(age_s) for who, age_s in body["refused"].items()},
        round=int(body["round"]),
        round_age_s=float(body["round_age_s"]),
    )


def _server(body: Mapping[str, Any]) -> KeptServer:
    return KeptServer(
        str(body["host"]), str(body["name"]), int(body["round"]), float(body["age_s"])
    )


def _finding(body: Mapping[str, Any]) -> Finding:
    return Finding(
        verdict=Verdict(body["verdict"]),
        asked=int(body["asked"]),
        answered=int(body["answered"]),
        mean_ns=int(body["mean_ns"]),
        spread_ns=int(body["spread_ns"]),
        allowed_ns=int(body["allowed_ns"]),
    )
