"""One question to chronyd: a datagram out, the genuine reply in, the clocks read on both sides."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections import Counter
from dataclasses import dataclass

from chronotick.ntp.address import Endpoint
from chronotick.ntp.cmdmon import (
    REPLY_BYTES,
    CmdmonDrop,
    CmdmonDroppedError,
    Tracking,
    read_tracking,
    tracking_request,
)
from chronotick.ntp.cmdmon_socket import connected
from chronotick.ntp.packet import NS_PER_S
from chronotick.ntp.timestamps import ClockPair, RawScale, read_pair

_DATAGRAMS_PER_WAKEUP = 32  # a flood must not keep the event loop from everything else


@dataclass(frozen=True, slots=True)
class Report:
    """A genuine reply.

    Attributes:
        tracking: what chronyd believes.
        scale: the clocks before and after the question.
    """

    tracking: Tracking
    scale: RawScale

    @property
    def realtime_ns(self) -> int:
        """CLOCK_REALTIME in the middle of the question."""
        return (self.scale.before.realtime_ns + self.scale.after.realtime_ns) // 2

    @property
    def raw_ns(self) -> int:
        """CLOCK_MONOTONIC_RAW at the same moment."""
        return (self.scale.before.raw_ns + self.scale.after.raw_ns) // 2

    @property
    def age_s(self) -> float:
        """Time since chronyd's last update, to about a second."""
        now_ns = self.realtime_ns + round(self.tracking.correction_s * NS_PER_S)
        return max((now_ns - self.tracking.reference_unix_ns) / NS_PER_S, 0.0)


async def ask_tracking(endpoint: Endpoint, timeout_s: float, drops: Counter[CmdmonDrop]) -> Report:
    """Ask chronyd for its tracking, once.

    A datagram that does not answer the question is counted, and the reply still waited for. What
    chronyd itself refuses ends it at once.

    Args:
        endpoint: its command port on loopback, or its Unix socket.
        timeout_s: how long the reply is waited for.
        drops: counts what is dropped, but for the failure of the whole question.

    Raises:
        CmdmonDroppedError: it refuses, or there is no reply in time.
        OSError: nobody is there, or this user may not ask.
    """
    with connected(endpoint) as sock:
        return await _Question(sock, drops).ask(timeout_s)


class _Question:
    """One question between its request and its reply."""

    def __init__(self, sock: socket.socket, drops: Counter[CmdmonDrop]) -> None:
        self._sock = sock
        self._drops = drops
        self._sequence = secrets.randbits(32)
        self._loop = asyncio.get_running_loop()
        self._replied: asyncio.Future[tuple[Tracking, ClockPair]] = self._loop.create_future()

    async def ask(self, timeout_s: float) -> Report:
        self._loop.add_reader(self._sock, self._on_readable)
        try:
            before = read_pair()
            self._sock.send(tracking_request(self._sequence))
            # Not wait_for(): before Python 3.12 it can swallow a cancellation.
            await asyncio.wait({self._replied}, timeout=timeout_s)
        finally:
            self._loop.remove_reader(self._sock)
        if not self._replied.done():
            raise CmdmonDroppedError(CmdmonDrop.TIMEOUT)
        tracking, after = self._replied.result()
        return Report(tracking, RawScale(before, after))

    def _on_readable(self) -> None:
        for _ in range(_DATAGRAMS_PER_WAKEUP):
            if self._replied.done():
                return
            try:
                data = self._sock.recv(2 * REPLY_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                self._replied.set_exception(error)
            else:
                self._judge(data, read_pair())

    def _judge(self, data: bytes, after: ClockPair) -> None:
        try:
            tracking = read_tracking(data, self._sequence)
        except CmdmonDroppedError as dropped:
            if dropped.genuine:
                self._replied.set_exception(dropped)
            else:  # the genuine one may still come
                self._drops[dropped.drop] += 1
        else:
            self._replied.set_result((tracking, after))
