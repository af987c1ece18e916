"""What happens to a host and its servers in the course of a scenario: small immutable values.

All instants are seconds of the host's local clock since the start. What a world
(:class:`chronotick.lab.world.World`) can describe by itself is described there: lies, outages,
route changes, loss, frequency steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemStep:
    """Somebody sets the system clock.

    Attributes:
        at_s: when.
        by_s: how far it jumps.
    """

    at_s: float
    by_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSlew:
    """Somebody lets the system clock run faster or slower for a while.

    Attributes:
        at_s: when it begins.
        until_s: when it ends.
        rate: how much faster than the local clock it runs (s/s).
    """

    at_s: float
    until_s: float
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend:
    """The host sleeps: the local clock stands still, true time does not.

    Attributes:
        at_s: when.
        for_s: how long.
        misjudged_s: how wrong the system clock is about that, since it has only the battery clock.
    """

    at_s: float
    for_s: float
    misjudged_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standstill:
    """The local clock stands still, and no clock of the host tells.

    So it is with a virtual machine that is migrated, or restored from a snapshot.

    Attributes:
        at_s: when.
        for_s: how long.
    """

    at_s: float
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeapSecond:
    """Unix time jumps, as it does at a leap second.

    Attributes:
        at_utc_ns: when, by true time: the end of a month where a second is inserted, a second
            before where one is deleted.
        by_s: -1 where one is inserted, +1 where one is deleted.
    """

    at_utc_ns: int
    by_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The daemon is stopped (SIGSTOP), and goes on later (SIGCONT).

    Attributes:
        at_s: when.
        for_s: how long.
    """

    at_s: float
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerChange:
    """Servers behave otherwise from now on.

    Attributes:
        at_s: when.
        servers: their numbers, 0 is the first.
        behaviour: attributes of :class:`chronotick.lab.world.ServerModel`, but for the path.
    """

    at_s: float
    servers: tuple[int, ...]
    behaviour: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieKeyLost:
    """Servers make a new key for their NTS cookies: those that they gave before are worth nothing.

    Attributes:
        at_s: when.
        servers: their numbers, 0 is the first.
    """

    at_s: float
    servers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoKeys:
    """Servers give no NTS keys for a while: their TCP port is closed. They tell the time.

    Attributes:
        at_s: when it begins.
        until_s: when it ends.
        servers: their numbers, 0 is the first.
    """

    at_s: float
    until_s: float
    servers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReplaced:
    """Servers have another symmetric key under the same number, and nobody tells the host.

    Attributes:
        at_s: when.
        servers: their numbers, 0 is the first.
    """

    at_s: float
    servers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripping:
    """Somebody on the way takes off replies what authenticates them, and moves them by an hour.

    Attributes:
        at_s: when it begins.
        until_s: when it ends.
        servers: whose replies, by number; 0 is the first.
    """

    at_s: float
    until_s: float
    servers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mischief:
    """What somebody on the network does to packets, other than losing them.

    Attributes:
        forged: forgeries that arrive before each reply: right but for the origin, and an hour off.
        duplicated: probability that a reply comes twice.
        overtaken: probability that a reply is held until the client has given up waiting for it.
    """

    forged: int = 0
    duplicated: float = 0.0
    overtaken: float = 0.0


Event = (
    SystemStep
    | SystemSlew
    | Suspend
    | Standstill
    | LeapSecond
    | Stop
    | ServerChange
    | CookieKeyLost
    | NoKeys
    | KeyReplaced
    | Stripping
)
