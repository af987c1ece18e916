"""NTS against a real chronyd, and with a man in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from chronotick.config.servers import parse_server
from chronotick.ntp.address import Endpoint, resolve
from chronotick.ntp.asking import Answer, Terms
from chronotick.ntp.nts import asker as asker_module
from chronotick.ntp.nts.asker import NtsAsker
from chronotick.ntp.nts.errors import NtsDrop
from chronotick.ntp.nts.fields import Field, FieldKind, pack_field, read_fields
from chronotick.ntp.nts.interception import ADDRESS, Interception, intercepted
from chronotick.ntp.nts.records import Grant
from chronotick.ntp.nts.retry import Retry
from chronotick.ntp.nts.testing import Authority, Files, Ports, running_nts_chronyd
from chronotick.ntp.packet import HEADER_BYTES, Packet
from chronotick.ntp.timestamps import read_pair

pytestmark = [pytest.mark.chronyd, pytest.mark.usefixtures("start_chronyd")]

PATIENT_S = 20.0
"""For replies that come."""
SHORT_S = 0.05
"""For replies that do not."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def files(authority: Authority) -> Files:
    return authority.issue(addresses=("127.0.0.1", "::1", ADDRESS))


@pytest.fixture(scope="module")
def ports(files: Files) -> Iterator[Ports]:
    with running_nts_chronyd(files) as found:
        yield found


@pytest.fixture
async def man(ports: Ports) -> AsyncIterator[Interception]:
    async with intercepted(ports) as interception:
        yield interception


class Client:
    """An asker, and how it asks."""

    def __init__(self, endpoint: Endpoint, trusted: Path) -> None:
        self.asker = NtsAsker(endpoint)
        self._trusted = trusted

    async def ask(self, timeout_s: float = PATIENT_S) -> Answer:
        return await self.asker.ask(
            Terms(timeout_s=timeout_s, max_delay_ns=10**10, trusted_certs=self._trusted)
        )

    async def measure(self) -> Answer:
        answer = await self.ask()
        assert answer.measurement is not None, answer
        assert answer.measurement.authenticated
        return answer

    @property
    def cookies(self) -> int:
        assert self.asker._session is not None
        return self.asker._session.cookies


@pytest.fixture
async def client(authority: Authority, ports: Ports) -> Client:
    """Asks the server."""
    return await new_client(authority, f"nts://localhost:{ports.keys}")


@pytest.fixture
async def victim(authority: Authority, ports: Ports, man: Interception) -> Client:
    """Asks through the man in the middle."""
    return await new_client(authority, f"nts://{ADDRESS}:{ports.keys}")


async def new_client(authority: Authority, server: str) -> Client:
    (endpoint, *_) = await resolve(parse_server(server))
    return Client(endpoint, authority.certificate)


def fields(packet: bytes) -> list[Field]:
    return list(read_fields(packet, HEADER_BYTES))


async def test_authenticated_time_is_measured_under_the_name_of_its_source(client: Client) -> None:
    for _ in range(3):
        measured = (await client.measure()).measurement
        assert measured is not None
        pair = read_pair()
        error_ns = measured.offset_ns - (pair.realtime_ns - pair.raw_ns)
        assert abs(error_ns) < measured.root_distance_ns
        assert measured.source == str(client.asker._endpoint)
    assert client.cookies == 8


async def test_ipv6_is_asked_as_well(authority: Authority, ports: Ports) -> None:
    await (await new_client(authority, f"nts://[::1]:{ports.keys}")).measure()


async def test_no_cookie_is_sent_twice(man: Interception, victim: Client) -> None:
    for _ in range(30):
        await victim.measure()
    cookies = [f.body for r in man.requests for f in fields(r) if f.kind == FieldKind.COOKIE]
    assert len(cookies) == len(set(cookies)) == 30
    assert man.key_exchanges == 1


async def test_a_reply_is_never_longer_than_its_request(man: Interception, victim: Client) -> None:
    await victim.measure()
    man.reply = nothing
    for _ in range(3):
        await victim.ask(SHORT_S)
    man.reply = one
    await victim.measure()
    assert [len(request) for request in man.requests] == [len(reply) for reply in man.replies]


async def test_lost_cookies_are_refilled_with_the_next_reply(
    man: Interception, victim: Client
) -> None:
    await victim.measure()
    man.reply = nothing
    for _ in range(5):
        await victim.ask(SHORT_S)
    assert victim.cookies == 3
    man.reply = one
    await victim.measure()
    assert victim.cookies == 8
    assert man.key_exchanges == 1


