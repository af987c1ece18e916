"""A server's conversation with clocks, on real encrypted sockets: what it answers to whom."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq

from chronotick.plugin import ModelSpec
from chronotick.workers import Phase, WorkerPool, wire
from chronotick.workers.allowlist import AllowList
from chronotick.workers.doorway import MAX_FRAME_BYTES
from chronotick.workers.front import Front
from chronotick.workers.messages import (
    LOAD_REQUEST,
    Attach,
    Bye,
    Cancel,
    Drain,
    Failed,
    ForecastRequest,
    Hello,
    Loading,
    Message,
    Ready,
    Refuse,
    Result,
    Welcome,
)

Serve = Callable[..., Awaitable[Front]]
Until = Callable[..., Awaitable[None]]
WELCOME = Welcome(protocol=1, model="echo", checkpoint="", device="", threads=0)


class Clock:
    """The clock's end, spoken by hand."""

    def __init__(self, socket: zmq.Socket[bytes], until: Until) -> None:
        self._socket = socket
        self._until = until

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.send_raw(*wire.encode(message))

    def send_raw(self, *frames: bytes) -> None:
        self._socket.send_multipart(frames)

    async def receive(self, *kinds: type[Message]) -> Any:  # noqa: ANN401 - any of the kinds
        """Wait for a message of one of these kinds; others are skipped."""
        while True:
            await self._until(lambda: self._socket.poll(0))
            message = wire.decode(self._socket.recv_multipart())
            if isinstance(message, kinds):
                return message

    async def attach(self) -> None:
        self.send(Attach(protocol=(1, 1), model="echo", token="t"))  # noqa: S106 - not a secret
        assert (await self.receive(Hello)).token == "t"  # noqa: S105 - same
        self.send(WELCOME)
        await self.receive(Ready)


@pytest.fixture
async def serve(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    server_machine: Any,  # noqa: ANN401 - of conftest
    allowed: Path,
    wait_for_phase: Callable[..., Awaitable[None]],
) -> AsyncIterator[Serve]:
    fronts = []

    async def start(checkpoint: str = "", *, max_clocks: int = 8) -> Front:
        pool = make_pool()
        worker = pool.add(echo, checkpoint)
        await wait_for_phase(worker, Phase.READY)
        front = Front(
            "tcp://127.0.0.1:0",
            server_machine.pair,
            AllowList(allowed),
            pool.workers,
            max_clocks=max_clocks,
            beat_s=0.1,
            poll_s=0.02,
        )
        fronts.append(front)
        return front

    yield start
    for front in fronts:
        await front.close()


@pytest.fixture
def connect(server_machine, clock_machine, until: Until) -> Iterator[Callable[..., Any]]:
    context = zmq.Context()

    @contextmanager
    def open_clock(front: Front, pair=clock_machine.pair) -> Iterator[Clock]:
        with context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            if pair is not None:
                socket.curve_serverkey = server_machine.pair.public.encode()
                socket.curve_publickey = pair.public.encode()
                socket.curve_secretkey = pair.secret.encode()
            socket.connect(front.address)
            yield Clock(socket, until)

    yield open_clock
    context.term()


def forecast(
    request_id: int, *, deadline_ns: int = 20 * 10**9, length: int = 4, **changes: object
) -> ForecastRequest:
    ones = np.ones((1, length))
    values: dict[str, Any] = {
        "horizon": 2,
        "quantiles": (0.1, 0.9),
        "step_s": 1.0,
        "arrays": {"values": ones, "noise": ones, "trend_covariance": np.zeros((1, 4))},
    }
    return ForecastRequest(id=request_id, deadline_ns=deadline_ns, **(values | changes))


async def test_a_clock_on_the_list_is_served_and_takes_its_leave(serve: Serve, connect, until):
    front = await serve()
    with connect(front) as clock:
        await clock.attach()
        clock.send(forecast(1))
        result = await clock.receive(Result)
        assert (result.id, result.arrays["quantiles"].shape) == (1, (1, 2, 2))
        assert front.clocks == ["clock"]
        clock.send(Drain())
        assert await clock.receive(Bye) == Bye(reason="drained")
    assert front.clocks == []


async def test_state_is_repeated_so_that_silence_means_something(serve: Serve, connect):
    with connect(await serve()) as clock:
        await clock.attach()
        for _ in range(3):
            assert (await clock.receive(Ready)).max_context == 16384


async def test_a_clock_that_just_leaves_is_forgotten(serve: Serve, connect, until: Until):
    front = await serve()
    with connect(front) as clock:
        await clock.attach()
    await until(lambda: front.clocks == [])


