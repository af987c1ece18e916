"""Servers with symmetric keys as they are configured."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.config import ConfigError, load
from chronotick.config.schema import Ntp, Timing
from chronotick.config.servers import AddressError, Protocol, ServerName, parse_server
from chronotick.neighbours.reference import named
from chronotick.ntp.address import Endpoint, resolve
from chronotick.ntp.keys import KeyAsker
from chronotick.ntp.monitor import NtpMonitor
from chronotick.ntp.source import asker_of


@pytest.mark.parametrize(
    ("text", "host", "port", "key_id", "short"),
    [
        ("key://10@time.example.org", "time.example.org", 123, 10, "key://10@time.example.org"),
        ("key://10@time.example.org:123", "time.example.org", 123, 10, "key://10@time.example.org"),
        ("key://007@192.0.2.1:99", "192.0.2.1", 99, 7, "key://7@192.0.2.1:99"),
        ("key://4294967295@2001:db8::1", "2001:db8::1", 123, 2**32 - 1, None),
        ("key://1@[2001:db8::1]:99", "2001:db8::1", 99, 1, "key://1@[2001:db8::1]:99"),
        ("key://1@chronyd", "chronyd", 123, 1, "key://1@chronyd"),
    ],
)
def test_servers_with_keys_are_written_in_these_ways(
    text: str, host: str, port: int, key_id: int, short: str | None
) -> None:
    server = parse_server(text)
    assert server == ServerName(host, port, Protocol.KEY, key_id)
    assert str(server) == (short or "key://4294967295@[2001:db8::1]")
    assert parse_server(str(server)) == server
    assert server.is_authenticated


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("key://time.example.org", "which key"),
        ("key://", "which key"),
        ("key://@a", "the key's ID is not a number from 1 to 4294967295"),
        ("key://0@a", "the key's ID is not a number from 1 to 4294967295"),
        ("key://-1@a", "the key's ID is not a number"),
        ("key://4294967296@a", "the key's ID is not a number"),
        ("key://x@a", "the key's ID is not a number"),
        ("key://1@", "neither a host name nor an address"),
        ("key://1@a:0", "port '0' is not a number from 1 to 65535"),
        ("key://1@2@a", "neither a host name nor an address"),
        ("key://1@chronyd://127.0.0.1", "port '//127.0.0.1' is not a number"),
        ("key://1@nts://a", "NTS or a symmetric key, not both"),
        ("nts://1@a", "NTS or a symmetric key, not both"),
    ],
)
def test_what_is_no_server_with_a_key_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason) as raised:
        parse_server(text)
    assert raised.value.text == text


async def test_an_endpoint_keeps_the_number_of_its_key_and_is_asked_with_it() -> None:
    (endpoint,) = await resolve(parse_server("key://10@[::1]:99"))
    assert (endpoint.key_id, str(endpoint)) == (10, "key://10@[::1]:99")
    assert isinstance(asker_of(endpoint), KeyAsker)
    (plain,) = await resolve(parse_server("[::1]:99"))
    assert (plain.key_id, str(plain)) == (0, "[::1]:99")


def test_the_same_address_with_and_without_a_key_is_two_sources() -> None:
    plain = Endpoint(2, ("192.0.2.1", 123))
    assert str(plain) != str(Endpoint(2, ("192.0.2.1", 123), Protocol.KEY, key_id=10))


def test_the_configured_file_reaches_who_asks(tmp_path: Path) -> None:
    servers = ["key://10@192.0.2.1"]
    monitor = NtpMonitor(Ntp(servers=servers, key_file=tmp_path / "a"), Timing(), print)
    (server,) = monitor._servers.values()
    assert server._settings.key_file == tmp_path / "a"
    monitor.reconfigure(Ntp(servers=servers, key_file=tmp_path / "b"), Timing())
    assert server._settings.key_file == tmp_path / "b"


@pytest.mark.parametrize(
    "text",
    [
        "ntp: {servers: [192.0.2.1, key://10@192.0.2.2]}",
        "watchdog: {enabled: true, servers: [pool.example.org, key://10@192.0.2.2]}",
    ],
)
def test_a_key_without_a_file_is_told_with_the_setting_that_names_it(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"clock_measurement: {{{text}}}\n")
    with pytest.raises(ConfigError) as raised:
        load(path, {}, {})
    assert "key://10@192.0.2.2 needs a key: give its file as clock_measurement.ntp.key_file" in str(
        raised.value
    )
    assert f"{path}:1" in str(raised.value)


def test_a_watchdog_that_is_off_needs_no_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("clock_measurement: {watchdog: {servers: [pool.test, key://10@192.0.2.2]}}\n")
    assert load(path, {}, {}).config.clock_measurement.keyed == []


def test_replies_to_neighbours_name_a_server_with_a_key_by_its_address() -> None:
    assert named("key://10@192.0.2.1:123") == named("192.0.2.1:123") == 0xC0000201
    assert named("key://10@[2001:db8::1]:123") == named("[2001:db8::1]:123")