async def test_when_all_cookies_are_spent_there_is_one_key_exchange_and_then_a_pause(
    man: Interception, victim: Client
) -> None:
    await victim.measure()
    man.reply = nothing
    for _ in range(16):
        assert (await victim.ask(SHORT_S)).drops == {"timeout": 1}
    assert man.key_exchanges == 2
    man.reply = one
    answer = await victim.ask()
    assert answer.drops == {NtsDrop.WAITING.value: 1}
    assert answer.error.startswith("no NTS keys: the last ones brought no reply (next attempt in")
    assert man.key_exchanges == 2
    victim.asker._retry = Retry()  # as if that time had passed
    await victim.measure()
    assert man.key_exchanges == 3


def nothing(_: bytes) -> tuple[bytes, ...]:
    return ()


def one(data: bytes) -> tuple[bytes, ...]:
    return (data,)


def stripped(data: bytes) -> bytes:
    return data[:HEADER_BYTES]


def shifted(data: bytes) -> bytes:
    return changed(data, 40)  # the transmit timestamp


def in_root_dispersion(data: bytes) -> bytes:
    return changed(data, 11)


def in_cookies(data: bytes) -> bytes:
    return changed(data, len(data) - 10)


def changed(data: bytes, index: int) -> bytes:
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


def unsealed(data: bytes) -> bytes:
    kept = [field for field in fields(data) if field.kind != FieldKind.AUTHENTICATOR]
    return data[:HEADER_BYTES] + b"".join(pack_field(f.kind, f.body) for f in kept)


TAMPERING: dict[Callable[[bytes], bytes], str] = {
    stripped: "unauthenticated",
    unsealed: "unauthenticated",
    shifted: "forged",
    in_root_dispersion: "forged",
    in_cookies: "forged",
}


@pytest.mark.parametrize("change", TAMPERING, ids=lambda change: change.__name__)
async def test_what_the_man_in_the_middle_changes_is_not_believed(
    man: Interception, victim: Client, change: Callable[[bytes], bytes]
) -> None:
    man.reply = lambda data: (change(data),)
    answer = await victim.ask(SHORT_S)
    assert answer.measurement is None
    assert answer.drops["timeout"] == 1
    man.reply = lambda data: (change(data), data)  # nor does it hide the genuine one
    assert (await victim.measure()).drops == {TAMPERING[change]: 1}


async def test_changed_requests_are_not_answered_with_time(
    man: Interception, victim: Client
) -> None:
    man.request = lambda data: (changed(data, len(data) - 1),)
    answer = await victim.ask(SHORT_S)
    assert answer.measurement is None


async def test_an_earlier_reply_under_a_new_origin_is_not_believed(
    man: Interception, victim: Client
) -> None:
    """A replay that passes the checks of plain NTP: the random timestamp is made to fit."""
    await victim.measure()
    (old,) = man.replies

    def replayed(data: bytes) -> tuple[bytes, ...]:
        origin = Packet.unpack(data).origin_timestamp.to_bytes(8, "big")
        fresh = old[:24] + origin + old[32:47] + bytes([old[47] ^ 1]) + old[48:]
        return (fresh, data)

    man.reply = replayed
    assert (await victim.measure()).drops == {"unique-id": 1}


def kiss(request: bytes, code: bytes, unique_id: bytes) -> bytes:
    forged = Packet(
        mode=4,
        leap=3,
        reference_id=int.from_bytes(code, "big"),
        origin_timestamp=Packet.unpack(request).transmit_timestamp,
    )
    return forged.pack() + pack_field(FieldKind.UNIQUE_ID, unique_id)


@pytest.mark.parametrize("code", [b"DENY", b"RSTR", b"RATE"])
async def test_forged_kisses_change_nothing(man: Interception, victim: Client, code: bytes) -> None:
    man.reply = lambda data: (kiss(man.requests[-1], code, fields(data)[0].body), data)
    answer = await victim.measure()
    assert answer.kiss is None
    assert answer.drops == {"unauthenticated": 1}


async def test_forged_refusals_cost_key_exchanges_but_no_time(
    man: Interception, victim: Client
) -> None:
    """Who answers first with NTSN, and lets the genuine reply through, gains nothing at all."""
    man.reply = lambda data: (kiss(man.requests[-1], b"NTSN", fields(data)[0].body), data)
    for _ in range(3):
        assert (await victim.measure()).drops == {"nts-refused": 1}
    assert man.key_exchanges == 1


async def test_with_refusals_and_no_keys_the_old_cookies_are_used_on(
    man: Interception, victim: Client
) -> None:
    await victim.measure()
    man.reply = lambda data: (kiss(man.requests[-1], b"NTSN", fields(data)[0].body),)
    await until_refused(victim)
    victim.asker._retry.attempted(time.monotonic())  # new keys are not to be had right now
    man.reply = one
    answer = await victim.measure()
    assert answer.drops == {NtsDrop.WAITING.value: 1}
    assert (await victim.measure()).drops == {}
    assert man.key_exchanges == 1


