"""``/v1/stream`` over real WebSockets."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from contextlib import suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from chronotick.access import connections
from chronotick.http import watching
from chronotick.http.mailbox import MOST_WAITING, Mailbox
from chronotick.http.serving import Settings
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter
from chronotick.views import TimeReading

TOKEN = "correct-horse+battery/staple=="  # noqa: S105 - of tests only
EPOCH_NS = 1_800_000_000 * 10**9

pytestmark = pytest.mark.usefixtures("writer", "answers")


async def next_of(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a kind; others are passed over."""
    while True:
        message: dict[str, Any] = json.loads(await connection.recv())
        if message["type"] == kind:
            return message


async def test_hello_comes_first_and_then_all_there_is(serving, answers):
    async with serving() as server, server.stream() as connection:
        hello = json.loads(await connection.recv())
        assert (hello["type"], hello["rate_hz"], hello["clients"]) == ("hello", 1.0, 1)
        time = await next_of(connection, "time")
        del time["type"]
        TimeReading.model_validate(time)
        assert (await next_of(connection, "status"))["status"] == answers["status"]
        assert (await next_of(connection, "sources"))["sources"] == answers["sources"]
        assert (await next_of(connection, "models"))["models"] == answers["models"]


@pytest.mark.parametrize(
    ("asked", "got"), [("20", 20), ("1000", 20), ("10", 10), ("3", 20 / 7), ("0.0001", 0.1)]
)
async def test_a_rate_becomes_the_nearest_possible_and_hello_says_so(serving, asked, got):
    async with serving() as server, server.stream(f"?rate={asked}") as connection:
        hello = await next_of(connection, "hello")
        assert hello["rate_hz"] == pytest.approx(got)
        assert hello["asked_rate_hz"] == float(asked)


async def test_each_client_gets_its_own_rate_of_the_same_readings(serving):
    async def read(connection: ClientConnection, count: int) -> set[int]:
        return {(await next_of(connection, "time"))["time_ns"] for _ in range(count)}

    async with (
        serving() as server,
        server.stream("?rate=20") as fast,
        server.stream("?rate=5") as slow,
    ):
        often, seldom = await asyncio.gather(read(fast, 24), read(slow, 5))
    assert len(seldom & often) >= 3  # made once for both
    assert len(often) > 2 * len(seldom)


async def test_without_a_daemon_it_says_so_and_goes_on_when_one_is_there(serving, writer):
    writer.close()
    async with serving() as server, server.stream("?rate=20") as connection:
        error = await next_of(connection, "error")
        assert (error["about"], error["error"]["code"]) == ("time", "daemon_unavailable")
        again = RecordWriter(writer.path)
        again.write(good_record())
        assert (await next_of(connection, "time"))["reliable"]
        again.close()


async def test_a_change_of_state_is_told_once_with_its_reason(serving, history, monkeypatch):
    monkeypatch.setattr(watching, "EVERY_S", 0.1)
    async with serving() as server, server.stream("?rate=0.1") as connection:
        await next_of(connection, "models")  # everything before this was before the client
        await next_of(connection, "models")
        history.add_transition(
            raw_ns=2, unix_ns=EPOCH_NS + 2, before="warming-up", after="synchronised", reason="why"
        )
        change = await next_of(connection, "transition")
        await next_of(connection, "models")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(next_of(connection, "transition"), 0.5)
    assert change == {
        "type": "transition",
        "time_ns": EPOCH_NS + 2,
        "time": "2027-01-15T08:00:00.000000002+00:00",
        "before": "warming-up",
        "after": "synchronised",
        "reason": "why",
    }


async def test_it_outlasts_the_time_that_a_request_may_take(serving, monkeypatch):
    """The timer of the request went on after the upgrade, and its 408 broke the stream."""
    monkeypatch.setattr(connections, "HEAD_S", 0.2)
    async with serving() as server, server.stream("?rate=20") as connection:
        for _ in range(10):
            await next_of(connection, "time")


async def refused(server, query: str = "", **options: Any) -> tuple[int, str]:  # noqa: ANN401
    with pytest.raises(InvalidStatus) as caught:
        async with server.stream(query, **options):
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body)["error"]["code"]


@pytest.mark.parametrize("query", ["?rate=fast", "?rate=0", "?rate=-1", "?rate=nan", "?hz=1"])
async def test_rates_that_are_none_are_refused_before_the_upgrade(serving, query: str):
    async with serving() as server:
        assert await refused(server, query) == (400, "bad_request")


