"""NTS servers as they are configured, and how they are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.config.schema import Ntp, Timing
from chronotick.config.servers import NTS_PORT, AddressError, Protocol, ServerName, parse_server
from chronotick.ntp.address import Endpoint, certificate_name, resolve
from chronotick.ntp.monitor import NtpMonitor
from chronotick.ntp.nts import NtsAsker
from chronotick.ntp.poll import PollLimits
from chronotick.ntp.source import Source, SourceSettings


@pytest.mark.parametrize(
    ("text", "host", "port", "short"),
    [
        ("nts://time.example.org", "time.example.org", NTS_PORT, "nts://time.example.org"),
        ("nts://time.example.org:4460", "time.example.org", NTS_PORT, "nts://time.example.org"),
        ("nts://time.example.org:123", "time.example.org", 123, "nts://time.example.org:123"),
        ("nts://192.0.2.1", "192.0.2.1", NTS_PORT, "nts://192.0.2.1"),
        ("nts://2001:db8::1", "2001:db8::1", NTS_PORT, "nts://[2001:db8::1]"),
        ("nts://[2001:db8::1]:99", "2001:db8::1", 99, "nts://[2001:db8::1]:99"),
        ("nts://chronyd", "chronyd", NTS_PORT, "nts://chronyd"),
    ],
)
def test_nts_servers_are_written_in_these_ways(text: str, host: str, port: int, short: str) -> None:
    server = parse_server(text)
    assert server == ServerName(host, port, Protocol.NTS)
    assert str(server) == short
    assert parse_server(short) == server


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nts://", "neither a host name nor an address"),
        ("nts://:4460", "neither a host name nor an address"),
        ("nts://a/b", "neither a host name nor an address"),
        ("nts://nts://a", "port '//a' is not a number"),
        ("nts://[a]", "not an IPv6 address"),
        ("nts://a:0", "port '0' is not a number from 1 to 65535"),
        ("nts://a:", "port '' is not a number"),
    ],
)
def test_what_is_no_nts_server_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason) as raised:
        parse_server(text)
    assert raised.value.text == text


def test_a_pool_may_speak_nts() -> None:
    assert parse_server("nts://pool.example.org").is_pool


@pytest.mark.parametrize("text", ["nts://localhost", "nts://127.0.0.1", "nts://[::1]"])
async def test_every_address_keeps_the_name_that_its_certificate_must_bear(text: str) -> None:
    server = parse_server(text)
    for endpoint in await resolve(server):
        assert endpoint.name == server.host
        assert str(endpoint).startswith("nts://")
        assert endpoint.port == NTS_PORT
    assert all(not endpoint.name for endpoint in await resolve(parse_server("localhost")))


def test_certificates_know_neither_the_dot_of_a_full_name_nor_zones() -> None:
    for text, name in (
        ("nts://time.example.org.", "time.example.org"),
        ("nts://[fe80::1%eth0]", "fe80::1"),
        ("time.example.org", ""),
    ):
        assert certificate_name(parse_server(text)) == name


def test_an_nts_server_is_asked_by_nts() -> None:
    settings = SourceSettings(
        timeout_s=1,
        max_delay_ns=1,
        poll=PollLimits(minimum_s=1, maximum_s=1, burst_s=1, burst_replies=1),
    )
    endpoint = Endpoint(2, ("192.0.2.1", NTS_PORT), Protocol.NTS, "time.example.org")
    source = Source("nts://time.example.org", endpoint, settings, burst=False, finished=print)
    assert isinstance(source._asker, NtsAsker)
    assert source.id == "nts://192.0.2.1:4460"


def test_what_is_configured_reaches_selection_and_key_exchange(tmp_path: Path) -> None:
    ntp = Ntp(
        servers=["nts://192.0.2.1"], authentication="require", nts_trusted_certs=tmp_path / "a.pem"
    )
    monitor = NtpMonitor(ntp, Timing(), print)
    assert monitor._limits.authentication == "require"
    (server,) = monitor._servers.values()
    assert server._settings.trusted_certs == tmp_path / "a.pem"
    monitor.reconfigure(Ntp(servers=["nts://192.0.2.1"]), Timing())
    assert monitor._limits.authentication == "prefer"
    assert server._settings.trusted_certs is None
