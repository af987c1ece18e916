"""The network of a scenario: servers that answer real NTP packets at virtual instants."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from chronotick.lab.network import NS_PER_S
from chronotick.lab.responder import spoil, time_reply
from chronotick.lab.scenarios.datagrams import VirtualSocket
from chronotick.lab.scenarios.events import Event, Mischief, ServerChange
from chronotick.lab.scenarios.host import Host
from chronotick.lab.world import LiveWorld, ServerModel
from chronotick.ntp.lookup import Found
from chronotick.ntp.packet import Packet
from chronotick.ntp.replying import RATE, kiss, parse_request

FORGED_NS = 3600 * NS_PER_S
"""How wrong a forgery is."""
OVERTAKEN_NS = 60 * NS_PER_S
"""How long a reply that is overtaken is held: nobody waits for it any more."""
AGAIN_NS = 200_000
"""After which a reply comes once more."""


def address_of(number: int) -> str:
    """The address of a server: reserved for documentation (RFC 5737), it leads nowhere."""
    return f"192.0.2.{number + 1}"


def number_of(address: str) -> int:
    """The number of the server at an address."""
    return int(address.rpartition(".")[2]) - 1


class Network:
    """Carries requests to the servers of a world, and their answers back.

    Args:
        live: the world.
        host: whose truth the servers tell.
        events: of which the changes of servers happen here.
        mischief: what else happens to packets.
        pool: numbers of the servers that a name stands for.
    """

    def __init__(
        self,
        live: LiveWorld,
        host: Host,
        events: Iterable[Event] = (),
        mischief: Mischief | None = None,
        pool: Sequence[int] = (),
    ) -> None:
        changes = [each for each in events if isinstance(each, ServerChange)]
        self._servers = {
            address_of(number): _Server(number, live, host, changes)
            for number in range(len(live.world.servers))
        }
        self._host = host
        self._pool = pool
        self._mischief = mischief or Mischief()
        self._rng = np.random.default_rng(np.random.SeedSequence(live.world.seed, spawn_key=(3,)))

    def carry(self, sock: VirtualSocket, data: bytes) -> None:
        """Take a request, and let arrive what comes of it."""
        server = self._servers.get(sock.peer[0])
        if server is None:
            return
        sent_ns = sock.now_ns
        reply = server.answer(data, sent_ns)
        if reply is None or self._host.slept_between(sent_ns, reply[0]):
            return
        due_ns, answer = reply
        mischief, rng = self._mischief, self._rng
        for _ in range(mischief.forged):
            sock.arrive(due_ns - 1000, _forged(answer))
        due_ns += OVERTAKEN_NS * int(rng.random() < mischief.overtaken)
        sock.arrive(due_ns, answer)
        if rng.random() < mischief.duplicated:
            sock.arrive(due_ns + AGAIN_NS, answer)

    async def look_up(self, host: str, port: int, kind: socket.SocketKind) -> list[Found]:
        """Look a name up: whatever it is, it stands for the servers of the pool.

        Raises:
            OSError: there are none.
        """
        if not self._pool:
            raise socket.gaierror(socket.EAI_NONAME, f"{host} is no name in this scenario")
        found = [(address_of(number), port) for number in self._pool]
        return [(socket.AF_INET, kind, 0, "", each) for each in found]


class _Server:
    """One server: how it behaves, when, and what it answers."""

    def __init__(
        self, number: int, live: LiveWorld, host: Host, changes: Sequence[ServerChange]
    ) -> None:
        self._path = live.paths[number]
        self._host = host
        self._models = [(0.0, live.world.servers[number])]
        for change in changes:
            if number in change.servers:
                before = dict(self._models[-1][1])
                model = ServerModel.model_validate(before | dict(change.behaviour))
                self._models.append((change.at_s, model))
        self._last_request_ns: int | None = None
        self._last_reply = b""

    def answer(self, data: bytes, sent_ns: int) -> tuple[int, bytes] | None:
        """When the answer to a request arrives, and what it is; None where none does."""
        at_s = self._host.elapsed_s(sent_ns)
        transit, request = self._path.transit(at_s), parse_request(data)
        if transit is None or request is None:
            return None
        model = self._model(at_s)
        there_ns = sent_ns + transit.forward_ns
        leaves_ns = there_ns + round(model.hold_s * NS_PER_S)
        lie_ns = model.lie.at_ns(at_s) if model.lie else 0
        reply = time_reply(
            request,
            model,
            t2_ns=self._host.truth(there_ns) + lie_ns,
            t3_ns=self._host.truth(leaves_ns) + lie_ns,
        )
        code = model.kiss or self._too_soon(model, sent_ns)
        answer = spoil(kiss(reply, code) if code else reply, model.fault, self._last_reply)
        self._last_reply = answer
        return leaves_ns + transit.backward_ns, answer

    def _model(self, at_s: float) -> ServerModel:
        return [model for since_s, model in self._models if since_s <= at_s][-1]

    def _too_soon(self, model: ServerModel, sent_ns: int) -> str | None:
        last_ns, self._last_request_ns = self._last_request_ns, sent_ns
        limit_ns = model.min_interval_s * NS_PER_S
        return RATE if last_ns is not None and sent_ns - last_ns < limit_ns else None


def _forged(answer: bytes) -> bytes:
    """An answer of somebody who did not see the request, and wants another time."""
    reply = Packet.unpack(answer)
    ahead = FORGED_NS // NS_PER_S << 32
    return replace(
        reply,
        origin_timestamp=reply.origin_timestamp ^ 1,
        receive_timestamp=(reply.receive_timestamp + ahead) % (1 << 64),
        transmit_timestamp=(reply.transmit_timestamp + ahead) % (1 << 64),
    ).pack()
