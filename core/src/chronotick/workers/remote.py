"""A model on another machine: to the daemon the same as a worker here, whatever the server does."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import socket
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Final

import zmq

from chronotick.config.schema import Workers
from chronotick.plugin.contract import ContextBatch, Forecast, ModelInfo
from chronotick.workers.addresses import parse_address, resolve
from chronotick.workers.errors import WorkerUnavailable
from chronotick.workers.keys import KeyProblem, read_pair, read_public
from chronotick.workers.link import Link, Route
from chronotick.workers.messages import (
    LOAD_REQUEST,
    PROTOCOL,
    Attach,
    Bye,
    Drain,
    Failed,
    Hello,
    Loading,
    Message,
    Ready,
    Refuse,
    Result,
    Welcome,
    info_of,
)
from chronotick.workers.requests import Desk, Request
from chronotick.workers.restart import RestartPolicy, RestartRules
from chronotick.workers.sessions import common_version
from chronotick.workers.state import Phase, WorkerState
from chronotick.workers.terms import Patience

_LATENCIES_KEPT: Final = 64
_LONGEST_TEXT: Final = 300
_GOODBYE_MS: Final = 200
_NEVER: Final = 2**31


class RemoteWorker:
    """A model served by another machine, connected to again when the connection ends."""

    def __init__(
        self,
        name: str,
        route: Route,
        patience: Patience,
        rules: RestartRules,
        changed: Callable[[WorkerState], None],
    ) -> None:
        """Make it; nothing is connected before :meth:`start`.

        Args:
            name: of the model.
            route: how to reach the server.
            patience: how long the server is waited for.
            rules: of the pauses between attempts. There is no breaker: trying costs little here.
            changed: told of each change of phase.
        """
        self.name = name
        self.identity = ""
        self._route = route
        self._patience = patience
        self._policy = RestartPolicy(replace(rules, crashes=_NEVER))
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._logger = logging.getLogger(f"chronotick.workers.{name}")
        self._desk = Desk(
            worker=name,
            send=self._send,
            answered=self._on_answer,
            overdue=self._on_overdue,
            loop=self._loop,
        )
        self._latencies: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._phase, self._detail = Phase.CONNECTING, ""
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._link: Link | None = None
        self._token = ""
        self._greeted = False
        self._heard_s = 0.0
        self._life: asyncio.Task[None] | None = None
        self._attempts = count()
        self._restarts = 0
        self._retry_at_s: float | None = None
        self._last_error = ""
        self._info: ModelInfo | None = None

    @property
    def state(self) -> WorkerState:
        """A snapshot of what the connection is doing."""
        tally, retry_at_s = self._desk.tally, self._retry_at_s
        return WorkerState(
            name=self.name,
            phase=self._phase,
            detail=self._detail,
            incarnation=self.identity,
            restarts=self._restarts,
            last_error=self._last_error,
            info=self._info,
            latency_median_s=statistics.median(self._latencies) if self._latencies else None,
            requests=tally.requests,
            answers=tally.answers,
            failures=tally.failures,
            deadline_misses=tally.deadline_misses,
            late_replies=tally.late_replies,
            retry_in_s=None if retry_at_s is None else max(0.0, retry_at_s - self._loop.time()),
            address=str(self._route.address),
        )

    def output(self, lines: int = 20) -> str:  # noqa: ARG002 - as of a worker here
        """Say where the output is: it stays on the server."""
        return f"what {self.name} prints is in the log of {self._route.address}"

    async def forecast(
        self, batch: ContextBatch, horizon: int, quantiles: Sequence[float], timeout_s: float
    ) -> Forecast:
        """Ask for a forecast; see :meth:`chronotick.workers.worker.Worker.forecast`.

        Raises:
            WorkerUnavailable: at once when the server is not ready, or when it is lost meanwhile.
            ForecastFailed: the model raised, or the answer is no forecast.
            DeadlineMissed: no answer within ``timeout_s``.
            Superseded: a newer request took this one's place before it was sent.
        """
        if self._phase is not Phase.READY:
            words = f"{self._phase.value}: {self._detail}" if self._detail else self._phase.value
            raise WorkerUnavailable(self.name, words)
        return await self._desk.submit(batch, horizon, quantiles, timeout_s)

    async def until_idle(self) -> bool:
        """Wait until no request is in flight; false if that is so because the server is gone."""
        return await self._desk.until_idle()

    def start(self) -> None:
        """Begin to connect, in the background; called once."""
        self._context = zmq.Context()
        self._life = self._loop.create_task(self._live())

    async def stop(self) -> None:
        """Take leave of the server. From now on nothing is answered."""
        self._enter(Phase.STOPPED)
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)
        self._desk.abandon("it is being stopped")
        self._retry_at_s = None
        context, self._context = self._context, None
        if context is not None:
            await asyncio.to_thread(context.term)  # waits for what was sent last to leave

    def receive(self, message: Message) -> bool:
        """Handle a message of the server; false if it has no place here."""
        self._heard_s = self._loop.time()
        match message:
            case Refuse():
                self._end(f"the server refuses: {_plain(f'{message.reason} {message.hint}')}")
            case Hello() if not self._greeted:
                return self._on_hello(message)
            case _ if not self._greeted:
                return False
            case Result():
                self._desk.receive(message)
            case Failed() if message.id != LOAD_REQUEST:
                words, traceback = _plain(message.message), message.traceback
                self._desk.receive(replace(message, message=words, traceback=traceback))
            case Loading():
                self._enter(Phase.LOADING, _plain(message.stage))
            case Ready():
                return self._on_ready(message)
            case Bye():
                self._end(f"the server took its leave: {_plain(message.reason)}")
            case _:
                return False
        return True

    async def _live(self) -> None:
        """Connect, again and again, until it is stopped."""
        while True:
            self._enter(Phase.CONNECTING, str(self._route.address))
            reason = await self._one_connection()
            verdict = self._policy.crashed(self._loop.time())
            self._retry_at_s = self._loop.time() + verdict.delay_s
            if reason != self._last_error:  # a server may be away for hours
                self._logger.warning("%s; next attempt in %.1f s", reason, verdict.delay_s)
            self._last_error = reason
            self._enter(Phase.BACKOFF, reason)
            await asyncio.sleep(verdict.delay_s)
            self._retry_at_s = None
            self._restarts += 1

    async def _one_connection(self) -> str:
        """Connect and serve until the connection ends; returns why it did."""
        try:
            link = await self._connect()
        except (KeyProblem, OSError) as problem:  # the files may be there the next time
            return str(problem)
        except Exception as error:  # a mistake of ours: never "connecting" for ever
            self._logger.exception("could not be connected to")
            return f"could not be connected to: {error!r}"
        self._link = link
        watch = self._loop.create_task(self._watch(link))
        try:
            reason = await asyncio.shield(link.ended)
        except asyncio.CancelledError:
            link.send(Drain())
            raise
        finally:
            watch.cancel()
            link.close(_GOODBYE_MS)
            self._link, self._greeted, self.identity = None, False, ""
        self._desk.abandon(reason)
        return reason

    async def _connect(self) -> Link:
        route = self._route
        pair, server_key = read_pair(route.keys), read_public(route.server_key)
        endpoints = await resolve(route.address)
        assert self._context is not None  # noqa: S101 - made by start(), which started us
        self.identity = f"{self.name}/{secrets.token_hex(2)}"
        self._token = secrets.token_urlsafe(24)
        self._heard_s = self._loop.time()
        self._policy.started(self._loop.time())
        return Link(
            self._context,
            route,
            endpoints[next(self._attempts) % len(endpoints)],
            pair,
            server_key,
            opened=self._on_opened,
            receive=self.receive,
            patience_s=self._patience.silent_s,
        )

    async def _watch(self, link: Link) -> None:
        """End a connection on which the server is silent: it repeats its state all the time."""
        limit_s = self._patience.silent_s
        while True:
            await asyncio.sleep(self._patience.poll_s)
            if self._loop.time() - self._heard_s > limit_s:
                link.end(f"{self._route.address} was silent for {limit_s:g} s")

    def _on_opened(self) -> None:
        self._heard_s = self._loop.time()
        attach = Attach(
            protocol=PROTOCOL, model=self.name, token=self._token, clock=socket.gethostname()
        )
        if not self._send(attach):
            self._end(f"{self._route.address} does not read")

    def _on_hello(self, hello: Hello) -> bool:
        if not hmac.compare_digest(hello.token.encode(), self._token.encode()):
            return False
        version = common_version(hello.protocol)
        if version is None:
            self._end(
                "protocol {}-{} is spoken by the server, {}-{} by this daemon. Install the same "
                "release of chronotick on both".format(*hello.protocol, *PROTOCOL)
            )
            return True
        self._greeted = True
        self._enter(Phase.LOADING)
        # What it loads, and on what, is the server's affair.
        welcome = Welcome(protocol=version, model=self.name, checkpoint="", device="", threads=0)
        self._send(welcome)
        return True

    def _on_ready(self, ready: Ready) -> bool:
        try:
            info = info_of(ready)
        except ValueError as error:
            self._end(f"the server says: {error}")
            return False
        self._info = replace(info, checkpoint=_plain(info.checkpoint), device=_plain(info.device))
        if self._phase is not Phase.READY:
            where = f"{self._info.checkpoint or 'no weights'} on {self._info.device}"
            self._logger.info("ready: %s at %s", where, self._route.address)
        self._enter(Phase.READY)
        return True

    def _on_answer(self, round_trip_s: float) -> None:
        self._latencies.append(round_trip_s)
        self._policy.answered(self._loop.time())

    def _on_overdue(self, request: Request) -> None:
        self._loop.call_later(self._patience.late_s, self._give_up, request, self._link)

    def _give_up(self, request: Request, link: Link | None) -> None:
        if link is not None and self._desk.in_flight is request:
            total_s = request.timeout_s + self._patience.late_s
            link.end(f"{self._route.address} gave no answer for {total_s:g} s")

    def _end(self, reason: str) -> None:
        if self._link is not None:
            self._link.end(reason)

    def _send(self, message: Message) -> bool:
        return self._link is not None and self._link.send(message)

    def _enter(self, phase: Phase, detail: str = "") -> None:
        if self._phase is Phase.STOPPED:
            return
        changed = phase is not self._phase
        self._phase, self._detail = phase, detail
        if changed:
            self._logger.debug("%s %s", phase.value, detail)
            self._changed(self.state)


def route_of(name: str, config: Workers) -> Route:
    """How a model's server is reached, as the configuration says."""
    remote = config.remote[name]
    address = parse_address(remote.address)
    server_key = remote.server_key or config.keys / f"{address.host}.pub"
    return Route(address=address, server_key=server_key, keys=config.keys)


def _plain(text: str) -> str:
    """A stranger's text as it may be shown on a terminal: one line, printable, never long."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST_TEXT])
    return shown.strip()
