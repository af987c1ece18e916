"""A server's conversation with clocks: who asks for which model, each told how it is, each in turn.

The models run in ordinary supervised workers. Of each clock one request waits at most, and a newer
one takes its place.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections import Counter
from collections.abc import Mapping
from typing import Final

from chronotick.workers.allowlist import AllowList
from chronotick.workers.asking import ask, failure, told
from chronotick.workers.doorway import Doorway
from chronotick.workers.interface import AnyWorker
from chronotick.workers.keys import KeyPair
from chronotick.workers.messages import (
    PROTOCOL,
    Attach,
    Bye,
    Cancel,
    Drain,
    ForecastRequest,
    Hello,
    Message,
    Refuse,
    Welcome,
    common_version,
)
from chronotick.workers.plain import plain
from chronotick.workers.sessions import Session
from chronotick.workers.turns import Job, Turns

_LONGEST_DEADLINE_S: Final = 3600.0
_GREETING_S: Final = 10.0
_LONGEST_NAME: Final = 64
_MOST_REFUSALS_KEPT: Final = 1000
_EXPELLED: Final = Refuse(reason="this clock's key is not on the server's list any more")

logger = logging.getLogger(__name__)


class Front:
    """Speaks with clocks and asks the workers for them."""

    def __init__(
        self,
        listen: str,
        pair: KeyPair,
        allowed: AllowList,
        workers: Mapping[str, AnyWorker],
        *,
        max_clocks: int,
        beat_s: float = 5.0,
        poll_s: float = 0.5,
    ) -> None:
        """Listen.

        Args:
            listen: ``tcp://HOST:PORT``.
            pair: keys of this server.
            allowed: public keys of the clocks that may connect.
            workers: by name of their model; all that will be served.
            max_clocks: connections served; another one is refused.
            beat_s: how often each clock is told the state of its model, changed or not.
            poll_s: how often the state is looked at.

        Raises:
            zmq.ZMQError: the address cannot be bound.
        """
        self._allowed = allowed
        self._workers = workers
        self._max_clocks = max_clocks
        self._beat_s, self._poll_s = beat_s, poll_s
        self._loop = asyncio.get_running_loop()
        self._sessions: dict[bytes, Session] = {}
        self._refused: dict[tuple[str, str], str] = {}
        self._doorway = Doorway(listen, pair, allowed, self._receive)
        self._send = self._doorway.send
        self._turns = {name: Turns(self._serve) for name in workers}
        self._telling = self._loop.create_task(self._tell_for_ever())

    @property
    def address(self) -> str:
        """What clocks connect to, with the port that was really taken."""
        return self._doorway.address

    @property
    def dropped(self) -> Counter[str]:
        """How many received messages were dropped, by reason."""
        return self._doorway.dropped

    @property
    def clocks(self) -> list[str]:
        """Names of the connected clocks, once for each model they ask."""
        return [session.name for session in self._sessions.values()]

    def recheck(self) -> None:
        """Read the list of keys again now, and end the sessions of keys that are gone."""
        self._allowed.refresh(force=True)
        self._expel()

    async def close(self) -> None:
        """Say goodbye to all clocks and stop listening."""
        for client in list(self._sessions):
            self._forget(client, Bye(reason="the server is being stopped"))
        self._telling.cancel()
        await asyncio.gather(self._telling, return_exceptions=True)
        for turns in self._turns.values():
            await turns.close()
        self._doorway.close()

    def _receive(self, client: bytes, key: str, message: Message) -> None:
        session = self._sessions.get(client)
        if session is None:
            self._on_stranger(client, key, message)
            return
        match message:
            case Welcome(protocol=version):
                self._on_welcome(session, version)
            case ForecastRequest() if session.greeted:
                self._on_request(session, message)
            case Cancel(id=request_id):
                job = self._turns[session.model].cancel(client, request_id)
                if job is not None:
                    self._send(client, failure(job, "cancelled", "cancelled by the clock"))
            case Drain():
                self._forget(client, Bye(reason="drained"))
            case _:
                self.dropped["out of place"] += 1

    def _on_stranger(self, client: bytes, key: str, message: Message) -> None:
        if not isinstance(message, Attach):
            self.dropped["not attached"] += 1
            self._send(client, Refuse(reason="it is not attached", hint="Connect again."))
            return
        name = self._allowed.name_of(key)
        refusal = self._refusal(key, message)
        if refusal is not None:
            self._tell_of_refusal(name, (key, message.model[:_LONGEST_NAME]), refusal.reason)
            self._send(client, refusal)
            return
        self._refused.pop((key, message.model), None)
        if message.clock:
            name += f" ({plain(message.clock[:_LONGEST_NAME])})"
        self._sessions[client] = Session(client, key, name, message.model, self._loop.time())
        self._send(
            client,
            Hello(
                protocol=PROTOCOL,
                token=message.token,
                pid=os.getpid(),
                runtime=f"python {platform.python_version()}",
                platform=platform.platform(),
            ),
        )

    def _tell_of_refusal(self, name: str, asked: tuple[str, str], reason: str) -> None:
        """Log it, unless the same was refused for the same reason the last time."""
        if self._refused.get(asked) == reason:
            return
        if len(self._refused) >= _MOST_REFUSALS_KEPT:
            self._refused.clear()
        self._refused[asked] = reason
        logger.warning("refused %s: %s", name, reason)

    def _refusal(self, key: str, attach: Attach) -> Refuse | None:
        """Why a clock cannot be served, if so."""
        if key not in self._allowed:
            return _EXPELLED
        if common_version(attach.protocol) is None:
            reason = "protocol {}-{} is spoken by the clock, {}-{} by the server".format(
                *attach.protocol, *PROTOCOL
            )
            return Refuse(reason=reason, hint="Install the same release of chronotick on both.")
        if attach.model not in self._workers:
            model, served = plain(attach.model[:40]), ", ".join(sorted(self._workers))
            return Refuse(
                reason=f"model {model} is not served here; served are: {served}",
                hint=f"Add it on the server: chronotick worker serve --model {model}",
            )
        if len(self._sessions) >= self._max_clocks:
            self._tell_all()  # forgets those that have left
        if len(self._sessions) >= self._max_clocks:
            return Refuse(reason=f"{self._max_clocks} clocks are connected, no more are served")
        return None

    def _on_welcome(self, session: Session, version: int) -> None:
        if not PROTOCOL[0] <= version <= PROTOCOL[1]:
            self._forget(session.client, Refuse(reason=f"protocol {version} was not offered"))
            return
        if not session.greeted:
            logger.info("%s asks for %s", session.name, session.model)
        session.greeted = True
        self._tell(session)

    def _on_request(self, session: Session, request: ForecastRequest) -> None:
        remaining_s = min(_LONGEST_DEADLINE_S, request.deadline_ns * 1e-9)
        job = Job(session.client, request, self._loop.time() + remaining_s)
        older = self._turns[session.model].put(job)
        if older is not None:
            words = "a newer context took its place"
            self._send(session.client, failure(older, "superseded", words))

    async def _serve(self, job: Job) -> None:
        """Ask the worker for one clock, and answer."""
        session = self._sessions.get(job.client)
        if session is None:
            return
        try:
            answer = await ask(self._workers[session.model], job, self._loop.time())
        except Exception as error:  # a mistake here must not end the turns of all clocks
            logger.exception("a request of %s failed", session.name)
            answer = failure(job, "exception", repr(error))
        if not self._send(job.client, answer):
            self._forget(job.client)

    async def _tell_for_ever(self) -> None:
        """Tell each clock the state of its model, when it changes and at every beat."""
        known = {name: told(worker) for name, worker in self._workers.items()}
        beaten_s = self._loop.time()
        while True:
            await asyncio.sleep(self._poll_s)
            state = {name: told(worker) for name, worker in self._workers.items()}
            changed = {name for name in state if state[name] != known[name]}
            known = state
            if self._loop.time() - beaten_s >= self._beat_s:
                beaten_s = self._loop.time()
                self._expel()
                changed = set(state)
            self._tell_all(changed)

    def _tell_all(self, models: set[str] | None = None) -> None:
        """Tell the clocks of these models, or all. Those that have left are forgotten so."""
        for session in list(self._sessions.values()):
            if session.greeted and (models is None or session.model in models):
                self._tell(session)
            elif not session.greeted and self._loop.time() - session.since_s > _GREETING_S:
                self._forget(session.client, Refuse(reason="it did not answer HELLO"))

    def _tell(self, session: Session) -> None:
        if not self._send(session.client, told(self._workers[session.model])):
            self._forget(session.client)

    def _expel(self) -> None:
        """End the sessions whose keys have been taken off the list."""
        self._allowed.refresh()
        for session in list(self._sessions.values()):
            if session.key not in self._allowed:
                self._forget(session.client, _EXPELLED)

    def _forget(self, client: bytes, last: Bye | Refuse | None = None) -> None:
        """End a session, with a last word if there is one."""
        session = self._sessions.pop(client, None)
        if session is None:
            return
        self._turns[session.model].forget(client)
        if last is not None:
            self._send(client, last)
        reason = last.reason if last else "it is gone"
        logger.info("%s does not ask for %s any more: %s", session.name, session.model, reason)
