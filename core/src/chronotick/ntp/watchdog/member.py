"""One server of the pool, and how many of one round are asked together."""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from chronotick.config.servers import ServerName, is_loopback
from chronotick.ntp.address import Endpoint, certificate_name
from chronotick.ntp.asking import Asker

REST_S = 60.0
"""For how long a server is left alone after a question, unless it is on this host."""


@dataclass(slots=True)
class Member:
    """One server of the pool.

    Attributes:
        endpoint: its address.
        asker: asks it.
        name: where it comes from.
        round: of look-ups, in which it was found; None: it is no pool's, see
            :mod:`chronotick.ntp.watchdog.pool`.
        found_s: when that was, by the loop's clock.
        unanswered: questions without a valid answer since the last one.
        asked_s: when it was asked last, by the loop's clock.
        place: what tells it from other servers, see :func:`place_of`.
    """

    endpoint: Endpoint
    asker: Asker
    name: ServerName
    round: int | None
    found_s: float
    unanswered: int = 0
    asked_s: float = float("-inf")
    place: str = field(init=False)

    def __post_init__(self) -> None:
        self.place = place_of(self.endpoint.host, self.endpoint.port)

    @property
    def id(self) -> str:
        """Identifier, as of a source."""
        return str(self.endpoint)

    def rests(self, now_s: float) -> bool:
        """It was asked a moment ago."""
        return now_s - self.asked_s < REST_S and not is_loopback(self.endpoint.host)


def place_of(host: str, port: int) -> str:
    """Return what tells servers apart: their address, however they are asked.

    Of this host it is the port as well, since several may be there.
    """
    return f"{host} {port}" if is_loopback(host) else host


def endpoint_of(host: str, name: ServerName) -> Endpoint:
    """What looking a name up gave once: an address.

    Raises:
        ValueError: the host is no numeric address.
    """
    is_ipv4 = ipaddress.ip_address(host).version == 4  # noqa: PLR2004 - a version, no amount
    family = socket.AF_INET if is_ipv4 else socket.AF_INET6
    address = (host, name.port) if is_ipv4 else (host, name.port, 0, 0)
    return Endpoint(family, address, name.protocol, certificate_name(name), name.key_id)


def mixed(members: Iterable[Member], most: int) -> list[Member]:
    """Members in their order, without those that would make it more than so many of one round."""
    counts: Counter[int | None] = Counter()
    chosen = []
    for member in members:
        counts[member.round] += 1
        if member.round is None or counts[member.round] <= most:
            chosen.append(member)
    return chosen


def fair_third(members: Collection[Member]) -> int:
    """Return how many of one round may be asked, that they are a third of all asked at most.

    The fewer may stay of each round, the fewer are left. So where a number is more than a third of
    what it leaves, every number down to that third is as well, and the search goes on there.
    """
    counts = Counter(member.round for member in members)
    of_no_round = counts.pop(None, 0)
    most = len(members) // 3
    while (left := of_no_round + sum(min(n, most) for n in counts.values())) < 3 * most:
        most = left // 3
    return most