@pytest.mark.parametrize("stranger", ["valid key", "no encryption"])
async def test_nobody_else_comes_in(serve: Serve, connect, machine, stranger: str):
    """The authentication is ours and not the library's default, which admits every key."""
    front = await serve()
    pair = machine("stranger").pair if stranger == "valid key" else None
    with connect(front, pair) as clock, connect(front) as friend:
        clock.send(Attach(protocol=(1, 1), model="echo", token="t"))  # noqa: S106 - no secret
        for _ in range(3):  # a friend who comes later is served meanwhile
            await friend.attach()
            friend.send(Drain())
            await friend.receive(Bye)
        assert not clock._socket.poll(200)
    assert front.dropped.total() == 0


@pytest.mark.parametrize("protocol", [(0, 0), (2, 9)])
async def test_other_protocols_are_refused(serve: Serve, connect, protocol: tuple[int, int]):
    with connect(await serve()) as clock:
        clock.send(Attach(protocol=protocol, model="echo", token="t"))  # noqa: S106 - no secret
        refusal = await clock.receive(Refuse)
    assert "is spoken by the clock, 1-1 by the server" in refusal.reason
    assert "same release" in refusal.hint


async def test_version_that_was_not_offered_is_refused(serve: Serve, connect):
    front = await serve()
    with connect(front) as clock:
        clock.send(Attach(protocol=(1, 7), model="echo", token="t"))  # noqa: S106 - no secret
        assert (await clock.receive(Hello)).protocol == (1, 1)
        clock.send(Welcome(protocol=7, model="echo", checkpoint="", device="", threads=0))
        assert "7 was not offered" in (await clock.receive(Refuse)).reason
    assert front.clocks == []


async def test_unknown_model_is_refused_with_those_served(serve: Serve, connect, caplog):
    with connect(await serve()) as clock:
        for _ in range(3):
            clock.send(Attach(protocol=(1, 1), model="ttm", token="t"))  # noqa: S106 - no secret
            refusal = await clock.receive(Refuse)
    assert refusal.reason == "model ttm is not served here; served are: echo"
    assert refusal.hint.endswith("chronotick worker serve --model ttm")
    told = [record for record in caplog.records if "refused clock" in record.getMessage()]
    assert len(told) == 1  # clocks ask again and again


async def test_more_clocks_than_allowed_are_refused_until_one_leaves(serve: Serve, connect, until):
    front = await serve(max_clocks=1)
    with connect(front) as first, connect(front) as second:
        await first.attach()
        second.send(Attach(protocol=(1, 1), model="echo", token="t"))  # noqa: S106 - no secret
        assert "1 clocks are connected" in (await second.receive(Refuse)).reason
        first.send(Drain())
        await first.receive(Bye)
        await second.attach()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"horizon": 10**9}, "1 to 16384 steps"),
        ({"horizon": 0}, "1 to 16384 steps"),
        ({"horizon": -1}, "1 to 16384 steps"),
        ({"length": 16385}, "1 to 16384 samples"),
        ({"length": 0}, "1 to 16384 samples"),
        ({"quantiles": (0.9, 0.1)}, "must ascend"),
        ({"quantiles": (0.0, 0.5)}, "between 0 and 1"),
        ({"quantiles": (float("nan"),)}, "between 0 and 1"),
        ({"quantiles": (0.5,) * 100}, "at most 99"),
        ({"step_s": float("inf")}, "step_s must be above 0"),
        ({"step_s": 0.0}, "step_s must be above 0"),
        ({"arrays": {}}, "array named values"),
    ],
)
async def test_a_request_nobody_can_answer_fails_alone(
    serve: Serve, connect, changes: dict[str, Any], words: str
):
    with connect(await serve()) as clock:
        await clock.attach()
        clock.send(forecast(1, **changes))
        failed = await clock.receive(Failed)
        assert (failed.id, words in failed.message) == (1, True), failed
        clock.send(forecast(2))
        assert (await clock.receive(Result)).id == 2


async def test_an_answer_too_large_for_a_message_is_not_computed(serve: Serve, connect):
    ones = np.ones((40, 1))
    arrays = {"values": ones, "noise": ones, "trend_covariance": np.zeros((40, 4))}
    levels = tuple(np.linspace(0.01, 0.99, 99))
    with connect(await serve()) as clock:
        await clock.attach()
        clock.send(forecast(1, horizon=16384, quantiles=levels, arrays=arrays))
        assert "ask for fewer series" in (await clock.receive(Failed)).message


async def computing(front: Front, until: Until) -> None:
    await until(lambda: front._workers["echo"].state.requests == 1)


