"""Agreeing on a moment, in two phases.

Phase 1: every node states its interval of true time; the target lies a margin after the latest of
all; every node says yes, or why not. Phase 2: when all have said yes it is decided, and each
acknowledges. Until then nothing is done by anybody; a decision, once made, stands.
"""
# ruff: noqa: INP001 - part of a program, not of a package

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from members import Lost, Member, NotAgreed, call_off
from messages import Ask, Decide, Decided, Propose, State, Unable, Vote

ATTEMPTS = 4
"""Each with twice the margin of the one before."""
ROUND_TRIPS = 4
"""Of the slowest node, that the target lies ahead beside the margin."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Told:
    """A node's state, with when it was asked and when it had answered (monotonic clock, ns)."""

    state: State
    asked_ns: int
    answered_ns: int


@dataclass(frozen=True)
class Agreement:
    """What was decided, what it was decided on, and who was lost before acknowledging it."""

    decided: Propose
    attempts: int
    slowest_answer_ns: int
    told: dict[str, Told]
    lost: dict[str, str]


async def agree(members: Sequence[Member], plan: Propose, margin_ns: int) -> Agreement:
    """Agree with all nodes on when a plan begins, and have them begin.

    Args:
        members: the nodes.
        plan: everything but its ``target_ns``.
        margin_ns: how far the target lies, at least, after the latest that true time can be.

    Raises:
        NotAgreed: a node cannot take part, or was lost. Nothing is done, and all have been told.
    """
    try:
        return await _agree(members, plan, margin_ns)
    except (NotAgreed, Lost) as problem:
        await call_off(members, str(problem))
        if isinstance(problem, NotAgreed):
            raise
        raise NotAgreed(f"{problem}, before anything was decided: nothing was done") from problem


async def _agree(members: Sequence[Member], plan: Propose, margin_ns: int) -> Agreement:
    objections: list[str] = []
    for attempt in range(ATTEMPTS):
        told = dict(await _all(_told(member) for member in members))
        _refuse_contradiction(told)
        slowest_ns = max(t.answered_ns - t.asked_ns for t in told.values())
        ahead_ns = (margin_ns << attempt) + ROUND_TRIPS * slowest_ns
        proposed = replace(plan, target_ns=latest_ns(told) + ahead_ns)
        votes = await _all(member.ask(proposed, Vote) for member in members)
        objections = [
            f"{member.name}: {vote.objection}"
            for member, vote in zip(members, votes, strict=True)
            if vote.objection
        ]
        if not objections and latest_ns(told) < proposed.target_ns:
            lost = await _decide(members)
            return Agreement(proposed, attempt + 1, slowest_ns, told, lost)
        if not all(vote.too_soon for vote in votes if vote.objection):
            break
    raise NotAgreed("; ".join(objections) or "the voting took too long; see --margin-ms")


async def _decide(members: Sequence[Member]) -> dict[str, str]:
    """Tell all to begin; return which nodes did not acknowledge it, and why."""
    told = [member.ask(Decide(), Decided) for member in members]
    answers = await asyncio.gather(*told, return_exceptions=True)
    pairs = zip(members, answers, strict=True)
    return {member.name: str(answer) for member, answer in pairs if isinstance(answer, Lost)}


async def _all(asked: Iterable[Awaitable[Answer]]) -> list[Answer]:
    """Await all, even where one fails: nobody else may be reading from a node afterwards."""
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]


async def _told(member: Member) -> tuple[str, Told]:
    asked_ns = time.monotonic_ns()
    await member.send(Ask())
    answer = await member.receive()
    if isinstance(answer, Unable):
        raise NotAgreed(f"{member.name} cannot take part: {answer.reason}", answer.code)
    state = member.require(answer, State)
    return member.name, Told(state, asked_ns, time.monotonic_ns())


def latest_ns(told: dict[str, Told]) -> int:
    """Return the latest that true time can be now, by any node (Unix ns).

    A node's answer was right at some instant after it was asked, so since then true time has gone
    on by no more than has passed since it was asked.
    """
    return time.monotonic_ns() + max(t.state.latest_ns - t.asked_ns for t in told.values())


def _refuse_contradiction(told: dict[str, Told]) -> None:
    """Find nodes whose intervals exclude each other: one of their clocks is wrong.

    Raises:
        NotAgreed: there are two.
    """
    first = min(told, key=lambda name: told[name].state.latest_ns - told[name].asked_ns)
    last = max(told, key=lambda name: told[name].state.earliest_ns - told[name].answered_ns)
    apart_ns = (told[last].state.earliest_ns - told[last].answered_ns) - (
        told[first].state.latest_ns - told[first].asked_ns
    )
    if apart_ns > 0:
        raise NotAgreed(
            f"{first} and {last} contradict each other: their intervals lie "
            f"{apart_ns / 1e6:.3f} ms apart, so one of their clocks is wrong; "
            "see what `chronotick sources` says on both"
        )