async def until_refused(client: Client) -> Answer:
    for _ in range(8):
        answer = await client.ask(0.5)
        if answer.drops["nts-refused"]:
            return answer
    pytest.fail("never refused")


async def test_a_server_with_new_keys_is_asked_for_new_ones(
    authority: Authority, files: Files
) -> None:
    """It cannot read the old cookies any more, and says so (NTSN)."""
    with running_nts_chronyd(files) as ports:
        client = await new_client(authority, f"nts://localhost:{ports.keys}")
        await client.measure()
    with running_nts_chronyd(files, keys=ports.keys, time=ports.time):
        refused = await until_refused(client)
        assert refused.error == "the server no longer accepts our NTS cookies (kiss code NTSN)"
        assert (await client.measure()).drops == {}
        assert client.cookies == 8


async def test_a_server_with_new_keys_and_a_bad_certificate_is_told_of(
    authority: Authority, files: Files
) -> None:
    with running_nts_chronyd(files) as ports:
        client = await new_client(authority, f"nts://localhost:{ports.keys}")
        await client.measure()
    bad = authority.issue("time.example.org", ())
    with running_nts_chronyd(bad, keys=ports.keys, time=ports.time):
        await until_refused(client)
        answer = await client.ask(0.5)
    assert answer.measurement is None
    assert answer.drops["nts-certificate"] == 1
    assert "made out to another name" in answer.error


async def test_keys_of_four_weeks_are_replaced(
    man: Interception, victim: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await victim.measure()
    monkeypatch.setattr(asker_module, "SESSION_S", 0.0)
    await victim.measure()
    assert man.key_exchanges == 2


async def test_where_old_keys_cannot_be_replaced_they_serve_on_and_nobody_is_pestered(
    man: Interception, victim: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Regression: each reply under the old keys ended the back-off of the failed attempts."""
    await victim.measure()
    monkeypatch.setattr(asker_module, "SESSION_S", 0.0)
    victim._trusted = Authority(tmp_path).certificate
    assert (await victim.measure()).drops == {NtsDrop.CERTIFICATE.value: 1}
    for _ in range(3):
        assert (await victim.measure()).drops == {NtsDrop.WAITING.value: 1}
    assert man.key_exchanges == 2


async def test_other_trusted_certificates_are_tried_at_once(
    authority: Authority, ports: Ports, tmp_path: Path
) -> None:
    client = await new_client(authority, f"nts://localhost:{ports.keys}")
    client._trusted = Authority(tmp_path).certificate
    assert (await client.ask()).drops == {NtsDrop.CERTIFICATE.value: 1}
    waiting = await client.ask()
    assert waiting.drops == {NtsDrop.WAITING.value: 1}
    assert "nobody whom this host trusts" in waiting.error
    client._trusted = authority.certificate
    await client.measure()


async def test_what_this_host_lacks_is_said_without_asking_or_waiting(
    man: Interception, victim: Client, authority: Authority, tmp_path: Path
) -> None:
    trusted = tmp_path / "later.pem"
    victim._trusted = trusted
    for _ in range(2):
        assert (await victim.ask()).drops == {NtsDrop.TRUST.value: 1}
    assert man.key_exchanges == 0
    trusted.write_bytes(authority.certificate.read_bytes())
    await victim.measure()


async def test_the_time_is_asked_where_the_server_for_keys_says(
    authority: Authority, files: Files
) -> None:
    """Keys come from one address, the time from another: here the man's."""
    with running_nts_chronyd(files, f"ntsntpserver {ADDRESS}") as ports:
        async with intercepted(ports) as man:
            client = await new_client(authority, f"nts://localhost:{ports.keys}")
            await client.measure()
    assert (man.key_exchanges, len(man.requests)) == (0, 1)


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("chronyd", "'chronyd' is neither a host name nor an address"),
        ("nts://localhost", "'nts://localhost' is neither"),
        ("localhost:123", "'localhost:123' is neither"),
        ("../etc", "'../etc' is neither"),
        ("no-such-host.invalid", "no-such-host.invalid: "),
    ],
)
async def test_a_time_server_that_is_none_is_not_asked(
    client: Client, server: str, words: str
) -> None:
    with pytest.raises(asker_module.KeyExchangeError, match="time server that belongs") as raised:
        await asker_module._time_server(client.asker._endpoint, Grant(cookies=(), server=server))
    assert words in str(raised.value)


async def test_a_question_may_be_cancelled_at_any_moment(client: Client) -> None:
    for pause_s in (0, 0.001, 0.003, 0.01, 0.03):
        task = asyncio.create_task(client.ask())
        await asyncio.sleep(pause_s)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    client.asker._retry = Retry()
    await client.measure()
