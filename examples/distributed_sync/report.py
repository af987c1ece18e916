"""How well it went: each node's acts against the agreed moments and against its own bounds.

All values are integer nanoseconds. An act happened somewhere in the interval its node states, so of
the true spread between nodes two things are certain: it is at least ``spread_certain_ns`` (the gap
between intervals) and at most ``spread_possible_ns`` (their union). On one host there is a witness:
CLOCK_MONOTONIC_RAW, which all its nodes share, and which no daemon touches.
"""
# ruff: noqa: INP001 - part of a program, not of a package

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from statistics import median
from typing import Any

from agreement import Agreement
from following import Entry, Outcome
from messages import Acted

WITNESS_DRIFT = 500e-6
"""How far CLOCK_MONOTONIC_RAW may run from true time: the kernel's limit for a slew."""

Report = dict[str, Any]


def report(agreement: Agreement, outcome: Outcome, hosts: Mapping[str, str]) -> Report:
    """Judge an outcome.

    Args:
        agreement: what was to be done.
        outcome: what was.
        hosts: the hardware clock of each node.

    Returns:
        JSON, with ``problems``, a list of sentences that is empty when all went well.
    """
    plan = agreement.decided
    targets = [plan.target_ns + tick * plan.period_ns for tick in range(plan.ticks)]
    ticks = [_tick(tick, target, outcome, hosts) for tick, target in enumerate(targets)]
    nodes = [_node(name, agreement, outcome, targets) for name in sorted(hosts)]
    order = _order(outcome.log)
    return {
        "target_ns": plan.target_ns,
        "attempts": agreement.attempts,
        "slowest_answer_ns": agreement.slowest_answer_ns,
        "nodes": nodes,
        "ticks": ticks,
        "order": order,
        "problems": _problems(agreement, outcome, nodes, ticks, order),
    }


def _node(name: str, agreement: Agreement, outcome: Outcome, targets: Sequence[int]) -> Report:
    acted = outcome.acted.get(name, [])
    late_ns = [act.estimate_ns - targets[act.tick] for act in acted]
    told = agreement.told[name].state
    return {
        "name": name,
        "acted": len(acted),
        "late": sum(late > agreement.decided.tolerance_ns for late in late_ns),
        "missed": [missed.reason for missed in outcome.missed.get(name, [])],
        "late_median_ns": round(median(late_ns)) if late_ns else None,
        "late_worst_ns": max(late_ns, default=None),
        "bound_agreed_ns": (told.latest_ns - told.earliest_ns) // 2,
        "bound_growth": told.bound_growth,
        "bound_worst_ns": max((_bound_ns(act) for act in acted), default=None),
    }


def _tick(tick: int, target_ns: int, outcome: Outcome, hosts: Mapping[str, str]) -> Report:
    acts = {name: act for name, acted in outcome.acted.items() for act in acted if act.tick == tick}
    return {
        "tick": tick,
        "target_ns": target_ns,
        "acts": {name: _act(act, target_ns) for name, act in acts.items()},
        **_spread(list(acts.values())),
        "spread_witnessed_ns": _witnessed(acts, hosts),
        "contradicted": _contradicted(acts, hosts),
    }


def _act(act: Acted, target_ns: int) -> Report:
    return {
        "earliest_ns": act.earliest_ns,
        "latest_ns": act.latest_ns,
        "estimate_ns": act.estimate_ns,
        "late_ns": act.estimate_ns - target_ns,
        "raw_ns": [act.raw_before_ns, act.raw_after_ns],
    }


def _spread(acts: Sequence[Acted]) -> Report:
    if not acts:
        return {"spread_ns": None, "spread_certain_ns": None, "spread_possible_ns": None}
    estimates = [act.estimate_ns for act in acts]
    gap_ns = max(act.earliest_ns for act in acts) - min(act.latest_ns for act in acts)
    return {
        "spread_ns": max(estimates) - min(estimates),
        "spread_certain_ns": max(0, gap_ns),
        "spread_possible_ns": max(a.latest_ns for a in acts) - min(a.earliest_ns for a in acts),
    }


