"""What became of a scenario: figures, and what did not hold."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chronotick.daemon.status import Transition
from chronotick.lab.scenarios.network import number_of
from chronotick.lab.scenarios.scenario import Expected, Scenario
from chronotick.lab.scenarios.watching import Reading
from chronotick.ntp import SourceReport
from chronotick.shm.layout import Status

NS = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What was seen of a daemon.

    Attributes:
        readings: of the record.
        transitions: of its state machine.
        sources: as it described them at the end.
        system_steps: how often it saw the system clock jump.
        key_exchanges: how many exchanges of NTS keys servers have done, by number.
        warnings: what it said in the log, counted.
    """

    readings: Sequence[Reading]
    transitions: Sequence[Transition]
    sources: Sequence[SourceReport]
    system_steps: int
    key_exchanges: Mapping[int, int]
    warnings: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a scenario. Times in s.

    Attributes:
        name: of the scenario.
        seed: it was run with.
        statuses: that the clock went through.
        synchronised_s: when it was first synchronised; None: never.
        recovery_s: from the end of the disturbance until it was synchronised and as exact as
            expected, for good; None: never.
        error_s: largest true error from then on.
        bound_s: median bound from then on.
        worst_error_s: largest true error of any time served.
        fullest: largest true error of any time served, as a fraction of its bound.
        reads: how often a reader got a time.
        authenticated: how often that was a time behind which everything is authenticated.
        outside: how often true time was outside its bound; where that may be is not counted.
        backwards: how often served time stepped back within an epoch.
        epochs: how often served time was stepped.
        system_steps: how often the daemon saw the system clock jump.
        reasons: letter of each server at the end, by number.
        key_exchanges: how many exchanges of NTS keys servers have done, by number.
        failures: what did not hold, in words; empty: all did.
    """

    name: str
    seed: int
    statuses: tuple[Status, ...]
    synchronised_s: float | None
    recovery_s: float | None
    error_s: float | None
    bound_s: float | None
    worst_error_s: float
    fullest: float
    reads: int
    authenticated: int
    outside: int
    backwards: int
    epochs: int
    system_steps: int
    reasons: Mapping[int, str]
    key_exchanges: Mapping[int, int]
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything held."""
        return not self.failures

    @classmethod
    def of(cls, scenario: Scenario, seed: int, lived: Lived) -> Outcome:
        """Measure what was seen, and compare it with what was expected."""
        figures = _figures(scenario, lived)
        figures |= {"name": scenario.name, "seed": seed}
        bare = cls(**figures)
        return cls(**figures, failures=tuple(_failures(scenario, bare, lived)))

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON types."""
        told = {name: getattr(self, name) for name in self.__slots__}
        told["statuses"] = [status.words for status in self.statuses]
        for name in ("reasons", "key_exchanges"):
            told[name] = {str(number): what for number, what in told[name].items()}
        return told | {"failures": list(self.failures), "passed": self.passed}


def _figures(scenario: Scenario, lived: Lived) -> dict[str, Any]:
    served = [each for each in lived.readings if each.is_served]
    synchronised = [each.at_s for each in served if each.status is Status.SYNCHRONISED]
    recovered_s = _recovered_s(scenario, lived.readings)
    after = [] if recovered_s is None else [e for e in served if e.at_s >= recovered_s]
    judged = [each for each in served if not scenario.expected.is_blind(each.at_s)]
    pairs = list(itertools.pairwise(served))
    return {
        "statuses": tuple(each.after for each in lived.transitions),
        "synchronised_s": min(synchronised, default=None),
        "recovery_s": None if recovered_s is None else recovered_s - scenario.over_s,
        "error_s": max((abs(each.error_ns) * NS for each in after), default=None),
        "bound_s": statistics.median(e.bound_ns * NS for e in after) if after else None,
        "worst_error_s": max((abs(each.error_ns) * NS for each in served), default=0.0),
        "fullest": max((abs(e.error_ns) / e.bound_ns for e in judged), default=0.0),
        "reads": len(served),
        "authenticated": sum(each.authenticated for each in served),
        "outside": sum(not each.is_true for each in judged),
        "backwards": sum(a.epoch == b.epoch and b.estimate_ns < a.estimate_ns for a, b in pairs),
        "epochs": sum(a.epoch != b.epoch for a, b in pairs),
        "system_steps": lived.system_steps,
        "reasons": _letters(lived.sources),
        "key_exchanges": lived.key_exchanges,
    }


def _recovered_s(scenario: Scenario, readings: Sequence[Reading]) -> float | None:
    """From when on every reader got a time that is synchronised and exact; None: not at the end."""
    limit_ns = scenario.expected.error_s / NS
    since_s: float | None = None
    for each in readings:
        good = each.status is Status.SYNCHRONISED and abs(each.error_ns) <= limit_ns
        if each.at_s < scenario.over_s or not good:
            since_s = None
        elif since_s is None:
            since_s = each.at_s
    return since_s


def _letters(sources: Sequence[SourceReport]) -> dict[int, str]:
    numbered = ((number_of(each.address), each.reason.value) for each in sources if each.address)
    return dict(sorted(numbered))


def _failures(scenario: Scenario, found: Outcome, lived: Lived) -> list[str]:
    """What does not hold, a sentence each."""
    expected = scenario.expected
    failures = [said for said in lived.warnings if "mistake" in said]  # as the daemon calls bugs
    failures += [] if found.reads else ["no time was ever served"]
    if found.outside:
        failures.append(_outside(scenario, lived.readings, found.outside))
    spoke = [e.at_s for e in lived.readings if e.is_served and expected.is_silent(e.at_s)]
    if spoke:
        failures.append(f"time was served where there must be none, first at {spoke[0]:.0f} s")
    if found.backwards:
        failures.append(f"served time stepped back {found.backwards} times within an epoch")
    if found.epochs > expected.epochs:
        failures.append(f"served time was stepped {found.epochs} times, not {expected.epochs}")
    if _once(found.statuses) != expected.statuses:
        failures.append(f"went through {_words(found.statuses)}, not {_words(expected.statuses)}")
    if expected.authenticated and found.authenticated != found.reads:
        others = found.reads - found.authenticated
        failures.append(f"{others} of {found.reads} times were not authenticated")
    return failures + _late(scenario, found) + _of_servers(expected, found, lived)


def _of_servers(expected: Expected, found: Outcome, lived: Lived) -> list[str]:
    failures = []
    for number, letters in expected.reasons.items():
        had = found.reasons.get(number)
        if had is None or had not in letters:
            wanted = " or ".join(letters)
            failures.append(
                f"server {number} ended with the letter {had or '(none)'}, not {wanted}"
            )
    for number, wanted_count in expected.key_exchanges.items():
        count = found.key_exchanges.get(number, 0)
        if count != wanted_count:
            failures.append(f"server {number} did {count} key exchanges, not {wanted_count}")
    drops = {number_of(each.address): each.drops for each in lived.sources if each.address}
    for number, kind in expected.dropped.items():
        if kind not in drops.get(number, ()):
            failures.append(f"nothing of server {number} was dropped as {kind}")
    return failures


def _late(scenario: Scenario, found: Outcome) -> list[str]:
    expected = scenario.expected
    wanted = f"synchronised within {expected.error_s * 1e3:g} ms of true time"
    if found.recovery_s is None:
        return [f"not {wanted} at the end"]
    if found.recovery_s > expected.within_s:
        took = f"{found.recovery_s:.0f} s after the disturbance, not {expected.within_s:g} s"
        return [f"{wanted} only {took}"]
    return []


def _outside(scenario: Scenario, readings: Sequence[Reading], count: int) -> str:
    wrong = [e for e in readings if not e.is_true and not scenario.expected.is_blind(e.at_s)]
    first = wrong[0]
    figures = f"error {first.error_ns * 1e-6:+.3f} ms, bound {first.bound_ns * 1e-6:.3f} ms"
    span = f"first at {first.at_s:.0f} s ({figures}), last at {wrong[-1].at_s:.0f} s"
    return f"true time was outside the bound in {count} readings: {span}"


def _once(statuses: Sequence[Status]) -> tuple[Status, ...]:
    """The statuses, with holdovers that follow each other told once."""
    told: list[Status] = []
    for status in statuses:
        told.append(status)
        if told[-2:] == told[-4:-2]:
            del told[-2:]
    return tuple(told)


def _words(statuses: Sequence[Status]) -> str:
    return " > ".join(status.words for status in statuses) or "nothing"
