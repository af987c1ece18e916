"""The nodes, seen from the coordinator: who has joined, and what is said to and by each."""
# ruff: noqa: INP001 - part of a program, not of a package

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from messages import (
    LONGEST,
    Abort,
    Expected,
    Join,
    Message,
    MessageError,
    decode,
    encode,
    require,
)

FAILED, BAD_ARGUMENTS = 1, 2


class NotAgreed(Exception):  # noqa: N818 - says what is the case
    """Raised when nothing was decided, so nothing is done; ``code`` is the exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


class Lost(Exception):  # noqa: N818 - same
    """Raised when a node left, did not answer in time, or said what it should not have."""


class Member:
    """A node, seen from the coordinator."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout_s: float
    ) -> None:
        self.name = ""
        self.host = ""
        self._reader = reader
        self._writer = writer
        self._timeout_s = timeout_s

    async def send(self, message: Message) -> None:
        """Say something to the node.

        Raises:
            Lost: it is not there any more.
        """
        try:
            self._writer.write(encode(message))
            await self._writer.drain()
        except OSError as problem:
            raise Lost(f"{self.name} left: {problem.strerror}") from problem

    async def receive(self, patience_s: float = 0.0) -> Message:
        """Return what the node says next, within the timeout and some more patience.

        Raises:
            Lost: it says nothing, or nothing that can be understood.
        """
        try:
            line = await asyncio.wait_for(self._reader.readline(), self._timeout_s + patience_s)
            if not line:
                raise Lost(f"{self.name} left")
            return decode(line)
        except asyncio.TimeoutError:
            raise Lost(f"{self.name} did not answer within {self._timeout_s:g} s") from None
        except OSError as problem:
            raise Lost(f"{self.name} left: {problem.strerror}") from problem
        except ValueError:  # longer than the stream's limit
            raise Lost(f"{self.name} sent a line of more than {LONGEST} bytes") from None
        except MessageError as problem:
            raise Lost(f"{self.name} sent {problem}") from problem

    async def ask(self, question: Message, kind: type[Expected]) -> Expected:
        """Return the node's answer.

        Raises:
            Lost: there is none, or it is of another kind.
        """
        await self.send(question)
        return self.require(await self.receive(), kind)

    def require(self, message: Message, kind: type[Expected]) -> Expected:
        """Return a message if it is the one that is due.

        Raises:
            Lost: it is another.
        """
        try:
            return require(message, kind)
        except MessageError as problem:
            raise Lost(f"{self.name} sent {problem}") from problem

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def gather(
    host: str,
    port: int,
    nodes: int,
    *,
    timeout_s: float,
    join_s: float,
    listening: Callable[[str, int], None],
) -> list[Member]:
    """Listen until so many nodes have joined; strangers are told to go.

    Args:
        host: address to listen on.
        port: 0 is any free one.
        nodes: how many.
        timeout_s: within which a node has to answer, from then on.
        join_s: how long to wait for all.
        listening: called with address and port once nodes can join.

    Raises:
        NotAgreed: not all came in time, or the port cannot be had.
    """
    members: dict[str, Member] = {}
    complete = asyncio.Event()

    async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        member = Member(reader, writer, timeout_s)
        try:
            await _welcome(member, members, nodes)
        except Lost as problem:
            writer.write(encode(Abort(f"not admitted: {problem}")))
            member.close()
        if len(members) == nodes:
            complete.set()

    try:
        server = await asyncio.start_server(joined, host, port, limit=LONGEST)
    except OSError as problem:
        raise NotAgreed(
            f"cannot listen on {host}:{port}: {problem.strerror}; choose another --listen",
            BAD_ARGUMENTS,
        ) from problem
    listening(host, server.sockets[0].getsockname()[1])
    try:
        await asyncio.wait_for(complete.wait(), join_s)
    except asyncio.TimeoutError:
        await call_off(list(members.values()), "not all nodes came")
        raise NotAgreed(
            f"only {len(members)} of {nodes} nodes joined within {join_s:g} s"
        ) from None
    finally:
        server.close()
    return [members[name] for name in sorted(members)]


async def _welcome(member: Member, members: dict[str, Member], nodes: int) -> None:
    member.name = "a stranger"
    join = member.require(await member.receive(), Join)
    if join.name in members:
        raise Lost(f"there is a node {join.name!r} already; give each another --name")
    if len(members) == nodes:
        raise Lost(f"all {nodes} nodes are there already")
    member.name, member.host = join.name, join.host
    members[join.name] = member


async def call_off(members: Sequence[Member], reason: str) -> None:
    """Tell all who can be told that nothing will be done."""
    sent = [member.send(Abort(reason)) for member in members]
    await asyncio.gather(*sent, return_exceptions=True)
    for member in members:
        member.close()
