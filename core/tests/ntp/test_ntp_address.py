from __future__ import annotations

import asyncio
import socket

import pytest

from chronotick.config.servers import ServerName
from chronotick.ntp.address import Endpoint, ResolveError, resolve


async def test_numeric_addresses_need_no_lookup() -> None:
    assert await resolve(ServerName("127.0.0.1", 11123)) == [
        Endpoint(socket.AF_INET, ("127.0.0.1", 11123))
    ]


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
async def test_ipv6_addresses_are_written_in_brackets() -> None:
    (endpoint,) = await resolve(ServerName("::1", 11123))
    assert endpoint.family == socket.AF_INET6
    assert str(endpoint) == "[::1]:11123"


async def test_a_name_gives_its_addresses_once_each() -> None:
    endpoints = await resolve(ServerName("localhost"))
    assert {endpoint.host for endpoint in endpoints} <= {"127.0.0.1", "::1"}
    assert len(endpoints) == len(set(endpoints)) > 0


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".invalid"])
async def test_an_unresolvable_name_says_what_to_check(host: str) -> None:
    with pytest.raises(ResolveError, match=r"has no address .*Check its spelling") as caught:
        await resolve(ServerName(host))
    assert host in str(caught.value)


async def test_an_abandoned_lookup_disturbs_nobody() -> None:
    task = asyncio.create_task(resolve(ServerName("no-such-host.invalid")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.05)
