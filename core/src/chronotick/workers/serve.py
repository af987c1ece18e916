"""A worker's conversation with the daemon: greet, load, answer one forecast at a time."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module

import zmq

from chronotick.plugin.answers import InvalidForecast, check_forecast
from chronotick.plugin.contract import Model
from chronotick.workers import child, wire
from chronotick.workers.messages import (
    LOAD_REQUEST,
    PROTOCOL,
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
    batch_of,
    result_of,
)
from chronotick.workers.multipart import has_input, receive_frames, send_frames

_WELCOME_TIMEOUT_MS = 30_000
_HIGH_WATER_MARK = 64


@dataclass(frozen=True, slots=True)
class Connection:
    """The DEALER socket, speaking messages."""

    socket: zmq.Socket[bytes]

    def send(self, message: Message) -> None:
        """Send one message; waits while the daemon does not read."""
        send_frames(self.socket, wire.encode(message))

    def receive(self) -> list[Message]:
        """Return all messages that are there, or else wait for one; none when that timed out.

        Looking first costs nothing while no request is under way. One that is waited for has
        come this moment: nothing can lie behind it yet.
        """
        messages: list[Message] = []
        while has_input(self.socket):
            self._receive_one(messages)
        try:
            while not messages:
                self._receive_one(messages)
        except zmq.Again:
            pass
        return messages

    def _receive_one(self, messages: list[Message]) -> None:
        frames = receive_frames(self.socket)
        with suppress(wire.UnknownMessage):  # of a newer daemon: not for us
            messages.append(wire.decode(frames))


def serve(bootstrap: child.Bootstrap, lifeline: int) -> int:
    """Connect to the daemon and serve it; returns the exit status."""
    threading.Thread(target=_leave_when_cut, args=(lifeline,), daemon=True).start()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with context, _connect(context, bootstrap) as socket:
        return _converse(Connection(socket), bootstrap)


def _leave_when_cut(lifeline: int) -> None:
    """Wait for the daemon's end of the lifeline to close, then leave at once."""
    while os.read(lifeline, 4096):
        pass
    os._exit(child.EXIT_ORPHAN)


def _connect(
    context: zmq.Context[zmq.Socket[bytes]], bootstrap: child.Bootstrap
) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, bootstrap.identity.encode())
    # BYE and the reason of a failed load should arrive, but must not hold the exit up for long.
    socket.setsockopt(zmq.LINGER, 500)
    socket.setsockopt(zmq.SNDHWM, _HIGH_WATER_MARK)
    socket.setsockopt(zmq.RCVHWM, _HIGH_WATER_MARK)
    socket.setsockopt(zmq.MAXMSGSIZE, wire.MAX_FRAME_BYTES)
    socket.connect(bootstrap.address)
    return socket


def _converse(connection: Connection, bootstrap: child.Bootstrap) -> int:
    welcome = _greet(connection, bootstrap.token)
    if welcome is None:
        return child.EXIT_REFUSED
    model = _load(connection, welcome)
    if model is None:
        return child.EXIT_LOAD_FAILED
    try:
        _answer_until_drained(connection, model)
    finally:
        model.close()
    connection.send(Bye(reason="drained"))
    return 0


def _greet(connection: Connection, token: str) -> Welcome | None:
    connection.send(
        Hello(
            protocol=PROTOCOL,
            token=token,
            pid=os.getpid(),
            runtime=f"python {platform.python_version()}",
            platform=platform.platform(),
        )
    )
    connection.socket.setsockopt(zmq.RCVTIMEO, _WELCOME_TIMEOUT_MS)
    while messages := connection.receive():
        for message in messages:
            if isinstance(message, Welcome):
                connection.socket.setsockopt(zmq.RCVTIMEO, -1)
                return message
            if isinstance(message, Refuse):
                print(f"refused by the daemon: {message.reason} {message.hint}")  # noqa: T201 - the daemon logs our output
                return None
    print("the daemon did not answer HELLO")  # noqa: T201 - same
    return None


def _load(connection: Connection, welcome: Welcome) -> Model | None:
    """Import and load the model; a failure is reported under the load's own id."""
    started_ns = time.monotonic_ns()
    try:
        connection.send(Loading(stage=f"importing {welcome.model}"))
        module, _, name = welcome.model.partition(":")
        _show_warnings_of(module.partition(".")[0])
        model: Model = getattr(import_module(module), name)()
        connection.send(Loading(stage=f"loading {welcome.checkpoint or 'the model'}"))
        info = model.load(welcome.checkpoint, welcome.device, welcome.threads)
    except Exception as error:  # noqa: BLE001 - whatever it is, the daemon should know
        connection.send(_load_failure(error))
        return None
    connection.send(
        Ready(
            checkpoint=info.checkpoint,
            device=info.device,
            max_context=info.max_context,
            max_horizon=info.max_horizon,
            parameters=info.parameters,
            load_ns=time.monotonic_ns() - started_ns,
        )
    )
    return model


def _show_warnings_of(package: str) -> None:
    """Have the daemon log what the model's own code warns of; libraries warn of too much."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"{child.NOTICE}%(message)s"))
    for name in {package, "chronotick"}:  # what we do for the model as well
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING)
        logger.propagate = False


def _load_failure(error: Exception) -> Failed:
    # What is missing, damaged or of another architecture will be so in a second as well.
    permanent = isinstance(error, (FileNotFoundError, ImportError, ValueError))
    failure = _failure(LOAD_REQUEST, "load", error, retryable=not permanent)
    if isinstance(error, (FileNotFoundError, ValueError)) and str(error):
        return replace(failure, message=str(error))  # a sentence for people, most of them ours
    return failure


def _failure(request_id: int, kind: str, error: Exception, *, retryable: bool = True) -> Failed:
    text = str(error)
    return Failed(
        id=request_id,
        kind=kind,
        message=f"{type(error).__name__}: {text}" if text else type(error).__name__,
        traceback=traceback.format_exc(),
        retryable=retryable,
    )


def _answer_until_drained(connection: Connection, model: Model) -> None:
    while True:
        messages = connection.receive()
        arrived_ns = time.monotonic_ns()
        cancelled = {message.id for message in messages if isinstance(message, Cancel)}
        for message in messages:
            if isinstance(message, Drain):
                return
            if isinstance(message, ForecastRequest):
                connection.send(_answer(model, message, arrived_ns, cancelled))


def _answer(
    model: Model, request: ForecastRequest, arrived_ns: int, cancelled: set[int]
) -> Result | Failed:
    if request.id in cancelled:
        return Failed(id=request.id, kind="cancelled", message="cancelled by the daemon")
    if time.monotonic_ns() - arrived_ns >= request.deadline_ns:
        return Failed(id=request.id, kind="expired", message="the deadline passed in the queue")
    try:
        batch = batch_of(request)
        started_ns = time.perf_counter_ns()
        forecast = model.forecast(batch, request.horizon, request.quantiles)
        compute_ns = time.perf_counter_ns() - started_ns
        check_forecast(forecast, len(batch.values), request.horizon, len(request.quantiles))
    except InvalidForecast as error:
        return _failure(request.id, "invalid", error)
    except Exception as error:  # noqa: BLE001 - the model's failure, not the worker's
        return _failure(request.id, "exception", error)
    return result_of(forecast, request_id=request.id, compute_ns=compute_ns)
