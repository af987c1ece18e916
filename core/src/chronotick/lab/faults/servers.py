"""Real time servers, which can be stopped and started at the same address; one of them can lie."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final

from chronotick.lab import attacks
from chronotick.lab.attacker import Attacker, attacking
from chronotick.lab.world import Lie
from chronotick.ntp.testing import free_udp_port, running_chronyd

_ANSWER_S: Final = 10.0


class Server:
    """A chronyd of this host at an address of its own."""

    def __init__(self) -> None:
        self.port = free_udp_port()
        self._running: AbstractContextManager[int] | None = None

    @property
    def address(self) -> str:
        """As the configuration spells it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; nothing if it runs.

        Raises:
            ChronydError: it does not start.
        """
        if self._running is None:
            running = running_chronyd(port=self.port)
            running.__enter__()
            self._running = running

    def stop(self) -> None:
        """End it; nothing if it does not run."""
        if self._running is not None:
            self._running.__exit__(None, None, None)
            self._running = None


class Falseticker:
    """Stands between the daemon and one of the servers, and passes on or lies as he is told.

    Args:
        server: the honest one.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._attacker: Attacker | None = None
        self._thread = threading.Thread(target=self._run, name="falseticker", daemon=True)

    @property
    def address(self) -> str:
        """Where the daemon finds the server, or so it believes."""
        if self._attacker is None:
            raise RuntimeError("he stands nowhere yet: start() him")
        return self._attacker.address

    def start(self) -> None:
        """Take his place."""
        self._thread.start()
        if not self._ready.wait(_ANSWER_S):
            raise RuntimeError("the relay between daemon and server did not start")

    def lie(self, offset_s: float) -> None:
        """From now on replies are wrong by so much (s); 0: not at all."""
        attack = attacks.shifted(Lie(offset_s=offset_s)) if offset_s else attacks.nothing
        self._loop.call_soon_threadsafe(setattr, self._attacker, "attack", attack)

    def close(self) -> None:
        """Leave his place."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_ANSWER_S)
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._stand())

    async def _stand(self) -> None:
        async with attacking(("127.0.0.1", self._server.port)) as attacker:
            self._attacker = attacker
            self._ready.set()
            await self._stop.wait()


class Servers:
    """Some honest servers; between the daemon and the first one stands a falseticker.

    Attributes:
        honest: the servers.
        falseticker: between the daemon and ``honest[0]``.
        addresses: what the daemon is to ask.
    """

    def __init__(self, honest: Sequence[Server], falseticker: Falseticker) -> None:
        self.honest, self.falseticker = list(honest), falseticker
        self.addresses = [falseticker.address, *(server.address for server in self.honest[1:])]


@contextlib.contextmanager
def serving(count: int) -> Iterator[Servers]:
    """Run time servers for the length of the block.

    Raises:
        ChronydError: chronyd is missing or does not start.
    """
    with contextlib.ExitStack() as stack:
        honest = [Server() for _ in range(count)]
        for server in honest:
            stack.callback(server.stop)
            server.start()
        falseticker = Falseticker(honest[0])
        falseticker.start()
        stack.callback(falseticker.close)
        yield Servers(honest, falseticker)
