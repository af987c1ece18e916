"""Letting the daemon's code live on a virtual host.

The modules that ask the operating system for the time and for sockets do so by the names ``time``
and ``socket``. Inside a ``with inhabited(...)`` these names lead to a virtual host, in those
modules only; everything else in the process goes on as ever, so no daemon may run in it. Of NTS,
TLS is replaced, with its certificates. Chance in poll intervals is made repeatable.
"""

from __future__ import annotations

import contextlib
import random
import ssl
from collections.abc import Iterator
from types import ModuleType

from chronotick.lab.scenarios.datagrams import HostSockets, VirtualSocket
from chronotick.lab.scenarios.host import Host, HostTime
from chronotick.lab.scenarios.loop import HostLoop
from chronotick.lab.scenarios.network import Network
from chronotick.ntp import address, exchange, poll, source, timestamps
from chronotick.ntp.nts import asker, key_exchange
from chronotick.shm import clocks


@contextlib.contextmanager
def inhabited(host: Host, loop: HostLoop, network: Network, *, seed: int = 0) -> Iterator[None]:
    """Lead the daemon's modules to a virtual host; not for two hosts at once.

    Args:
        host: its clocks.
        loop: its event loop.
        network: where its packets go, and who looks names up.
        seed: of the jitter of polls.

    Raises:
        RuntimeError: another host is inhabited already.
    """
    is_taken = isinstance(vars(timestamps)["time"], HostTime)
    if is_taken:
        raise RuntimeError("a scenario runs in this process already. Run them one after another")
    clock = HostTime(host, loop.raw_ns)
    sockets = HostSockets(lambda: VirtualSocket(host, loop, network))
    names: tuple[tuple[ModuleType, str, object], ...] = (
        (timestamps, "time", clock),
        (timestamps, "socket", sockets),
        (exchange, "socket", sockets),
        (source, "time", clock),
        (asker, "time", clock),
        (key_exchange, "socket", sockets),
        (key_exchange, "client_context", lambda _trusted: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)),
        (key_exchange, "TlsStream", network.key_stream),
        (clocks, "time", clock),
        (address, "look_up", network.look_up),
        (poll, "_random", random.Random(seed)),  # noqa: S311 - to be repeatable
    )
    before = [(module, name, getattr(module, name)) for module, name, _ in names]
    try:
        for module, name, stand_in in names:
            setattr(module, name, stand_in)
        yield
    finally:
        for module, name, genuine in before:
            setattr(module, name, genuine)
