"""Servers as they are written: what is accepted, what it means, and what is refused where."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.config import ConfigError, load
from chronotick.config.servers import FORMS, AddressError, Protocol, ServerName, parse_server


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
    ("text", "host", "port", "short"),
    [
        ("chronyd", "127.0.0.1", 323, "chronyd"),
        ("chronyd://", "127.0.0.1", 323, "chronyd"),
        ("chronyd://127.0.0.1:323", "127.0.0.1", 323, "chronyd"),
        ("chronyd://127.0.0.1:11323", "127.0.0.1", 11323, "chronyd://127.0.0.1:11323"),
        ("chronyd://::1", "::1", 323, "chronyd://[::1]:323"),
        ("chronyd://[::1]:1", "::1", 1, "chronyd://[::1]:1"),
        ("chronyd:///run/c.sock", "/run/c.sock", 0, "chronyd:///run/c.sock"),
        ("chronyd:///run/pool/s", "/run/pool/s", 0, "chronyd:///run/pool/s"),
    ],
)
def test_the_chronyd_of_this_host_is_written_in_these_ways(
    text: str, host: str, port: int, short: str
) -> None:
    server = parse_server(text)
    assert server == ServerName(host, port, Protocol.CHRONYD)
    assert str(server) == short
    assert not server.is_pool


@pytest.mark.parametrize("text", ["chronyd:123", "chronyd.example.org", "chronyd2", "Chronyd"])
def test_a_time_server_may_have_chronyd_in_its_name(text: str) -> None:
    server = parse_server(text)
    assert server.protocol is Protocol.NTP
    assert parse_server(str(server)) == server


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "localhost", "time.example.org", "[2001:db8::1]:323"]
)
def test_the_chronyd_of_another_host_is_refused(host: str) -> None:
    """Its correction is one of its own clock: it would have been believed as ours."""
    with pytest.raises(AddressError, match="tells of its own host's clock"):
        parse_server(f"chronyd://{host}")


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
        "chronyd://127.0.0.1:0",
        "chronyd://:323",
        "chronyd://a b",
        "chronyd:///" + "x" * 107,
        "chronyd:///run/\0",
        "chronyd:/run/c.sock",
    ],
)
def test_anything_else_is_refused_with_the_text_in_the_message(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_server(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("KEY://10@127.0.0.1:12301", "the scheme is written key://"),
        ("Nts://time.example.org", "the scheme is written nts://"),
        ("CHRONYD://", "the scheme is written chronyd://"),
        ("ntp://host", "the only schemes are nts://, key://, chronyd://; plain NTP has none"),
    ],
)
def test_a_scheme_that_is_none_is_told_with_those_that_are(text: str, reason: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_server(text)
    assert caught.value.reason == reason


@given(st.text(max_size=30) | st.text(max_size=30).map("chronyd://".__add__))
def test_no_text_crashes_the_parser(text: str) -> None:
    try:
        server = parse_server(text)
    except AddressError:
        return
    assert 0 < server.port <= 65535 or server.is_path
    assert parse_server(str(server)) == server


@pytest.mark.parametrize(
    ("text", "is_pool"),
    [
        ("pool.ntp.org", True),
        ("2.Debian.Pool.ntp.org", True),
        ("ntp-pool.example.org:11123", True),
        ("0.pool.example", True),
        ("pool2.example", True),
        ("ntp_pool", True),
        ("liverpool.example", False),
        ("spool.example", False),
        ("poolside.example", False),
        ("time.nist.gov", False),
        ("192.0.2.1", False),
        ("::1", False),
    ],
)
def test_pools_are_known_by_the_word_in_their_name(text: str, is_pool: bool) -> None:
    """Any name with these four letters in it, Liverpool's too, was once taken for a pool."""
    assert parse_server(text).is_pool is is_pool


def test_every_wrong_server_of_every_layer_is_told_when_the_configuration_is_loaded(
    tmp_path: Path,
) -> None:
    """`config check` called them valid, and `run` refused them later, one at a time."""
    path = tmp_path / "c.yaml"
    path.write_text("clock_measurement:\n  ntp:\n    servers:\n    - foo:99999\n    - bad_[x\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {}, {})
    found = {problem.path: str(problem) for problem in caught.value.problems}
    assert list(found) == [f"clock_measurement.ntp.servers[{n}]" for n in (0, 1)]
    port, name = found.values()
    assert "c.yaml:4): got 'foo:99999': port '99999' is not a number from 1 to 65535" in port
    assert "c.yaml:5): got 'bad_[x': neither a host name nor an address" in name
    assert name.endswith(f"accepted: list of one or more: {FORMS}")


@pytest.mark.parametrize("text", ["a:0", "[::1", "http://host", "a b", ""])
def test_variables_and_options_are_held_to_the_same(text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.touch()
    key = "clock_measurement.ntp.servers"
    with pytest.raises(ConfigError, match="command line"):
        load(path, {}, {key: [text]})
    if text:
        with pytest.raises(ConfigError, match="CHRONOTICK_NTP_SERVERS"):
            load(path, {"CHRONOTICK_NTP_SERVERS": text}, {})
