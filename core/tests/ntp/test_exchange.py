from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager
from typing import Protocol

import pytest

from chronotick.ntp import exchange
from chronotick.ntp.address import Endpoint
from chronotick.ntp.checks import Drop
from chronotick.ntp.exchange import Outcome, Query, run_exchange
from chronotick.ntp.measurement import Measurement, Stamps
from chronotick.ntp.packet import Packet
from chronotick.ntp.timestamps import ClockPair, Received, read_pair, receive

SECOND = 1_000_000_000


class Server(Protocol):
    endpoint: Endpoint
    answer: Callable[[Packet], Iterable[bytes]]
    requests: list[bytes]
    clients: list[tuple[str, int]]


Answer = Callable[[Packet], Iterable[bytes]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
StartServer = Callable[..., Awaitable[Server]]
Honest = Callable[..., Packet]


async def ask(
    endpoint: Endpoint,
    *,
    timeout_s: float = 0.25,
    max_delay_ns: int = SECOND,
    previous_transmit: int | None = None,
    kernel_stamps: bool = True,
) -> Outcome:
    query = Query(
        endpoint=endpoint,
        timeout_s=timeout_s,
        max_delay_ns=max_delay_ns,
        previous_transmit=previous_transmit,
        kernel_stamps=kernel_stamps,
    )
    return await run_exchange(query)


def error_ns(measurement: Measurement) -> int:
    """What the measurement is wrong by, where server and client share the system clock."""
    pair = read_pair()
    return measurement.offset_ns - (pair.realtime_ns - pair.raw_ns)


async def test_an_honest_reply_becomes_a_measurement(start_server: StartServer) -> None:
    server = await start_server()
    outcome = await ask(server.endpoint)
    assert outcome.reply is not None
    measured = outcome.reply.measurement
    assert measured.source == f"127.0.0.1:{server.endpoint.port}"
    assert measured.stratum == 1
    assert abs(error_ns(measured)) < measured.root_distance_ns
    assert (not outcome.drops, outcome.error, outcome.kiss) == (True, "", None)


@pytest.mark.parametrize("error_s", [-3600, 0.5, 86_400 * 365 * 20])
async def test_a_wrong_server_is_measured_as_wrong(
    start_server: StartServer, honest: Honest, error_s: float
) -> None:
    wrong_ns = round(error_s * SECOND)
    server = await start_server(lambda request: [honest(request, error_ns=wrong_ns).pack()])
    outcome = await ask(server.endpoint)
    assert outcome.reply is not None
    measured = outcome.reply.measurement
    assert abs(error_ns(measured) - wrong_ns) < measured.root_distance_ns


async def test_user_stamps_are_said_to_be_so_and_less_precise(start_server: StartServer) -> None:
    server = await start_server()
    outcome = await ask(server.endpoint, kernel_stamps=False)
    assert outcome.reply is not None
    measured = outcome.reply.measurement
    assert measured.stamps is Stamps.USER
    assert measured.precision_ns > 80_000
    assert abs(error_ns(measured)) < measured.root_distance_ns


async def test_a_missing_transmit_stamp_is_not_waited_for_long_and_stated(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "transmit_stamp", lambda _: None)
    server = await start_server()
    outcome = await ask(server.endpoint)
    assert outcome.reply is not None
    assert outcome.reply.measurement.stamps in {Stamps.KERNEL_RX, Stamps.USER}
    assert abs(error_ns(outcome.reply.measurement)) < outcome.reply.measurement.root_distance_ns


async def test_requests_reveal_nothing_and_never_repeat(start_server: StartServer) -> None:
    server = await start_server()
    for _ in range(4):
        await ask(server.endpoint)
    assert {request[:40] for request in server.requests} == {b"\x23" + bytes(39)}
    assert len({request[40:] for request in server.requests}) == 4
    assert len(set(server.clients)) == 4


GARBAGE: dict[Drop, Callable[[Honest, Packet], bytes]] = {
    Drop.TRUNCATED: lambda honest, request: honest(request).pack()[:-1],
    Drop.MODE: lambda honest, request: honest(request, mode=3).pack(),
    Drop.VERSION: lambda honest, request: honest(request, version=1).pack(),
    Drop.ORIGIN: lambda honest, request: honest(request, origin_timestamp=1).pack(),
    Drop.DUPLICATE: lambda honest, request: honest(request, transmit_timestamp=77).pack(),
    Drop.UNSYNCHRONISED: lambda honest, request: honest(request, leap=3).pack(),
    Drop.STRATUM: lambda honest, request: honest(request, stratum=16).pack(),
    Drop.ZERO_TIMESTAMP: lambda honest, request: honest(request, receive_timestamp=0).pack(),
    Drop.ROOT_DISTANCE: lambda honest, request: honest(request, root_delay=2**31).pack(),
    Drop.KISS: lambda honest, request: kiss(honest, request, "DENY"),
}


def kiss(honest: Honest, request: Packet, code: str) -> bytes:
    word = int.from_bytes(code.encode(), "big")
    return honest(request, leap=3, stratum=0, reference_id=word).pack()


@pytest.mark.parametrize("drop", GARBAGE, ids=lambda drop: drop.value)
async def test_a_bad_reply_is_counted_and_the_genuine_one_still_taken(
    start_server: StartServer, honest: Honest, drop: Drop
) -> None:
    server = await start_server(lambda q: [GARBAGE[drop](honest, q), honest(q).pack()])
    outcome = await ask(server.endpoint, timeout_s=5, previous_transmit=77)
    assert outcome.reply is not None
    assert outcome.drops == {drop: 1}


@pytest.mark.parametrize("drop", GARBAGE, ids=lambda drop: drop.value)
async def test_a_bad_reply_alone_ends_at_the_deadline_with_its_reason(
    start_server: StartServer, honest: Honest, drop: Drop
) -> None:
    server = await start_server(lambda request: [GARBAGE[drop](honest, request)])
    outcome = await ask(server.endpoint, previous_transmit=77, timeout_s=0.15)
    assert outcome.reply is None
    assert outcome.drops[drop] == 1
    assert drop.words in outcome.error
    assert set(outcome.drops) <= {drop, Drop.TIMEOUT}


async def test_a_flood_of_garbage_does_not_hide_the_genuine_reply(
    start_server: StartServer, honest: Honest
) -> None:
    def flood(request: Packet) -> Iterable[bytes]:
        spoofed = [honest(request, origin_timestamp=number).pack() for number in range(100)]
        return [*spoofed, b"\0", b"\xff" * 500, honest(request).pack()]

    server = await start_server(flood)
    outcome = await ask(server.endpoint, timeout_s=5)
    assert outcome.reply is not None
    assert outcome.drops == {Drop.ORIGIN: 100, Drop.TRUNCATED: 1, Drop.MODE: 1}


@pytest.mark.parametrize("code", ["RATE", "DENY", "RSTR"])
async def test_kiss_codes_are_handed_on(
    start_server: StartServer, honest: Honest, code: str
) -> None:
    server = await start_server(lambda request: [kiss(honest, request, code)])
    outcome = await ask(server.endpoint, timeout_s=0.15)
    assert outcome.kiss == code
    assert code in outcome.error
    assert outcome.drops == {Drop.KISS: 1}


@pytest.mark.parametrize(
    ("changes", "drop"),
    [
        ({"receive_timestamp": 2**63}, Drop.HOLD_TIME),
        ({"transmit_timestamp": 2**63}, Drop.HOLD_TIME),
    ],
)
async def test_an_implausible_hold_time_is_dropped(
    start_server: StartServer, honest: Honest, changes: dict[str, int], drop: Drop
) -> None:
    server = await start_server(lambda request: [honest(request, **changes).pack()])
    outcome = await ask(server.endpoint)
    assert outcome.reply is None
    assert outcome.drops == {drop: 1}


async def test_a_round_trip_beyond_max_delay_is_dropped(start_server: StartServer) -> None:
    server = await start_server()
    outcome = await ask(server.endpoint, max_delay_ns=1)
    assert outcome.drops == {Drop.DELAY: 1}
    assert "max_delay" in outcome.error


async def test_a_silent_server_times_out(start_server: StartServer) -> None:
    server = await start_server(lambda _: [])
    outcome = await ask(server.endpoint, timeout_s=0.15)
    assert outcome.drops == {Drop.TIMEOUT: 1}
    assert outcome.error == "no reply in time"


async def test_a_reply_from_another_port_never_counts(
    start_server: StartServer, honest: Honest
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        server = await start_server(lambda _: [])

        def answer_from_elsewhere(request: Packet) -> Iterable[bytes]:
            stranger.sendto(honest(request).pack(), server.clients[-1])
            return []

        server.answer = answer_from_elsewhere
        outcome = await ask(server.endpoint, timeout_s=0.15)
    assert outcome.reply is None
    assert outcome.drops in ({Drop.TIMEOUT: 1}, {Drop.ADDRESS: 1})


async def test_a_reply_that_slipped_in_before_connecting_is_dropped_by_its_address(
    start_server: StartServer, honest: Honest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def receive_from_stranger(sock: socket.socket) -> Received:
        received = receive(sock)
        return Received(received.data, ("127.0.0.9", 123), received.raw_ns, received.kernel_ns)

    monkeypatch.setattr(exchange, "receive", receive_from_stranger)
    server = await start_server()
    outcome = await ask(server.endpoint, timeout_s=0.15)
    assert outcome.drops == {Drop.ADDRESS: 1, Drop.TIMEOUT: 1}


async def test_a_closed_port_is_said_to_be_closed(closed_endpoint: Endpoint) -> None:
    outcome = await ask(closed_endpoint, timeout_s=0.15)
    assert outcome.drops == {Drop.REFUSED: 1}
    assert "nothing listens" in outcome.error


async def test_what_cannot_be_sent_is_an_outcome_and_not_an_exception() -> None:
    broadcast = Endpoint(socket.AF_INET, ("255.255.255.255", 123))  # not permitted on this socket
    outcome = await ask(broadcast)
    assert outcome.drops == {Drop.NETWORK: 1}
    assert "Check this host's network" in outcome.error


async def test_a_step_of_the_system_clock_discards_the_sample(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is stepped between the two readings: the second one is shifted by an hour."""
    readings: list[ClockPair] = []

    def read_stepped() -> ClockPair:
        pair = read_pair()
        readings.append(pair)
        step_ns = 3600 * SECOND if len(readings) > 1 else 0
        return ClockPair(pair.realtime_ns + step_ns, pair.raw_ns, pair.window_ns)

    monkeypatch.setattr(exchange, "read_pair", read_stepped)
    server = await start_server()
    outcome = await ask(server.endpoint)
    assert outcome.reply is None
    assert outcome.drops == {Drop.CLOCK_STEP: 1}
    assert "stepped by +3600" in outcome.error


@pytest.mark.chronyd
async def test_a_blocked_event_loop_does_not_spoil_kernel_stamps(
    start_chronyd: Callable[..., AbstractContextManager[int]],
) -> None:
    """The reply waits 50 ms for the loop: user-space stamps would be wrong by half of that."""
    with start_chronyd() as port:
        endpoint = Endpoint(socket.AF_INET, ("127.0.0.1", port))
        task = asyncio.create_task(ask(endpoint, timeout_s=5))
        await asyncio.sleep(0)  # the request leaves
        time.sleep(0.05)  # noqa: ASYNC251  # blocking the loop is the point
        outcome = await task
    assert outcome.reply is not None
    measured = outcome.reply.measurement
    assert measured.stamps is Stamps.KERNEL
    assert measured.delay_ns < 25_000_000
    assert abs(error_ns(measured)) < measured.root_distance_ns


async def test_cancelling_leaves_no_socket_behind(start_server: StartServer, until: Until) -> None:
    """An unclosed socket is a ResourceWarning, and warnings are errors here."""
    server = await start_server(lambda _: [])
    task = asyncio.create_task(ask(server.endpoint, timeout_s=30))
    await until(lambda: bool(server.requests))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
