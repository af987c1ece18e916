"""A model on another machine: to the daemon the same as a worker here, whatever the server does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Final

import zmq

from chronotick.config.schema import Workers
from chronotick.config.tcp import parse_address
from chronotick.workers.addresses import resolve
from chronotick.workers.allowance import Allowance
from chronotick.workers.counterpart import Counterpart
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
    common_version,
    info_of,
)
from chronotick.workers.plain import plain, plain_lines
from chronotick.workers.restart import RestartPolicy, RestartRules
from chronotick.workers.state import Phase, WorkerState
from chronotick.workers.terms import Patience

_GOODBYE_MS: Final = 200
_NEVER: Final = 2**31
_TOLD_AT_ONCE: Final = 10
_TOLD_PER_S: Final = 10 / 60  # a server that lies must not fill the log


class RemoteWorker(Counterpart[Link]):
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
        policy = RestartPolicy(replace(rules, crashes=_NEVER))
        super().__init__(name, Phase.CONNECTING, patience, policy, changed)
        self._route = route
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._heard_s = 0.0
        self._attempts = count()
        self._reminded = Allowance(self._loop.time(), _TOLD_AT_ONCE, _TOLD_PER_S)

    @property
    def state(self) -> WorkerState:
        """A snapshot of what the connection is doing."""
        return replace(super().state, address=str(self._route.address))

    def output(self, lines: int = 20) -> str:  # noqa: ARG002 - as of a worker here
        """Say where the output is: it stays on the server."""
        return f"what {self.name} prints is in the log of {self._route.address}"

    def start(self) -> None:
        """Begin to connect, in the background; called once."""
        self._context = zmq.Context()
        self._life = self._loop.create_task(self._live())

    async def stop(self) -> None:
        """Take leave of the server. From now on nothing is answered."""
        await self._end_life()
        context, self._context = self._context, None
        if context is not None:
            await asyncio.to_thread(context.term)  # waits for what was sent last to leave

    def receive(self, message: Message) -> bool:
        """Handle a message of the server; false if it has no place here."""
        self._heard_s = self._loop.time()
        match message:
            case Refuse():
                words = ". ".join(filter(None, (message.reason, message.hint)))
                self._end(f"the server refuses: {plain(words)}")
            case Hello() if not self._greeted:
                return self._on_hello(message)
            case _ if not self._greeted:
                return False
            case Result():
                self._desk.receive(message)
            case Failed() if message.id != LOAD_REQUEST:
                words, traceback = plain(message.message), plain_lines(message.traceback)
                self._desk.receive(replace(message, message=words, traceback=traceback))
            case Failed():
                self._on_failed_load(message)
            case Loading():
                self._enter(Phase.LOADING, plain(message.stage))
            case Ready():
                return self._on_ready(message)
            case Bye():
                self._end(f"the server took its leave: {plain(message.reason)}")
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
        self._partner = link
        watch = self._loop.create_task(self._watch(link))
        try:
            reason = await asyncio.shield(link.ended)
        except asyncio.CancelledError:
            link.send(Drain())
            raise
        finally:
            watch.cancel()
            link.close(_GOODBYE_MS)
            self._partner, self._greeted, self.identity = None, False, ""
        self._desk.abandon(reason)
        return reason

    async def _connect(self) -> Link:
        route = self._route
        pair, server_key = read_pair(route.keys), read_public(route.server_key)
        endpoints = await resolve(route.address)
        assert self._context is not None  # noqa: S101 - made by start(), which started us
        self._new_identity()
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
        if not self._is_meant(hello):
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
        self._info = replace(info, checkpoint=plain(info.checkpoint), device=plain(info.device))
        if self._phase is not Phase.READY:
            where = f"{self._info.checkpoint or 'no weights'} on {self._info.device}"
            self._logger.info("ready: %s at %s", where, self._route.address)
        self._enter(Phase.READY)
        return True

    def _on_failed_load(self, failed: Failed) -> None:
        """Note that the server's own worker failed; the server goes on to try, and will tell."""
        reason = f"on the server: {plain(failed.message)}"
        if reason != self._last_error and self._reminded.spend(self._loop.time()):
            self._logger.warning("%s", reason)
        self._last_error = reason
        self._enter(Phase.BACKOFF if failed.retryable else Phase.BROKEN, reason)

    def _give_up(self, partner: Link, reason: str) -> None:
        partner.end(f"{self._route.address} {reason}")

    def _end(self, reason: str) -> None:
        if self._partner is not None:
            self._partner.end(reason)

    def _send(self, message: Message) -> bool:
        return self._partner is not None and self._partner.send(message)


def route_of(name: str, config: Workers) -> Route:
    """How a model's server is reached, as the configuration says."""
    remote = config.remote[name]
    address = parse_address(remote.address)
    server_key = remote.server_key or config.keys / f"{address.host}.pub"
    return Route(address=address, server_key=server_key, keys=config.keys)