async def test_clocks_take_turns_and_deadlines_go_on_while_they_wait(
    serve: Serve, connect, until: Until
):
    front = await serve("late=1")
    with connect(front) as greedy, connect(front) as hurried:
        await greedy.attach()
        await hurried.attach()
        greedy.send(forecast(1))
        await computing(front, until)
        greedy.send(forecast(2), forecast(3))
        superseded = await greedy.receive(Failed)
        assert (superseded.id, superseded.kind) == (2, "superseded")
        hurried.send(forecast(1, deadline_ns=10**7))
        expired = await hurried.receive(Failed)
        assert (expired.id, expired.kind) == (1, "expired")
        assert [(await greedy.receive(Result)).id for _ in range(2)] == [1, 3]


async def test_a_waiting_request_can_be_cancelled(serve: Serve, connect, until: Until):
    front = await serve("late=1")
    with connect(front) as one, connect(front) as two:
        await one.attach()
        await two.attach()
        one.send(forecast(1))
        await computing(front, until)
        two.send(forecast(1), Cancel(id=9), Cancel(id=1))
        cancelled = await two.receive(Failed, Result)
        assert (cancelled.id, getattr(cancelled, "kind", "computed")) == (1, "cancelled")
        assert (await one.receive(Result)).id == 1


async def test_a_model_that_dies_is_told_and_comes_back(serve: Serve, connect):
    front = await serve("crash-after=1")
    with connect(front) as clock:
        await clock.attach()
        clock.send(forecast(1))
        await clock.receive(Result)
        clock.send(forecast(2))
        while (failed := await clock.receive(Failed)).id == LOAD_REQUEST:
            pass  # the state is told, too
        assert (failed.id, failed.kind) == (2, "unavailable")
        assert "SIGABRT" in failed.message
        await clock.receive(Failed, Loading)
        await clock.receive(Ready)
        clock.send(forecast(3))
        assert (await clock.receive(Result)).id == 3


async def test_an_exception_in_the_model_reaches_the_clock(serve: Serve, connect):
    with connect(await serve("raise")) as clock:
        await clock.attach()
        clock.send(forecast(1))
        failed = await clock.receive(Failed)
    assert (failed.kind, failed.message) == (
        "exception",
        "RuntimeError: echo: an exception, as asked for",
    )
    assert "Traceback" in failed.traceback


async def test_a_key_taken_off_the_list_ends_the_session(serve: Serve, connect, admit):
    front = await serve()
    with connect(front) as clock:
        await clock.attach()
        admit(None)
        front.recheck()
        assert "not on the server's list any more" in (await clock.receive(Refuse)).reason
        clock.send(Attach(protocol=(1, 1), model="echo", token="t"))  # noqa: S106 - no secret
        assert "not on the server's list any more" in (await clock.receive(Refuse)).reason
    assert front.clocks == []


async def test_nonsense_is_dropped_and_counted(serve: Serve, connect, until: Until):
    front = await serve()
    with connect(front) as clock:
        clock.send(forecast(1))
        assert (await clock.receive(Refuse)).reason == "it is not attached"
        await clock.attach()
        clock.send_raw(b"\xc1garbage")
        clock.send_raw(msgpack.packb({"t": "PING"}))
        clock.send(Ready(checkpoint="", device="", max_context=1, max_horizon=1))
        clock.send(forecast(1))
        assert (await clock.receive(Result)).id == 1
    assert front.dropped == {
        "not attached": 1,
        "malformed": 1,
        "unknown message": 1,
        "out of place": 1,
    }


async def test_a_flood_costs_the_flooder_only(serve: Serve, connect, machine, admit):
    other = machine("other")
    admit(other)
    front = await serve()
    with connect(front) as flooder, connect(front, other.pair) as clock:
        await flooder.attach()
        await clock.attach()
        for _ in range(2000):
            flooder.send(Cancel(id=1))
            await asyncio.sleep(0)
        clock.send(forecast(1))
        assert (await clock.receive(Result)).id == 1
    assert front.dropped["too many"] > 0


UNREAD = """
import asyncio, sys
from pathlib import Path
import zmq
from chronotick.workers.allowlist import AllowList
from chronotick.workers.doorway import Doorway
from chronotick.workers.keys import KeyPair

allowed, *keys = sys.argv[1:]
server, clock = KeyPair(*keys[:2]), KeyPair(*keys[2:])

async def main():
    doorway = Doorway("tcp://127.0.0.1:0", server, AllowList(Path(allowed)), print)
    doorway._pump.close()  # nobody reads: more than the high-water mark stops the input
    with zmq.Context() as context, context.socket(zmq.DEALER) as flooder:
        flooder.linger = 0
        flooder.curve_serverkey = server.public.encode()
        flooder.curve_publickey, flooder.curve_secretkey = (key.encode() for key in keys[2:])
        flooder.connect(doorway.address)
        for _ in range(1000):
            await asyncio.to_thread(flooder.send, bytes(1000))
        await asyncio.sleep(0.5)
    await asyncio.sleep(4.5)  # libzmq looks after connections every two seconds, if told to
    doorway.close()

asyncio.run(main())
"""


