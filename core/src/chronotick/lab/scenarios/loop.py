"""An event loop on a virtual host: its time is virtual, and so are its sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chronotick.lab.network import NS_PER_S
from chronotick.lab.replaying.virtual_loop import VirtualLoop

if TYPE_CHECKING:
    from chronotick.lab.scenarios.datagrams import VirtualSocket


class HostLoop(VirtualLoop):
    """Runs the daemon's tasks.

    Args:
        start_raw_ns: the host's local clock when the loop's time is 0.
    """

    def __init__(self, start_raw_ns: int) -> None:
        super().__init__()
        self._start_raw_ns = start_raw_ns
        self._readers: dict[VirtualSocket, Callable[[], object]] = {}

    def raw_ns(self) -> int:
        """The host's local clock now."""
        return self._start_raw_ns + round(self.time() * NS_PER_S)

    def stand_still_until(self, virtual_s: float) -> None:
        """Let time pass in which nothing is done: the process was stopped."""
        self._now_s = max(self._now_s, virtual_s)

    def add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]  # noqa: ANN401
        """Call back whenever there is something to read in a virtual socket."""
        self._readers[fd] = lambda: callback(*args)
        self.wake(fd)

    def remove_reader(self, fd: Any) -> bool:  # noqa: ANN401
        """Do no longer."""
        return self._readers.pop(fd, None) is not None

    async def sock_connect(self, sock: Any, address: Any) -> None:  # noqa: ANN401
        """Connect a virtual socket, at once: what that takes is the stream's affair."""
        sock.connect(address)

    def wake(self, sock: VirtualSocket) -> None:
        """Something may be there to be read."""
        if sock in self._readers and sock.readable:
            self.call_soon(self._read, sock)

    def _read(self, sock: VirtualSocket) -> None:
        reader = self._readers.get(sock)
        if reader is None or not sock.readable:
            return
        reader()
        self.wake(sock)  # as a selector does: until all is read