async def test_a_refused_handshake_is_no_error_of_ours(serving, caplog):
    caplog.set_level(logging.INFO)
    async with serving(Settings(access_log=True)) as server:
        assert await refused(server, "?rate=0") == (400, "bad_request")
        async with server.stream() as connection:
            await next_of(connection, "hello")
    assert [line.message for line in caplog.records if line.levelno > logging.INFO] == []
    assert '"WebSocket /v1/stream?rate=0" 400' in caplog.text
    assert {line.name for line in caplog.records if "WebSocket" in line.message} == {
        "chronotick.http"
    }


async def test_pages_of_other_sites_and_other_names_are_refused(serving):
    async with serving() as server:
        for origin in ("http://evil.example", "null", "http://[", f"{server.url}.evil.example"):
            assert await refused(server, origin=origin) == (403, "forbidden_origin")
        async with server.stream(origin=server.url) as connection:
            await next_of(connection, "hello")


async def test_there_is_no_other_websocket(serving):
    async with serving() as server:
        url = server.url.replace("http", "ws", 1)
        for path, status in (("/v1/time", 404), ("/nowhere", 404)):
            with pytest.raises(InvalidStatus) as caught:
                await connect(url + path, proxy=None)
            assert caught.value.response.status_code == status


async def test_the_token_comes_as_a_header_or_as_a_subprotocol(serving):
    secret = base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")
    wrong = base64.urlsafe_b64encode(b"x" * 20).decode().rstrip("=")
    async with serving(Settings(token=TOKEN.encode())) as server:
        assert await refused(server) == (401, "unauthorised")
        for offered in (f"chronotick.bearer.{wrong}", "chronotick.bearer.%", "chronotick.bearer."):
            assert await refused(server, subprotocols=["chronotick.v1", offered]) == (
                401,
                "unauthorised",
            )
        header = {"Authorization": f"Bearer {TOKEN}"}
        async with server.stream(additional_headers=header) as connection:
            assert connection.subprotocol is None
        offered = ["chronotick.v1", f"chronotick.bearer.{secret}"]
        async with server.stream(subprotocols=offered) as connection:
            assert connection.subprotocol == "chronotick.v1"
            await next_of(connection, "hello")


async def test_a_client_too_many_is_turned_away_and_there_is_room_again(serving):
    async with serving(Settings(most_clients=1)) as server:
        async with server.stream() as connection:
            await next_of(connection, "hello")
            assert await refused(server) == (503, "busy")
        for _ in range(50):
            with suppress(InvalidStatus):
                async with server.stream() as connection:
                    assert (await next_of(connection, "hello"))["clients"] == 1
                    return
        pytest.fail("there was never room again")


async def closing(connection: ClientConnection) -> int:
    """The code with which the server closes."""
    with pytest.raises(ConnectionClosed) as caught:
        await endless(connection)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code


async def endless(connection: ClientConnection) -> None:
    while True:
        await connection.recv()


async def test_clients_that_talk_are_closed(serving):
    async with serving() as server:
        async with server.stream() as connection:
            await connection.send("x" * 1025)
            assert await closing(connection) == 1009
        async with server.stream() as connection:
            for _ in range(11):
                await connection.send("x")
            assert await closing(connection) == 1008
        async with server.stream() as connection:
            await connection.send(b"\xff")  # may say a little
            await next_of(connection, "time")


async def test_when_the_server_ends_clients_are_told(serving):
    async with serving() as server:
        connection = await server.stream()
        await next_of(connection, "hello")
    assert await closing(connection) == 1012


async def test_a_client_that_takes_nothing_gets_the_newest_and_is_then_closed(
    serving, answers, monkeypatch
):
    monkeypatch.setattr(connections, "TAKE_S", 0.3)
    monkeypatch.setattr(watching, "EVERY_S", 0.01)
    answers["status"] = {"padding": "x" * 500_000}
    async with serving() as server, server.stream("?rate=20", max_queue=1) as slow:
        async with server.stream("?rate=20") as other:
            slow.transport.pause_reading()
            await asyncio.sleep(1.5)
            assert (await next_of(other, "time"))["reliable"]  # nobody else waits for it
        slow.transport.resume_reading()
        with pytest.raises(ConnectionClosed):
            await endless(slow)


async def test_a_mailbox_keeps_the_newest_of_each_kind():
    mailbox = Mailbox()
    for number in range(3):
        mailbox.put("time", f"time {number}")
        mailbox.put("status", f"status {number}")
    assert await mailbox.take() == ["time 2", "status 2"]
    for number in range(MOST_WAITING + 5):
        mailbox.put(f"transition {number}", str(number))
    assert await mailbox.take() == [str(number) for number in range(5, MOST_WAITING + 5)]
