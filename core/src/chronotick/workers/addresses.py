"""From the address of a server of models to the endpoints that can be connected to."""

from __future__ import annotations

import socket

from chronotick.config.tcp import Address
from chronotick.ntp.lookup import look_up


async def resolve(address: Address) -> list[str]:
    """Find the endpoints behind a name, best first.

    Not left to ZeroMQ, which says nothing about a name that is not known.

    Raises:
        OSError: the name is not known; the message is for people.
    """
    try:
        found = await look_up(address.host, address.port, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(
            f"host {address.host} is not known ({reason}): look at the address {address}"
        ) from error
    hosts = dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)
    return [str(Address(host, address.port)) for host in hosts]