def _witnessed(acts: Mapping[str, Acted], hosts: Mapping[str, str]) -> int | None:
    """Return the largest that the true spread can have been, by the clock of the host of all."""
    if len({hosts[name] for name in acts}) != 1:
        return None
    after_ns = max(act.raw_after_ns for act in acts.values())
    return after_ns - min(act.raw_before_ns for act in acts.values())


def _contradicted(acts: Mapping[str, Acted], hosts: Mapping[str, str]) -> list[list[str]]:
    """Return the pairs of nodes on one host of whose intervals the witness says: not both."""
    pairs = permutations(acts, 2)
    return [[a, b] for a, b in pairs if hosts[a] == hosts[b] and _impossible(acts[a], acts[b])]


def _impossible(first: Acted, second: Acted) -> bool:
    """Whether the second act came later by more than its own and the first one's interval allow."""
    apart_ns = second.raw_before_ns - first.raw_after_ns  # at least, by the witness
    allowed_ns = second.latest_ns - first.earliest_ns
    return apart_ns - allowed_ns > abs(apart_ns) * WITNESS_DRIFT


def _order(log: Sequence[Entry]) -> Report:
    """Compare the order of stamps with the order of events, where the coordinator knows that."""
    known = [(a, b) for a, b in permutations(log, 2) if a.ended < b.begun]
    wrong = [(a, b) for a, b in known if a.stamp_ns >= b.stamp_ns]
    entries = sorted(log, key=lambda entry: (entry.stamp_ns, entry.node))
    return {
        "writes": [{"stamp_ns": e.stamp_ns, "node": e.node, "number": e.number} for e in entries],
        "pairs_known": len(known),
        "violations": [[f"{a.node}:{a.number}", f"{b.node}:{b.number}"] for a, b in wrong],
    }


def _problems(
    agreement: Agreement,
    outcome: Outcome,
    nodes: Sequence[Report],
    ticks: Sequence[Report],
    order: Report,
) -> list[str]:
    problems = [f"after the decision: {why}" for why in (agreement.lost | outcome.lost).values()]
    for node in nodes:
        problems += [f"{node['name']} missed a tick: {reason}" for reason in node["missed"]]
        if node["late"]:
            problems.append(f"{node['name']} was late at {node['late']} of {node['acted']} ticks")
    for a, b in (pair for tick in ticks for pair in tick["contradicted"]):
        problems.append(f"the bounds of {a} and {b} contradict the clock of their host")
    if order["violations"]:
        wrong, known = len(order["violations"]), order["pairs_known"]
        problems.append(f"{wrong} of {known} pairs of writes are stamped in the wrong order")
    return problems


def _bound_ns(act: Acted) -> int:
    return (act.latest_ns - act.earliest_ns) // 2


def table(judged: Report) -> str:
    """Return a report as text for people."""
    rows = [["node", "acted", "late by (median)", "(worst)", "bound (worst)", "late", "missed"]]
    rows += [_row(node) for node in judged["nodes"]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, "", *_summary(judged)])


def _row(node: Report) -> list[str]:
    times = [node[key] for key in ("late_median_ns", "late_worst_ns", "bound_worst_ns")]
    counts = [str(node["late"]), str(len(node["missed"]))]
    return [node["name"], str(node["acted"]), *map(_shown, times), *counts]


def _summary(judged: Report) -> list[str]:
    lines = []
    for key, words in (
        ("spread_ns", "spread by served time"),
        ("spread_witnessed_ns", "true spread, by their host's clock, at most"),
        ("spread_possible_ns", "true spread, by the bounds, at most"),
    ):
        known = [tick[key] for tick in judged["ticks"] if tick[key] is not None]
        if known:
            lines.append(f"{words:<45}{_shown(max(known))}")
    order = judged["order"]
    if order["writes"]:
        known, wrong = order["pairs_known"], len(order["violations"])
        lines.append(f"{'writes':<45}{len(order['writes'])}")
        lines.append(f"{'pairs whose order is known, stamped wrongly':<45}{known}, {wrong}")
    return lines + [f"problem: {problem}" for problem in judged["problems"]]


def _shown(time_ns: int | None) -> str:
    if time_ns is None:
        return "-"
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if abs(time_ns) >= scale:
            return f"{time_ns / scale:.4g} {unit}"
    return f"{time_ns} ns"
