"""Replies of somebody on the way who wants another time."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from chronotick.ntp.packet import Packet

AHEAD_S: Final = 3600
"""How far ahead of the genuine time a forged one is."""


def ahead(reply: Packet) -> bytes:
    """A reply whose time is changed, and nothing else."""
    by = AHEAD_S << 32
    return replace(
        reply,
        receive_timestamp=(reply.receive_timestamp + by) % (1 << 64),
        transmit_timestamp=(reply.transmit_timestamp + by) % (1 << 64),
    ).pack()


def forged(answer: bytes) -> bytes:
    """An answer of somebody who did not see the request."""
    reply = Packet.unpack(answer)
    return ahead(replace(reply, origin_timestamp=reply.origin_timestamp ^ 1))
