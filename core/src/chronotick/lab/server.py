"""The embedded time server: every server of a simulated world on a UDP port of this machine."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence

from chronotick.history import boot_id
from chronotick.lab.simulated_server import SimulatedServer
from chronotick.lab.world import LiveWorld, World
from chronotick.ntp.timestamps import raw_now_ns


class Servers(Sequence[SimulatedServer]):
    """The running servers of a world, in its order.

    Attributes:
        live: the world in motion; ``live.world`` is its description.
    """

    def __init__(self, live: LiveWorld, servers: Sequence[SimulatedServer]) -> None:
        self.live = live
        self._servers = tuple(servers)

    def __getitem__(self, index: int) -> SimulatedServer:  # type: ignore[override] # no slices
        return self._servers[index]

    def __len__(self) -> int:
        return len(self._servers)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where they answer, as ``clock_measurement.ntp.servers`` wants it."""
        return tuple(map(str, self._servers))

    def truth(self, raw_ns: int) -> int:
        """True time (UTC, ns) of the world at CLOCK_MONOTONIC_RAW `raw_ns`."""
        return self.live.truth(raw_ns)


@contextlib.asynccontextmanager
async def serve(
    world: World, *, host: str = "127.0.0.1", ports: Sequence[int] = ()
) -> AsyncIterator[Servers]:
    """Run the servers of a world on this machine, one UDP port each.

    Args:
        world: the world; it must have been started on this boot (`World.starting_now`).
        host: address to answer on; ``::1`` for IPv6.
        ports: a port for each server; empty, or 0, is any free one.

    Yields:
        The running servers; they stop when the block is left.

    Raises:
        ValueError: the world is not of this boot, or the number of ports is not that of servers.
        OSError: a port is taken, or the address is not of this machine.
    """
    _check(world, ports)
    live = world.live()
    live.truth(raw_now_ns())  # draws the fluctuations so far now, not while a request waits
    with _sockets(host, ports or [0] * len(world.servers)) as sockets:
        servers = [SimulatedServer(number, live, sock) for number, sock in enumerate(sockets)]
        for server in servers:
            server.start()
        try:
            yield Servers(live, servers)
        finally:
            for server in servers:
                server.stop()


def _check(world: World, ports: Sequence[int]) -> None:
    if world.boot_id != boot_id() or world.start_raw_ns > raw_now_ns():
        raise ValueError(
            "this world has not been started on this boot of this machine, so real clocks mean "
            "nothing in it. Serve world.starting_now() instead."
        )
    if ports and len(ports) != len(world.servers):
        raise ValueError(
            f"{len(ports)} ports for {len(world.servers)} simulated servers: "
            "give one for each, or none for any free ports"
        )


@contextlib.contextmanager
def _sockets(host: str, ports: Sequence[int]) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(_bound_socket(host, port)) for port in ports]


def _bound_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.settimeout(0)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(
            error.errno,
            f"lab server: cannot answer on {host} port {port}: {error.strerror}. "
            "Choose another port, or 0 for any free one",
        ) from error
    return sock
