"""The network of a scenario: servers that answer real NTP packets at virtual instants."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from chronotick.lab.network import NS_PER_S
from chronotick.lab.responder import spoil, time_reply
from chronotick.lab.scenarios.datagrams import VirtualSocket
from chronotick.lab.scenarios.events import Event, Mischief, ServerChange, Stripping
from chronotick.lab.scenarios.forging import ahead, forged
from chronotick.lab.scenarios.host import Host
from chronotick.lab.scenarios.keyed_servers import KeyedServer, is_keyed
from chronotick.lab.scenarios.nts_servers import KeyStream, NtsServer
from chronotick.lab.world import LiveWorld, ServerModel
from chronotick.ntp.lookup import Found
from chronotick.ntp.packet import HEADER_BYTES, Packet
from chronotick.ntp.replying import RATE, kiss, parse_request

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
        events: of which those that happen to servers and to packets count here.
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
        events = list(events)
        self._servers = {
            address_of(number): _Server(number, live, host, events)
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
            sock.arrive(due_ns - 1000, forged(answer))
        due_ns += OVERTAKEN_NS * int(rng.random() < mischief.overtaken)
        sock.arrive(due_ns, answer)
        if rng.random() < mischief.duplicated:
            sock.arrive(due_ns + AGAIN_NS, answer)

    def key_stream(self, sock: VirtualSocket, name: str, context: object) -> KeyStream:
        """Connect to the server for NTS keys where a socket leads, as TLS would.

        Raises:
            OSError: there is none.
        """
        del name, context  # there is no certificate that they could be compared with
        server = self._servers.get(sock.peer[0])
        if server is None:
            raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
        return KeyStream(server.nts, server.path, lambda: self._host.elapsed_s(sock.now_ns))

    def key_exchanges(self) -> Mapping[int, int]:
        """How many exchanges of NTS keys servers have done, by number."""
        done = {number_of(at): server.nts.key_exchanges for at, server in self._servers.items()}
        return {number: count for number, count in done.items() if count}

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

    def __init__(self, number: int, live: LiveWorld, host: Host, events: Sequence[Event]) -> None:
        self.path = live.paths[number]
        self.nts = NtsServer(number, events)
        self._keyed = KeyedServer(number, events)
        strippings = (each for each in events if isinstance(each, Stripping))
        self._strippings = [each for each in strippings if number in each.servers]
        self._host = host
        self._models = [(0.0, live.world.servers[number])]
        for change in events:
            if isinstance(change, ServerChange) and number in change.servers:
                before = dict(self._models[-1][1])
                model = ServerModel.model_validate(before | dict(change.behaviour))
                self._models.append((change.at_s, model))
        self._last_request_ns: int | None = None
        self._last_reply = b""

    def answer(self, data: bytes, sent_ns: int) -> tuple[int, bytes] | None:
        """When the answer to a request arrives, and what it is; None where none does."""
        at_s = self._host.elapsed_s(sent_ns)
        transit, request = self.path.transit(at_s), parse_request(data)
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
        reply = kiss(reply, code) if code else reply
        if len(data) > HEADER_BYTES:
            answer = self._authenticated(data, reply, at_s)
        else:
            answer = spoil(reply, model.fault, self._last_reply)
            self._last_reply = answer
        return None if answer is None else (leaves_ns + transit.backward_ns, answer)

    def _authenticated(self, request: bytes, reply: Packet, at_s: float) -> bytes | None:
        """The answer to a request with more in it than a header; faults of a model spare it."""
        if any(each.at_s <= at_s < each.until_s for each in self._strippings):
            return ahead(reply)
        way = self._keyed if is_keyed(request) else self.nts
        return way.answer(request, reply, at_s)

    def _model(self, at_s: float) -> ServerModel:
        return [model for since_s, model in self._models if since_s <= at_s][-1]

    def _too_soon(self, model: ServerModel, sent_ns: int) -> str | None:
        last_ns, self._last_request_ns = self._last_request_ns, sent_ns
        limit_ns = model.min_interval_s * NS_PER_S
        return RATE if last_ns is not None and sent_ns - last_ns < limit_ns else None
