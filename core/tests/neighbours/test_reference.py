from __future__ import annotations

import hashlib
import ipaddress
from pathlib import Path

import pytest

from chronotick.daemon.control import ControlServer
from chronotick.neighbours.reference import (
    REFRESH_S,
    RETRY_S,
    UNNAMED,
    Reference,
    ReferenceKeeper,
    named,
    reference_of,
)
from chronotick.neighbours.standing import Standing
from chronotick.shm.layout import Status
from chronotick.shm.record import Record

BEST = {"reason": "*", "id": "192.0.2.7:123", "stratum": 2, "delay_s": 0.0123}
OTHER = {"reason": "+", "id": "192.0.2.8:123", "stratum": 1, "delay_s": 0.001}


def vouched() -> Standing:
    return Standing(Record(), Status.SYNCHRONISED)


def test_the_best_source_gives_stratum_name_and_delay():
    found = reference_of([OTHER, BEST])
    assert found == Reference(3, int(ipaddress.IPv4Address("192.0.2.7")), 12_300_000)


def test_no_source_believed_is_no_reference():
    assert reference_of([]) is None
    assert reference_of([OTHER, BEST | {"reason": "x"}, BEST | {"stratum": None}]) is None


def test_the_stratum_stays_a_servers():
    found = reference_of([BEST | {"stratum": 15, "delay_s": None}])
    assert found == Reference(15, int(ipaddress.IPv4Address("192.0.2.7")), 0)


def test_an_ipv6_address_is_named_by_its_hash():
    address = ipaddress.IPv6Address("2001:db8::1")
    digest = hashlib.md5(address.packed, usedforsecurity=False).digest()
    assert named("[2001:db8::1]:123") == int.from_bytes(digest[:4], "big")
    assert named("[fe80::1%eth0]:123") == named("[fe80::1]:123")


@pytest.mark.parametrize("name", ["", "chronyd", "time.example:123", "/run/chrony.sock"])
def test_what_is_no_address_is_named_as_no_server(name):
    assert named(name) == UNNAMED.reference_id


async def test_the_daemon_is_asked_and_the_last_answer_stays(tmp_path: Path):
    sources = [BEST]
    server = ControlServer(tmp_path / "run" / "c.sock", {"sources": lambda: sources})
    keeper = ReferenceKeeper(tmp_path / "run" / "c.sock", vouched)
    assert keeper.current is UNNAMED
    await server.start()
    await keeper.refresh()
    assert keeper.current.stratum == 3
    sources[:] = [OTHER]
    await keeper.refresh()
    await server.close()
    await keeper.refresh()
    assert keeper.current.stratum == 3


async def test_it_is_asked_often_only_until_it_names_a_source(tmp_path: Path):
    """In holdover, which may last for days, it names none."""
    sources, standing = [OTHER], vouched()
    server = ControlServer(tmp_path / "run" / "c.sock", {"sources": lambda: sources})
    keeper = ReferenceKeeper(tmp_path / "run" / "c.sock", lambda: standing)
    pauses_s = []
    await server.start()
    for sources[:] in ([OTHER], [BEST], [OTHER], []):
        await keeper.refresh()
        pauses_s.append(keeper.pause_s)
    await server.close()
    assert pauses_s == [RETRY_S, REFRESH_S, REFRESH_S, REFRESH_S]
    standing = Standing(None, Status.UNKNOWN)
    assert keeper.pause_s == RETRY_S  # to ask soon after a daemon is back


@pytest.mark.parametrize(
    "answer",
    [
        *(None, 7, "x", [7]),
        *([BEST | change] for change in ({"stratum": "one"}, {"delay_s": "x"}, {"delay_s": 1e308})),
    ],
)
async def test_an_answer_that_makes_no_sense_is_said_once(tmp_path: Path, caplog, answer):
    server = ControlServer(tmp_path / "run" / "c.sock", {"sources": lambda: answer})
    await server.start()
    keeper = ReferenceKeeper(tmp_path / "run" / "c.sock", vouched)
    for _ in range(2):
        await keeper.refresh()
    await server.close()
    assert keeper.current is UNNAMED
    assert [record.message[:21] for record in caplog.records] == ["the daemon's list of "]
