"""Models on another machine: real servers in processes of their own, and servers that lie."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from chronotick.plugin import ContextBatch, ModelSpec
from chronotick.workers import (
    DeadlineMissed,
    ForecastFailed,
    Phase,
    Worker,
    WorkerPool,
    WorkerUnavailable,
    wire,
)
from chronotick.workers.messages import (
    Attach,
    Bye,
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
from chronotick.workers.restart import RestartRules
from chronotick.workers.terms import Patience

LEVELS = (0.1, 0.5, 0.9)
ANSWER_S = 20.0
PATIENT = Patience(late_s=0.3, poll_s=0.05, silent_s=8.0)
EAGER = RestartRules(base_s=0.05, cap_s=0.5)

Until = Callable[..., Awaitable[None]]
WaitForPhase = Callable[..., Awaitable[None]]
Dial = Callable[..., Worker]


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    log: Path
    address: str = ""

    def look(self) -> bool:
        found = re.search(r"serving .* on (tcp://\S+) ", self.log.read_text())
        self.address = found[1] if found else ""
        assert self.process.poll() is None, self.log.read_text()
        return bool(found)


def popen(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(command, stderr=file)


@pytest.fixture
async def serve(
    server_machine, allowed: Path, tmp_path: Path, until: Until
) -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    servers = []

    async def start(*options: str, listen: str = "tcp://127.0.0.1:0") -> Server:
        log = tmp_path / f"server-{len(servers)}.log"
        command = [sys.executable, "-m", "chronotick", "worker", "serve", "--model", "echo"]
        command += ["--listen", listen, "--allow", str(allowed)]
        command += ["--keys", str(server_machine.keys), *options]
        server = Server(popen(command, log), log)
        servers.append(server)
        await until(server.look)
        return server

    yield start
    for server in servers:
        server.process.kill()
        server.process.wait()


@pytest.fixture
def dial(make_pool: Callable[..., WorkerPool], clock_machine, echo: ModelSpec) -> Dial:
    def connect(address: str, keys: Path = clock_machine.keys, **changes: object) -> Worker:
        options: dict[str, Any] = {"patience": PATIENT, "rules": EAGER} | changes
        remote = {"echo": {"address": address}}
        return make_pool(remote=remote, keys=keys, **options).add(echo)

    return connect


@pytest.fixture
async def reason_of(until: Until):
    async def wait(worker: Worker, words: str) -> str:
        await until(lambda: words in worker.state.last_error, 30.0)
        return worker.state.last_error

    return wait


async def test_forecast_comes_from_another_process_through_curve(
    serve, dial: Dial, wait_for_phase: WaitForPhase, batch: ContextBatch
):
    server = await serve("--checkpoint", "echo=stdout")
    worker = dial(server.address)
    await wait_for_phase(worker, Phase.READY)
    forecast = await worker.forecast(batch, 5, LEVELS, ANSWER_S)
    np.testing.assert_array_equal(forecast.mean, np.full((1, 5), 2e-6))
    state = worker.state
    assert (state.where, state.pid, state.answers) == (server.address, None, 1)
    assert (state.info.checkpoint, state.info.device) == ("stdout", "cpu")
    assert "in the log of" in worker.output()
    await worker.stop()
    with pytest.raises(WorkerUnavailable, match="stopped"):
        await worker.forecast(batch, 5, LEVELS, ANSWER_S)


async def test_two_daemons_are_both_served_while_the_model_is_slow(
    serve, dial: Dial, wait_for_phase: WaitForPhase, batch: ContextBatch
):
    server = await serve("--checkpoint", "echo=late=0.05")
    order: list[str] = []

    async def ask(name: str) -> None:
        worker = dial(server.address)
        await wait_for_phase(worker, Phase.READY)
        for _ in range(5):
            await worker.forecast(batch, 2, LEVELS, ANSWER_S)
            order.append(name)

    await asyncio.gather(ask("one"), ask("two"))
    assert sorted(order) == ["one"] * 5 + ["two"] * 5


@pytest.fixture
def late(machine, server_machine):
    """A machine whose key is not on the list so far."""
    made = machine("late")
    made.knows(server_machine)
    return made


async def test_key_not_on_the_list_is_told_and_let_in_once_it_is(  # noqa: PLR0917 - fixtures
    serve, dial: Dial, late, allowed: Path, admit, reason_of, wait_for_phase: WaitForPhase
):
    server = await serve()
    worker = dial(server.address, late.keys)
    assert "chronotick worker key" in await reason_of(worker, "refused this machine's key")
    assert f"to admit it, add the line to {allowed}: {late.pair.public}" in server.log.read_text()
    admit(late)
    await wait_for_phase(worker, Phase.READY)
    admit(None)
    server.process.send_signal(signal.SIGHUP)
    await reason_of(worker, "not on the server's list any more")
    await reason_of(worker, "refused this machine's key")


async def test_wrong_server_key_is_told_with_the_file(
    serve, dial: Dial, machine, clock_machine, reason_of
):
    server = await serve()
    path = clock_machine.knows(machine("impostor"))
    assert str(path) in await reason_of(dial(server.address), "ended the handshake")


async def test_unknown_model_is_told_with_those_served(
    serve, make_pool, clock_machine, echo: ModelSpec, reason_of
):
    from dataclasses import replace

    server = await serve()
    remote = {"ttm": {"address": server.address}}
    pool = make_pool(PATIENT, EAGER, remote=remote, keys=clock_machine.keys)
    worker = pool.add(replace(echo, name="ttm"))
    reason = await reason_of(worker, "model ttm is not served here")
    assert "served are: echo. Add it on the server: chronotick worker serve --model ttm" in reason


async def test_model_that_fails_on_the_server_is_told(
    serve, dial: Dial, wait_for_phase: WaitForPhase, caplog: pytest.LogCaptureFixture
):
    server = await serve("--checkpoint", "echo=missing-weights")
    worker = dial(server.address)
    await wait_for_phase(worker, Phase.BROKEN)
    words = "on the server: echo: no weights, as asked for"
    assert (worker.state.last_error, worker.state.detail) == (words, words)
    heard_s = worker._heard_s
    await asyncio.wait_for(_heard_again(worker, heard_s), 30.0)
    assert [r.getMessage() for r in caplog.records].count(words) == 1


async def _heard_again(worker: Worker, heard_s: float) -> None:
    while worker._heard_s == heard_s:  # noqa: ASYNC110 - nothing tells of a beat
        await asyncio.sleep(0.05)


async def test_killed_server_is_noticed_and_found_again(
    serve, dial: Dial, wait_for_phase: WaitForPhase, batch: ContextBatch, until: Until
):
    server = await serve("--checkpoint", "echo=late=20")
    worker = dial(server.address)
    await wait_for_phase(worker, Phase.READY)
    first = worker.state.incarnation
    asked = asyncio.create_task(worker.forecast(batch, 2, LEVELS, 30.0))
    await until(lambda: worker.state.requests == 1)
    server.process.kill()
    server.process.wait()
    with pytest.raises(WorkerUnavailable, match="was lost"):
        await asked
    with pytest.raises(WorkerUnavailable):
        await worker.forecast(batch, 2, LEVELS, ANSWER_S)
    await until(lambda: "nobody answers at" in worker.state.last_error)
    await serve(listen=server.address)
    await wait_for_phase(worker, Phase.READY)
    assert worker.state.incarnation != first
    assert (await worker.forecast(batch, 2, LEVELS, ANSWER_S)).mean.shape == (1, 2)


async def test_hanging_server_misses_the_deadline_and_is_left(
    serve, dial: Dial, wait_for_phase: WaitForPhase, batch: ContextBatch, until: Until
):
    """Its kernel goes on accepting connections: only silence tells."""
    server = await serve()
    worker = dial(server.address, patience=Patience(late_s=0.3, poll_s=0.05, silent_s=8.0))
    await wait_for_phase(worker, Phase.READY)
    os.kill(server.process.pid, signal.SIGSTOP)
    with pytest.raises(DeadlineMissed):
        await worker.forecast(batch, 2, LEVELS, 0.2)
    await until(lambda: "does not answer: does it hang?" in worker.state.last_error, 30.0)
    os.kill(server.process.pid, signal.SIGCONT)


async def test_stopping_the_server_is_a_goodbye(
    serve, dial: Dial, wait_for_phase: WaitForPhase, reason_of
):
    server = await serve()
    worker = dial(server.address)
    await wait_for_phase(worker, Phase.READY)
    server.process.terminate()
    await reason_of(worker, "the server took its leave: the server is being stopped")
    assert await asyncio.to_thread(server.process.wait, 20) == 0


async def test_missing_keys_and_unknown_hosts_are_told(
    dial: Dial, clock_machine, server_machine, tmp_path: Path, reason_of
):
    await reason_of(dial("tcp://127.0.0.1:7411", tmp_path / "none"), "chronotick worker keygen")
    await reason_of(dial("tcp://no-such.invalid:7411"), "no-such.invalid.pub")
    clock_machine.knows(server_machine, "no-such.invalid")
    await reason_of(dial("tcp://no-such.invalid:7411"), "host no-such.invalid is not known")


async def test_stopping_while_connecting_leaves_nothing(dial: Dial):
    for turns in range(6):
        worker = dial("tcp://127.0.0.1:1")
        for _ in range(turns):
            await asyncio.sleep(0)
        await worker.stop()
        assert worker.state.phase is Phase.STOPPED


class Liar:
    """A server with the right key that says whatever a test makes it say."""

    def __init__(self, socket: zmq.Socket[bytes], until: Until) -> None:
        self.address = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._socket = socket
        self._until = until
        self._client = b""

    async def receive(self, kind: type[Message]) -> Any:  # noqa: ANN401 - of that kind
        while True:
            await self._until(lambda: self._socket.poll(0))
            self._client, *frames = self._socket.recv_multipart()
            message = wire.decode(frames)
            if isinstance(message, kind):
                return message

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.send_raw(*wire.encode(message))

    def send_raw(self, *frames: bytes) -> None:
        self._socket.send_multipart([self._client, *frames])

    async def greet(self, protocol: tuple[int, int] = (1, 1)) -> None:
        attach = await self.receive(Attach)
        self.send(Hello(protocol=protocol, token=attach.token, pid=1))

    async def be_ready(self) -> None:
        await self.greet()
        await self.receive(Welcome)
        self.send(Ready(checkpoint="", device="cpu", max_context=99, max_horizon=99))


@pytest.fixture
def liar(server_machine, until: Until) -> Iterator[Liar]:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.curve_server = True
        socket.curve_secretkey = server_machine.pair.secret.encode()
        socket.bind("tcp://127.0.0.1:*")
        yield Liar(socket, until)


@pytest.fixture
async def fooled(liar: Liar, dial: Dial, wait_for_phase: WaitForPhase) -> Worker:
    worker = dial(liar.address)
    await liar.be_ready()
    await wait_for_phase(worker, Phase.READY)
    return worker


def result(request_id: int, mean: object = None, quantiles: object = None) -> Result:
    arrays = {
        "mean": np.zeros((1, 2)) if mean is None else np.asarray(mean),
        "quantiles": np.zeros((1, 2, 3)) if quantiles is None else np.asarray(quantiles),
    }
    return Result(id=request_id, compute_ns=0, arrays=arrays)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (result(1, np.zeros((1, 3))), "asked for was"),
        (result(1, np.full((1, 2), np.inf)), "not finite"),
        (result(1, np.zeros((1, 2), np.float32)), "must be a float64 array"),
        (result(1, quantiles=[[[3.0, 2.0, 1.0]] * 2]), "must not decrease"),
        (result(1, quantiles=np.zeros((1, 2, 2))), "asked for was"),
        (Result(id=1, compute_ns=0, arrays={}), "no array named mean"),
        (Failed(id=1, kind="exception", message="\x1b[2Jno\n" + "x" * 10**5), r"\?\[2Jno\?xxx"),
    ],
)
async def test_what_is_no_forecast_fails_the_request_only(
    liar: Liar, fooled: Worker, batch: ContextBatch, answer: Message, words: str
):
    asked = asyncio.create_task(fooled.forecast(batch, 2, LEVELS, ANSWER_S))
    assert (await liar.receive(ForecastRequest)).id == 1
    liar.send(answer)
    with pytest.raises(ForecastFailed, match=words) as caught:
        await asked
    assert len(str(caught.value)) < 1000
    assert fooled.state.phase is Phase.READY


async def test_a_strangers_traceback_is_bounded(liar: Liar, fooled: Worker, batch: ContextBatch):
    asked = asyncio.create_task(fooled.forecast(batch, 2, LEVELS, ANSWER_S))
    await liar.receive(ForecastRequest)
    evil = "x" * 10**5 + "\n\x1b[2Jlast"
    liar.send(Failed(id=1, kind="exception", message="no", traceback=evil))
    with pytest.raises(ForecastFailed) as caught:
        await asked
    assert caught.value.traceback.endswith("x\n?[2Jlast")
    assert len(caught.value.traceback) < 10_000


async def test_early_double_and_unknown_replies_are_dropped(
    liar: Liar, fooled: Worker, batch: ContextBatch, until: Until
):
    liar.send(result(1), result(2))
    await until(lambda: fooled.state.late_replies == 2)
    asked = asyncio.create_task(fooled.forecast(batch, 2, LEVELS, ANSWER_S))
    request = await liar.receive(ForecastRequest)
    assert 0 < request.deadline_ns <= ANSWER_S * 1e9
    liar.send(result(7), result(request.id), result(request.id))
    assert (await asked).mean.shape == (1, 2)
    await until(lambda: fooled.state.late_replies == 4)


async def test_malformed_messages_are_borne_for_a_while_only(liar: Liar, fooled: Worker, reason_of):
    liar.send_raw(b"\xc1rubbish")
    liar.send(Drain(), Attach(protocol=(1, 1), model="x", token="y"))  # noqa: S106 - no secret
    for _ in range(100):
        liar.send_raw(b"\xc1rubbish")
    await reason_of(fooled, "sends messages that make no sense")


async def test_a_flood_ends_the_connection(liar: Liar, fooled: Worker, reason_of):
    for _ in range(3000):
        liar.send(Loading(stage="on and on"))
        await asyncio.sleep(0)
        if fooled.state.last_error:
            break
    await reason_of(fooled, "more messages than any server should")


async def test_oversized_frame_ends_the_connection(liar: Liar, fooled: Worker, reason_of):
    liar.send_raw(bytes(wire.MAX_ANSWER_BYTES + 1))
    await reason_of(fooled, "was lost")


@pytest.mark.parametrize(("frames", "frame_bytes"), [(1000, 1), (12, 2**20)])
async def test_too_long_a_message_ends_the_connection(
    liar: Liar, fooled: Worker, reason_of, frames: int, frame_bytes: int
):
    """The limit of a frame is none of the message: any number of them may come."""
    liar.send_raw(*[bytes(frame_bytes)] * frames)
    await reason_of(fooled, "sends longer messages than any server should")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (Ready(checkpoint="", device="", max_context=0, max_horizon=1), "must be 1 or more"),
        (Ready(checkpoint="", device="", max_context=1, max_horizon=-5), "must be 1 or more"),
        (Refuse(reason="\x1b[2Jgo\nway"), "the server refuses: ?[2Jgo?way"),
        (Bye(reason="x" * 10**5), "the server took its leave: xxx"),
    ],
)
async def test_what_ends_a_connection_is_told_in_plain_words(
    liar: Liar, fooled: Worker, reason_of, message: Message, words: str
):
    liar.send(message)
    assert len(await reason_of(fooled, words)) < 1000


async def test_failures_to_load_are_told_whole_but_do_not_fill_the_log(
    liar: Liar, fooled: Worker, reason_of, caplog: pytest.LogCaptureFixture
):
    for number in range(50):
        liar.send(Failed(id=0, kind="load", message=f"{number}: {'/path' * 100} run: this"))
    assert (await reason_of(fooled, "on the server: 49")).endswith("run: this")
    assert fooled.state.phase is Phase.BACKOFF
    told = [record for record in caplog.records if "on the server" in record.getMessage()]
    assert 1 <= len(told) <= 11


@pytest.mark.parametrize("protocol", [(0, 0), (2, 9)])
async def test_other_protocols_are_told(
    liar: Liar, dial: Dial, reason_of, protocol: tuple[int, int]
):
    worker = dial(liar.address)
    await liar.greet(protocol)
    await reason_of(worker, "is spoken by the server, 1-1 by this daemon. Install the same release")


async def test_hello_for_another_connection_is_not_believed(liar: Liar, dial: Dial, reason_of):
    worker = dial(liar.address)
    await liar.receive(Attach)
    liar.send(Hello(protocol=(1, 1), token="of another", pid=1))  # noqa: S106 - no secret
    liar.send(Ready(checkpoint="", device="", max_context=1, max_horizon=1))
    liar.send(Refuse(reason="that was all"))  # comes after them
    await reason_of(worker, "that was all")
    assert worker.state.info is None


async def test_silent_server_is_left(liar: Liar, dial: Dial, reason_of):
    worker = dial(liar.address, patience=Patience(poll_s=0.05, silent_s=0.5))
    await reason_of(worker, "was silent for 0.5 s")


async def test_server_without_encryption_is_not_spoken_to(dial: Dial, reason_of):
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.bind("tcp://127.0.0.1:*")
        worker = dial(socket.getsockopt_string(zmq.LAST_ENDPOINT))
        await reason_of(worker, "it does not encrypt")
        assert not socket.poll(0)


async def test_no_request_waits_in_a_socket_while_the_server_is_away(
    liar: Liar, fooled: Worker, batch: ContextBatch, until: Until, wait_for_phase: WaitForPhase
):
    """A connecting socket would keep old contexts and deliver them after a pause."""
    liar.send(Bye(reason="back soon"))
    await until(lambda: fooled.state.phase is not Phase.READY)
    with pytest.raises(WorkerUnavailable):
        await fooled.forecast(batch, 2, LEVELS, ANSWER_S)
    await liar.be_ready()
    await wait_for_phase(fooled, Phase.READY)
    asked = asyncio.create_task(fooled.forecast(batch, 9, LEVELS, ANSWER_S))
    assert (await liar.receive(ForecastRequest)).horizon == 9
    liar.send(result(1, np.zeros((1, 9)), np.zeros((1, 9, 3))))
    await asked


def test_pauses_stay_finite_however_long_a_server_is_away():
    """2**1024 is no float: after a thousand attempts the backoff itself failed."""
    from dataclasses import replace

    from chronotick.workers.restart import RestartPolicy

    policy = RestartPolicy(replace(RestartRules(), crashes=10**9))
    delays = [policy.crashed(float(n)).delay_s for n in range(1500)]
    assert max(delays) <= 60.0
