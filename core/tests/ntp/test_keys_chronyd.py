"""Symmetric keys against a real chronyd, and with somebody on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from chronotick.config.servers import parse_server
from chronotick.ntp.address import resolve
from chronotick.ntp.asking import Answer, Terms
from chronotick.ntp.keys import KeyAsker
from chronotick.ntp.keys.mac import CIPHER_KEY_BYTES, HASHES
from chronotick.ntp.nts.interception import ADDRESS, Interception, intercepted
from chronotick.ntp.nts.testing import Ports, free_tcp_port
from chronotick.ntp.packet import HEADER_BYTES, Packet
from chronotick.ntp.testing import running_chronyd
from chronotick.ntp.timestamps import read_pair

pytestmark = [pytest.mark.chronyd, pytest.mark.usefixtures("start_chronyd")]

KINDS = [*CIPHER_KEY_BYTES, *HASHES]
PATIENT_S = 20.0
"""For replies that come."""
SHORT_S = 0.05
"""For replies that do not."""
UNKNOWN = 100


def secret_of(number: int, kind: str) -> str:
    return f"{number:02x}" * CIPHER_KEY_BYTES.get(kind, 20)


def written(path: Path, keys: dict[int, tuple[str, str]]) -> Path:
    lines = [f"{number} {kind} HEX:{secret}\n" for number, (kind, secret) in keys.items()]
    path.touch(mode=0o600)
    path.write_text("".join(lines))
    return path


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key of each type, numbered from 1; ours has one more, which the server does not know."""
    every = {n: (kind, secret_of(n, kind)) for n, kind in enumerate(KINDS, start=1)}
    folder = tmp_path_factory.mktemp("keys")
    written(folder / "server", every)
    return written(folder / "ours", every | {UNKNOWN: ("AES128", secret_of(UNKNOWN, "AES128"))})


@pytest.fixture(scope="module")
def port(keys: Path) -> Iterator[int]:
    with running_chronyd(f"keyfile {keys.with_name('server')}") as found:
        yield found


@pytest.fixture
async def man(port: int) -> AsyncIterator[Interception]:
    async with intercepted(Ports(free_tcp_port(), port)) as interception:
        yield interception


async def ask(server: str, keys: Path, timeout_s: float = PATIENT_S) -> Answer:
    (endpoint,) = await resolve(parse_server(server))
    terms = Terms(timeout_s=timeout_s, max_delay_ns=10**10, key_file=keys)
    return await KeyAsker(endpoint).ask(terms)


@pytest.mark.parametrize("number", range(1, len(KINDS) + 1), ids=KINDS)
async def test_authenticated_time_is_measured_with_a_key_of_every_type(
    port: int, keys: Path, number: int
) -> None:
    measured = (await ask(f"key://{number}@127.0.0.1:{port}", keys)).measurement
    assert measured is not None
    assert measured.authenticated
    assert measured.source == f"key://{number}@127.0.0.1:{port}"
    pair = read_pair()
    assert abs(measured.offset_ns - (pair.realtime_ns - pair.raw_ns)) < measured.root_distance_ns


async def test_a_server_is_silent_where_its_key_is_another_or_none(
    port: int, keys: Path, tmp_path: Path
) -> None:
    wrong = written(tmp_path / "wrong", {1: ("AES128", "ff" * 16)})
    for number, file in ((1, wrong), (UNKNOWN, keys)):
        answer = await ask(f"key://{number}@127.0.0.1:{port}", file, SHORT_S)
        assert answer.drops == {"timeout": 1}
        assert answer.error == (
            f"no reply in time. A server that does not have key {number}, or has another under "
            "that number, does not answer"
        )


async def test_a_file_counts_as_it_is_when_a_question_is_asked(
    port: int, keys: Path, tmp_path: Path
) -> None:
    (endpoint,) = await resolve(parse_server(f"key://1@127.0.0.1:{port}"))
    asker, path = KeyAsker(endpoint), tmp_path / "keys"
    terms = Terms(timeout_s=PATIENT_S, max_delay_ns=10**10, key_file=path)
    missing = await asker.ask(terms)
    assert (missing.drops, missing.measurement) == ({"key": 1}, None)
    assert missing.error == f"{path}: the keys cannot be read (No such file or directory)"
    written(path, {1: ("AES128", secret_of(1, "AES128"))})
    assert (await asker.ask(terms)).measurement is not None


async def test_forged_replies_are_dropped_and_the_genuine_one_is_waited_for(
    man: Interception, port: int, keys: Path
) -> None:
    def forge(data: bytes) -> list[bytes]:
        header, code = data[:HEADER_BYTES], data[HEADER_BYTES:]
        later = header[:-1] + bytes([header[-1] ^ 1])
        deny = Packet(
            mode=4,
            reference_id=int.from_bytes(b"DENY", "big"),
            origin_timestamp=Packet.unpack(data).origin_timestamp,
        )
        crypto_nak = header + bytes(4)
        return [header, deny.pack(), crypto_nak, crypto_nak, later + code, data + code, data]

    man.reply = forge
    answer = await ask(f"key://1@{ADDRESS}:{port}", keys)
    assert answer.measurement is not None
    assert answer.measurement.authenticated
    assert answer.drops == {"unauthenticated": 2, "crypto-nak": 2, "forged": 2}
    assert answer.kiss is None


async def test_a_recorded_reply_does_not_answer_the_next_question(
    man: Interception, port: int, keys: Path
) -> None:
    await ask(f"key://1@{ADDRESS}:{port}", keys)
    recorded = man.replies[0]
    man.reply = lambda data: [recorded, data]
    answer = await ask(f"key://1@{ADDRESS}:{port}", keys)
    assert answer.measurement is not None
    assert answer.drops == {"origin": 1}


async def test_a_crypto_nak_alone_is_told_as_what_it_is(
    man: Interception, port: int, keys: Path
) -> None:
    man.reply = lambda data: [data[:HEADER_BYTES] + bytes(4)]
    answer = Answer()
    while not answer.drops["crypto-nak"]:  # it may come too late
        answer = await ask(f"key://1@{ADDRESS}:{port}", keys, SHORT_S)
    assert answer.measurement is None
    assert answer.error == "the server does not accept our key (crypto-NAK)"


async def test_no_secret_is_sent_or_told(man: Interception, port: int, keys: Path) -> None:
    secret = secret_of(1, "AES128")
    answer = await ask(f"key://1@{ADDRESS}:{port}", keys)
    assert bytes.fromhex(secret) not in b"".join([*man.requests, *man.replies])
    assert secret not in repr(answer)
