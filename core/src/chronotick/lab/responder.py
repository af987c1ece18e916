"""What a simulated server answers: bytes in, bytes out, no sockets and no clocks."""

from __future__ import annotations

import dataclasses

from chronotick.lab.network import NS_PER_S
from chronotick.lab.world import Fault, ServerModel
from chronotick.ntp.packet import (
    MODE_CLIENT,
    MODE_SERVER,
    Packet,
    ns_to_short,
    unix_ns_to_ntp,
)

PRECISION = -20
"""1 us: how well the real way through this machine is known."""
REFERENCE_PRIMARY = int.from_bytes(b"SIM\0", "big")
REFERENCE_SECONDARY = int.from_bytes(bytes((192, 0, 2, 1)), "big")
"""An address reserved for documentation (RFC 5737): the reference exists as little as it does."""


def time_reply(request: Packet, model: ServerModel, *, t2_ns: int, t3_ns: int) -> Packet:
    """The reply of a server that tells its time.

    Args:
        request: what is answered.
        model: what the server says of itself.
        t2_ns: its time (UTC) when the request arrived.
        t3_ns: its time when the reply leaves.
    """
    return Packet(
        leap=model.leap,
        version=request.version,
        mode=MODE_SERVER,
        stratum=model.stratum,
        poll=request.poll,
        precision=PRECISION,
        root_delay=ns_to_short(round(model.root_delay_s * NS_PER_S)),
        root_dispersion=ns_to_short(round(model.root_dispersion_s * NS_PER_S)),
        reference_id=REFERENCE_PRIMARY if model.stratum <= 1 else REFERENCE_SECONDARY,
        reference_timestamp=unix_ns_to_ntp(t2_ns - NS_PER_S),
        origin_timestamp=request.transmit_timestamp,
        receive_timestamp=unix_ns_to_ntp(t2_ns),
        transmit_timestamp=unix_ns_to_ntp(t3_ns),
    )


def spoil(reply: Packet, fault: Fault | None, previous: bytes) -> bytes:
    """The bytes of a reply with one thing wrong with it, for testing clients.

    ``origin``: does not echo the request. ``replay``: the server's previous reply once more.
    ``truncated``: two bytes are missing. ``mode``: claims to be a request. ``version``: claims to
    be NTP version 7. ``no-time``: receive and transmit timestamps are zero.

    Args:
        reply: the correct reply.
        fault: what is wrong; None is nothing.
        previous: the bytes sent before, empty when there were none.
    """
    if fault == "replay":
        return previous or reply.pack()
    if fault == "truncated":
        return reply.pack()[:-2]
    wrong: dict[Fault | None, dict[str, int]] = {
        "origin": {"origin_timestamp": reply.origin_timestamp ^ 1},
        "mode": {"mode": MODE_CLIENT},
        "version": {"version": 7},
        "no-time": {"receive_timestamp": 0, "transmit_timestamp": 0},
    }
    return dataclasses.replace(reply, **wrong.get(fault, {})).pack()