async def test_a_flood_that_nobody_reads_does_not_end_the_server(
    server_machine, clock_machine, allowed: Path
):
    """With ZMTP heartbeats libzmq aborts; see :mod:`chronotick.workers.liveness`."""
    keys = [
        key
        for each in (server_machine, clock_machine)
        for key in (each.pair.public, each.pair.secret)
    ]
    program = [sys.executable, "-c", UNREAD, str(allowed), *keys]
    server = await asyncio.create_subprocess_exec(*program, stderr=asyncio.subprocess.PIPE)
    _out, errors = await server.communicate()
    assert server.returncode == 0, errors.decode()


@pytest.mark.parametrize(("frames", "frame_bytes"), [(1000, 100), (30, 2**20)])
async def test_too_long_a_message_is_skipped(
    serve: Serve, connect, until: Until, frames: int, frame_bytes: int
):
    """The limit of a frame is none of the message; what follows one is understood again."""
    front = await serve()
    with connect(front) as long, connect(front) as clock:
        await long.attach()
        await clock.attach()
        long.send_raw(*[bytes(frame_bytes)] * frames)
        await until(lambda: front.dropped["too long"] > 0, 40.0)
        for one in (long, clock):
            one.send(forecast(1))
            assert (await one.receive(Result)).id == 1
    assert front.dropped.keys() == {"too long"}


async def test_a_strangers_words_cannot_write_on_the_terminal(
    serve: Serve, connect, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "chronotick.workers")
    evil = "\x1b[2J\nINFO all is well" + "x" * 1000
    front = await serve()
    with connect(front) as clock:
        clock.send(Attach(protocol=(1, 1), model=evil, token="t"))  # noqa: S106 - no secret
        refusal = await clock.receive(Refuse)
        assert refusal.reason.startswith("model ?[2J?INFO all is well")
        clock.send(Attach(protocol=(1, 1), model="echo", token="t", clock=evil))  # noqa: S106
        await clock.receive(Hello)
        clock.send(WELCOME)
        await clock.receive(Ready)
        assert front.clocks[0].startswith("clock (?[2J?INFO all")
    told = [
        record.getMessage() for record in caplog.records if "all is well" in record.getMessage()
    ]
    assert len(told) >= 2
    assert all(line.isprintable() and len(line) < 300 for line in told)


async def test_refusals_do_not_fill_the_log(serve: Serve, connect, machine, until: Until, caplog):
    """Keys cost nothing: a limit for each of them is none."""
    front = await serve()
    monitored = []
    for number in range(25):
        with connect(front, machine(f"stranger-{number}").pair) as clock:
            monitor = clock._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
            await until(lambda monitor=monitor: monitor.poll(0))
            clock._socket.disable_monitor()
            monitor.close()
            monitored.append(number)
    told = [record for record in caplog.records if "to admit it, add the line" in record.message]
    assert len(monitored) == 25
    assert 1 <= len(told) <= 11


async def test_oversized_frame_cuts_the_connection_only(serve: Serve, connect, until: Until):
    front = await serve()
    with connect(front) as large, connect(front) as clock:
        await large.attach()
        await clock.attach()
        large.send_raw(bytes(MAX_FRAME_BYTES + 1))
        await until(lambda: len(front.clocks) == 1)
        clock.send(forecast(1))
        assert (await clock.receive(Result)).id == 1


@pytest.mark.parametrize(
    "noise",
    [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 4096, bytes(4096), b"\xff" + bytes(8) + b"\x7f\x03"],
)
async def test_random_bytes_do_no_harm(serve: Serve, connect, noise: bytes):
    front = await serve()
    host, port = front.address.removeprefix("tcp://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(noise)
    await writer.drain()
    with connect(front) as clock:
        await clock.attach()
        clock.send(forecast(1))
        assert (await clock.receive(Result)).id == 1
    writer.close()


async def test_one_who_never_greets_is_forgotten(
    serve: Serve, connect, until: Until, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("chronotick.workers.front._GREETING_S", 0.1)
    front = await serve()
    with connect(front) as clock:
        clock.send(Attach(protocol=(1, 1), model="echo", token="t"))  # noqa: S106 - no secret
        assert "did not answer HELLO" in (await clock.receive(Refuse)).reason
    assert front.clocks == []


async def test_port_in_use_is_an_error_and_leaves_nothing(
    serve: Serve, server_machine, allowed: Path
):
    front = await serve()
    with pytest.raises(zmq.ZMQError, match="in use"):
        Front(front.address, server_machine.pair, AllowList(allowed), {}, max_clocks=1)
