"""Getting keys: from servers that are none, from wrong ones, and from a real chronyd's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from chronotick.ntp.address import Endpoint
from chronotick.ntp.nts.errors import KeyExchangeError, NtsDrop
from chronotick.ntp.nts.key_exchange import Agreement, exchange_keys, prepare
from chronotick.ntp.nts.records import Kind, Record
from chronotick.ntp.nts.testing import Authority, Files, running_nts_chronyd

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
DAY = timedelta(days=1)
NTPV4 = Record(Kind.NEXT_PROTOCOL, b"\0\0").pack()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def files(authority: Authority) -> Files:
    return authority.issue()


async def ask(
    port: int, trusted: Path, *, name: str = "localhost", timeout_s: float = 20
) -> Agreement:
    endpoint = Endpoint(socket.AF_INET, ("127.0.0.1", port), name=name)
    return await exchange_keys(endpoint, prepare(trusted), timeout_s)


async def failure(
    port: int, trusted: Path, *, name: str = "localhost", timeout_s: float = 20
) -> KeyExchangeError:
    with pytest.raises(KeyExchangeError) as raised:
        await ask(port, trusted, name=name, timeout_s=timeout_s)
    return raised.value


def tls(files: Files, *alpn: str, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    if alpn:
        context.set_alpn_protocols([*alpn])
    if version is not None:
        context.maximum_version = version
    return context


@contextlib.asynccontextmanager
async def listening(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await handler(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in filter(None, serving):
            task.cancel()
        await asyncio.gather(*filter(None, serving))


def saying(data: bytes, *, again: bool = False, pause_s: float = 0) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        while True:
            writer.write(data)
            await writer.drain()
            if not again:
                break
            await asyncio.sleep(pause_s)
        writer.close()
        await writer.wait_closed()

    return handler


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.chronyd
@pytest.mark.usefixtures("start_chronyd")
async def test_chronyd_gives_keys_eight_cookies_and_its_port(
    authority: Authority, files: Files
) -> None:
    with running_nts_chronyd(files) as ports:
        found = await ask(ports.keys, authority.certificate)
        again = await ask(ports.keys, authority.certificate, name="127.0.0.1")
    assert len({*found.grant.cookies, *again.grant.cookies}) == 16
    assert (found.grant.server, found.grant.port) == (None, ports.time)


@pytest.mark.chronyd
@pytest.mark.usefixtures("start_chronyd")
async def test_a_server_may_name_another_for_the_time(authority: Authority, files: Files) -> None:
    with running_nts_chronyd(files, "ntsntpserver time.example.org") as ports:
        found = await ask(ports.keys, authority.certificate)
    assert found.grant.server == "time.example.org"


@pytest.mark.parametrize(
    ("since", "until", "words"),
    [
        (-2 * DAY, -DAY, "it has expired, by the clock of this host"),
        (DAY, 2 * DAY, "it is not valid yet, by the clock of this host"),
    ],
)
async def test_a_certificate_out_of_its_time_is_refused(
    authority: Authority, since: timedelta, until: timedelta, words: str
) -> None:
    files = authority.issue(since=since, until=until)
    async with listening(silence, tls(files, "ntske/1")) as port:
        error = await failure(port, authority.certificate)
    assert (error.drop, words in str(error)) == (NtsDrop.CERTIFICATE, True)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
async def test_a_certificate_for_another_name_is_refused(authority: Authority, name: str) -> None:
    files = authority.issue("time.example.org", ("192.0.2.1",))
    async with listening(silence, tls(files, "ntske/1")) as port:
        error = await failure(port, authority.certificate, name=name)
    assert (error.drop, "made out to another name" in str(error)) == (NtsDrop.CERTIFICATE, True)


async def test_a_certificate_of_another_authority_is_refused(
    authority: Authority, files: Files, tmp_path: Path
) -> None:
    async with listening(silence, tls(files, "ntske/1")) as port:
        error = await failure(port, Authority(tmp_path).certificate)
    assert (error.drop, "nobody whom this host trusts" in str(error)) == (
        NtsDrop.CERTIFICATE,
        True,
    )


@pytest.mark.parametrize(
    ("data", "drop", "words"),
    [
        (b"", NtsDrop.PROTOCOL, "closed before its message was whole"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", NtsDrop.PROTOCOL, "closed before"),
        (NTPV4, NtsDrop.PROTOCOL, "closed before"),
        (NTPV4 + Record(Kind.END).pack(), NtsDrop.PROTOCOL, "0 records of type 4"),
        (Record(Kind.ERROR, b"\0\1").pack() + Record(Kind.END).pack(), NtsDrop.REFUSED, "bad"),
    ],
)
async def test_nonsense_inside_of_tls_is_one_sentence(
    authority: Authority, files: Files, data: bytes, drop: NtsDrop, words: str
) -> None:
    async with listening(saying(data), tls(files, "ntske/1")) as port:
        error = await failure(port, authority.certificate)
    assert (error.drop, words in str(error)) == (drop, True)


async def test_records_without_end_are_cut_off(authority: Authority, files: Files) -> None:
    endless = saying(Record(Kind.COOKIE, bytes(100), critical=False).pack(), again=True)
    async with listening(endless, tls(files, "ntske/1")) as port:
        error = await failure(port, authority.certificate)
    assert (error.drop, "does not end" in str(error)) == (NtsDrop.PROTOCOL, True)


@pytest.mark.parametrize("alpn", [(), ("h2",)])
async def test_tls_that_is_not_for_keys_is_refused(
    authority: Authority, files: Files, alpn: tuple[str, ...]
) -> None:
    async with listening(silence, tls(files, *alpn)) as port:
        error = await failure(port, authority.certificate)
    assert error.drop is NtsDrop.TLS
    assert "Check host and port" in str(error)


async def test_older_tls_is_refused(authority: Authority, files: Files) -> None:
    context = tls(files, "ntske/1", version=ssl.TLSVersion.TLSv1_2)
    async with listening(silence, context) as port:
        assert (await failure(port, authority.certificate)).drop is NtsDrop.TLS


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", os.urandom(64), b""],
    ids=["HTTP", "noise", "nothing"],
)
async def test_what_is_not_tls_is_refused(authority: Authority, data: bytes) -> None:
    async with listening(saying(data)) as port:
        error = await failure(port, authority.certificate)
    assert error.drop in {NtsDrop.TLS, NtsDrop.CONNECTION}


async def test_nobody_there_is_said(authority: Authority) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))  # bound, and not listening
        port = sock.getsockname()[1]
        error = await failure(port, authority.certificate)
    assert error.drop is NtsDrop.CONNECTION
    assert f"TCP port {port}" in str(error)


@pytest.mark.parametrize("in_tls", [False, True])
async def test_a_server_that_says_nothing_is_left(
    authority: Authority, files: Files, *, in_tls: bool
) -> None:
    context = tls(files, "ntske/1") if in_tls else None
    async with listening(silence, context) as port:
        error = await failure(port, authority.certificate, timeout_s=0.3)
    assert (error.drop, "more than 0.3 s" in str(error)) == (NtsDrop.TIMEOUT, True)


async def test_a_server_that_trickles_is_left(authority: Authority, files: Files) -> None:
    """Each byte comes soon enough; the message never does."""
    trickle = saying(b"\x40", again=True, pause_s=0.02)
    async with listening(trickle, tls(files, "ntske/1")) as port:
        error = await failure(port, authority.certificate, timeout_s=0.3)
    assert error.drop is NtsDrop.TIMEOUT


async def test_a_cancelled_exchange_leaves_nothing_open(
    authority: Authority, files: Files, until: Until
) -> None:
    before = open_files()
    async with listening(silence, tls(files, "ntske/1")) as port:
        listens = open_files() - before
        task = asyncio.create_task(ask(port, authority.certificate))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: open_files() <= before + listens)


async def test_failures_leave_nothing_open(
    authority: Authority, files: Files, until: Until
) -> None:
    async with listening(saying(b"?"), tls(files, "ntske/1")) as port:
        await failure(port, authority.certificate)
        before = open_files()
        for _ in range(5):
            await failure(port, authority.certificate)
        await until(lambda: open_files() <= before)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_nobody_else_gets_the_keys(
    authority: Authority, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSLKEYLOGFILE is for debugging programs that let themselves be: a clock does not."""
    log = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    async with listening(saying(b"?"), tls(files, "ntske/1")) as port:
        await failure(port, authority.certificate)
    assert not log.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"", "no certificate in it"), (b"\0" * 99, "no certificate in it")],
)
def test_certificates_that_cannot_be_read_are_named(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "trusted.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(KeyExchangeError, match=words) as raised:
        prepare(path)
    assert (raised.value.drop, str(path) in str(raised.value)) == (NtsDrop.TRUST, True)


def test_without_a_choice_the_systems_certificates_are_trusted() -> None:
    assert prepare(None).verify_mode is ssl.CERT_REQUIRED
    assert prepare(None).check_hostname
