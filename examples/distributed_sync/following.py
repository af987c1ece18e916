"""Hearing from each node what it did, and keeping the log they write to."""
# ruff: noqa: INP001 - part of a program, not of a package

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from members import Lost, Member
from messages import Acted, Begin, Done, Granted, Message, Missed, Propose, Written


@dataclass(frozen=True)
class Entry:
    """A write in the log.

    The coordinator granted it as its event number ``begun`` and acknowledged it as ``ended``: a
    write that ended before another was begun really came first.
    """

    node: str
    number: int
    stamp_ns: int
    begun: int
    ended: int


@dataclass
class Outcome:
    """What the nodes did."""

    acted: dict[str, list[Acted]] = field(default_factory=dict)
    missed: dict[str, list[Missed]] = field(default_factory=dict)
    log: list[Entry] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)


async def follow(members: Sequence[Member], plan: Propose, patience_s: float) -> Outcome:
    """Hear what each node does, until all are done or lost.

    Args:
        members: the nodes that have acknowledged the plan.
        plan: what was decided.
        patience_s: how long a node that is well may have nothing to say, beside its timeout.
    """
    outcome, events = Outcome(), count()
    heard = [_Hearing(member, plan, outcome, events) for member in members]
    await asyncio.gather(*(hearing.run(patience_s) for hearing in heard))
    return outcome


class _Hearing:
    """What one node says, until it is done."""

    def __init__(
        self, member: Member, plan: Propose, outcome: Outcome, events: Iterator[int]
    ) -> None:
        self._member = member
        self._plan = plan
        self._outcome = outcome
        self._events = events
        self._begun: dict[int, int] = {}  # number of a write: event at which it was granted
        outcome.acted[member.name], outcome.missed[member.name] = [], []

    async def run(self, patience_s: float) -> None:
        try:
            while not isinstance(message := await self._member.receive(patience_s), Done):
                await self._take(message)
            await self._member.send(Done())
        except Lost as problem:
            self._outcome.lost[self._member.name] = str(problem)
        finally:
            self._member.close()

    async def _take(self, message: Message) -> None:
        name = self._member.name
        if isinstance(message, Acted) and 0 <= message.tick < self._plan.ticks:
            self._outcome.acted[name].append(message)
        elif isinstance(message, Missed) and 0 <= message.tick < self._plan.ticks:
            self._outcome.missed[name].append(message)
        elif isinstance(message, Begin):
            self._begun[message.number] = next(self._events)
            await self._member.send(Granted())
        elif isinstance(message, Written) and message.number in self._begun:
            self._acknowledge(message)
        else:
            raise Lost(f"{name} sent a {type(message).__name__} that was not due")

    def _acknowledge(self, written: Written) -> None:
        begun, ended = self._begun.pop(written.number), next(self._events)
        entry = Entry(self._member.name, written.number, written.stamp_ns, begun, ended)
        self._outcome.log.append(entry)
