from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.address import (
    AddressError,
    Endpoint,
    ResolveError,
    ServerName,
    parse_server,
    resolve,
)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("time.example.org", "time.example.org", 123),
        ("time.example.org.", "time.example.org.", 123),
        ("time.example.org:11123", "time.example.org", 11123),
        ("192.0.2.1", "192.0.2.1", 123),
        ("192.0.2.1:65535", "192.0.2.1", 65535),
        ("2001:db8::1", "2001:db8::1", 123),
        ("::1", "::1", 123),
        ("[2001:db8::1]", "2001:db8::1", 123),
        ("[2001:db8::1]:1", "2001:db8::1", 1),
        ("fe80::1%eth0", "fe80::1%eth0", 123),
        ("my_host", "my_host", 123),
    ],
)
def test_servers_are_written_in_these_ways(text: str, host: str, port: int) -> None:
    assert parse_server(text) == ServerName(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":123",
        "host:",
        "host:ntp",
        "host:0",
        "host:65536",
        "host:-1",
        "host:१२३",
        "host name",
        "-host",
        "[::1",
        "[::1]123",
        "[::1]:",
        "[192.0.2.1]:123",
        "[]",
        "a..b",
        "http://host",
        "1:2:3",
    ],
)
def test_anything_else_is_refused_with_the_text_in_the_message(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_server(text)
    assert repr(text) in str(caught.value)


@given(st.text(max_size=30))
def test_no_text_crashes_the_parser(text: str) -> None:
    try:
        server = parse_server(text)
    except AddressError:
        return
    assert 0 < server.port <= 65535
    assert parse_server(str(server)) == server


@pytest.mark.parametrize(
    ("text", "is_pool"),
    [
        ("pool.ntp.org", True),
        ("2.Debian.Pool.ntp.org", True),
        ("ntp-pool.example.org:11123", True),
        ("time.nist.gov", False),
        ("192.0.2.1", False),
        ("::1", False),
    ],
)
def test_pools_are_known_by_their_name(text: str, is_pool: bool) -> None:
    assert parse_server(text).is_pool is is_pool


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
