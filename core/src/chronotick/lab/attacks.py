"""What somebody between a client and a time server can make of a reply: bytes in, bytes out.

Who sees no packets (*off the path*) can send as many as he likes from any address, and knows
neither the port that a question left from nor the 64 random bits in it. Who sees them (*on the
path*) knows both, and can change, repeat, withhold and delay what passes: plain NTP authenticates
nothing (RFC 7384, section 3, tells these two apart, and what they can do).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chronotick.lab.network import NS_PER_S
from chronotick.lab.world import Lie
from chronotick.ntp.packet import HEADER_BYTES, MODE_SERVER, Packet

_ERA: Final = 1 << 64
_LIE_NS: Final = 10 * NS_PER_S
"""What forged replies are wrong by: were one believed, everybody would see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an attacker has when a reply passes.

    Attributes:
        request: the client's packet that is answered.
        reply: the server's.
        earlier: genuine replies to other requests before, oldest first.
        elapsed_s: since the attacker took his place.
    """

    request: bytes
    reply: bytes
    earlier: Sequence[bytes]
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Sent:
    """A datagram that the client gets.

    Attributes:
        data: its content.
        elsewhere: it comes from another address than the client has asked.
    """

    data: bytes
    elsewhere: bool = False


Attack = Callable[[Seen], Iterable[Sent]]
"""What the client gets in place of a reply, in this order."""


def nothing(seen: Seen) -> Iterable[Sent]:
    """Pass the reply on."""
    return (Sent(seen.reply),)


def silence(_seen: Seen) -> Iterable[Sent]:
    """Withhold the reply."""
    return ()


def blind(count: int = 16) -> Attack:
    """Forge replies without having seen the request, and be faster than the server."""

    def attack(seen: Seen) -> Iterable[Sent]:
        for _ in range(count):
            yield Sent(replace(_forged(seen), origin_timestamp=secrets.randbits(64)).pack())
        yield Sent(seen.reply)

    return attack


def elsewhere(seen: Seen) -> Iterable[Sent]:
    """Forge a reply that answers the request, and send it from another address."""
    return Sent(_forged(seen).pack(), elsewhere=True), Sent(seen.reply)


def replayed(seen: Seen) -> Iterable[Sent]:
    """Repeat all replies before, then pass the new one on, twice."""
    return (*map(Sent, seen.earlier), Sent(seen.reply), Sent(seen.reply))


def flood(count: int = 500) -> Attack:
    """Bury the reply among as many datagrams that are none."""

    def attack(seen: Seen) -> Iterable[Sent]:
        for number in range(count):
            yield Sent(secrets.token_bytes(4 * number % (2 * HEADER_BYTES)))
        yield Sent(seen.reply)

    return attack


def kiss(code: str, *, sees: bool = True, passes: bool = True) -> Attack:
    """Forge a refusal of service (RFC 5905, section 7.4) that comes before the reply.

    Args:
        code: four letters, as ``DENY`` or ``RATE``.
        sees: the attacker has seen the request, so that the refusal answers it.
        passes: the genuine reply comes as well; otherwise it is withheld.
    """

    def attack(seen: Seen) -> Iterable[Sent]:
        origin = _request(seen).transmit_timestamp if sees else secrets.randbits(64)
        refusal = Packet(
            leap=3,
            mode=MODE_SERVER,
            reference_id=int.from_bytes(code.encode("ascii"), "big"),
            origin_timestamp=origin,
        )
        yield Sent(refusal.pack())
        if passes:
            yield Sent(seen.reply)

    return attack


def shifted(lie: Lie) -> Attack:
    """Change the server's time: at once, or so slowly that each step hides in the noise.

    The latter is called frog-boiling (E. Chan-Tin et al., "The Frog-Boiling Attack: Limitations of
    Secure Network Coordinate Systems", ACM TISSEC 14, 2011).
    """

    def attack(seen: Seen) -> Iterable[Sent]:
        lie_ns = lie.at_ns(seen.elapsed_s)
        return (Sent(_moved(seen.reply, lie_ns, lie_ns)),)

    return attack


def nearer(by_s: float, lie: Lie) -> Attack:
    """Claim that the server held the request longer than it did, and change its time besides.

    The client subtracts what the server held: the round trip seems shorter, the server nearer, and
    its word more certain than that of honest ones.

    Args:
        by_s: what the round trip is to lose. More than it has is noticed.
        lie: how the time is changed.
    """

    def attack(seen: Seen) -> Iterable[Sent]:
        half_ns, lie_ns = round(by_s * NS_PER_S / 2), lie.at_ns(seen.elapsed_s)
        return (Sent(_moved(seen.reply, lie_ns - half_ns, lie_ns + half_ns)),)

    return attack


def _request(seen: Seen) -> Packet:
    return Packet.unpack(seen.request)


def _forged(seen: Seen) -> Packet:
    return Packet.unpack(_moved(seen.reply, _LIE_NS, _LIE_NS))


def _moved(reply: bytes, received_ns: int, sent_ns: int) -> bytes:
    packet = Packet.unpack(reply)
    return replace(
        packet,
        receive_timestamp=_later(packet.receive_timestamp, received_ns),
        transmit_timestamp=_later(packet.transmit_timestamp, sent_ns),
    ).pack()


def _later(timestamp: int, by_ns: int) -> int:
    return (timestamp + (by_ns << 32) // NS_PER_S) % _ERA
