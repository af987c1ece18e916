"""How often selection believes a lying server, or an honest one not, in simulated worlds.

Each world is measured as the daemon does: a burst, then one question per server and poll, each
server by its own clock. After every answer selection decides anew; decisions count from the end of
the first minute. Each row of the table is measured in the run that prints it. The columns:

- liar believed: decisions in which a server is used whose newest answer is a lie;
- lies used: lying answers that would have entered the estimate;
- honest false: decisions (per honest server) that call an honest server a falseticker, or believe
  nobody because the servers contradict each other;
- left out: decisions (per honest server) that leave an honest server out for an unusual route;
- nobody: decisions that believe nobody;
- flips: how often an honest server was put out or let in again, per server and day.

"intersection" in a row's name: the correctness intervals of RFC 5905 alone, for comparison.

Run: `python bench/selection.py [--seeds N] [--hours H] [--groups sizes ...]
[--networks dc ...]`.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from chronotick.lab.world import World
from chronotick.ntp.answers import Answers
from chronotick.ntp.drift import common_drift
from chronotick.ntp.measurement import Measurement
from chronotick.ntp.plausible import Meeting
from chronotick.ntp.selection import Limits, Reason, Selection, select
from chronotick.ntp.selector import Selector

NS = 1_000_000_000
NETWORKS = ("dc", "wan", "wans", "wifi")
CLOCK = "hvacs"
BURST, BURST_S, JITTER = 6, 0.5, 0.1  # the daemon's habits
TIMEOUT_S = 1.0
FIRST_MINUTE_S = 60.0
WRONG = frozenset({Reason.FALSETICKER, Reason.NO_MAJORITY})


@dataclass(frozen=True)
class Lie:
    """How wrong a server is, and from when to when."""

    offset_s: float
    drift: float = 0.0
    since_s: float = 0.0
    until_s: float = math.inf

    def at_ns(self, elapsed_s: float) -> int:
        """The error at a time since the start."""
        told = self.since_s <= elapsed_s < self.until_s
        return round((self.offset_s + self.drift * elapsed_s) * NS) if told else 0


@dataclass(frozen=True)
class Setting:
    """A kind of world; `asymmetry` is that of the first server's route."""

    network: str
    clock: str = CLOCK
    servers: int = 4
    poll_s: float = 64.0
    frequency: float | None = None
    asymmetry: float | None = None

    def world(self, seed: int) -> World:
        """One world of the kind."""
        name = f"{self.network}-{self.clock}"
        world = World.from_preset(name, servers=self.servers, seed=seed).model_dump()
        if self.frequency is not None:
            world["oscillator"]["frequency"] = self.frequency
        if self.asymmetry is not None:
            legs = world["servers"][0]["path"]
            there, back = legs["forward"], legs["backward"]
            rtt_s = there["minimum_s"] + back["minimum_s"]
            there["minimum_s"] = rtt_s * (0.5 + self.asymmetry)
            back["minimum_s"] = rtt_s * (0.5 - self.asymmetry)
        return World.model_validate(world)


@dataclass(frozen=True)
class Row:
    """One experiment: who lies how in which worlds."""

    name: str
    setting: Setting
    lies: Mapping[int, Lie] = field(default_factory=dict)
    plain: bool = False


@dataclass(frozen=True)
class Answer:
    """What came of a question, and when that was known."""

    raw_ns: int
    server: int
    measurement: Measurement | None


class Intersection:
    """Selection by correctness intervals alone, with the same drift and the same vote."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._answers: dict[str, Answers] = {}

    def add(self, source: str) -> None:
        """As :meth:`Selector.add`."""
        self._answers[source] = Answers(source)

    def take(self, measurement: Measurement) -> None:
        """As :meth:`Selector.take`."""
        self._answers[measurement.source].take(measurement)

    def missed(self, source: str) -> None:
        """As :meth:`Selector.missed`."""
        self._answers[source].missed()

    def select(self, raw_ns: int) -> Selection:
        """As :meth:`Selector.select`."""
        drift = common_drift(each.slope for each in self._answers.values())
        meeting = Meeting(drift, raw_ns, raw_ns)
        found = [each.candidate(meeting) for each in self._answers.values()]
        possible = [dataclasses.replace(each, plausible=None, usual=None) for each in found]
        return select(possible, self._limits, raw_ns)


@dataclass
class Tally:
    """Counts over all worlds of a row."""

    decisions: int = 0
    nobody: int = 0
    liar: int = 0
    liar_believed: int = 0
    lies: int = 0
    lies_used: int = 0
    honest: int = 0
    honest_false: int = 0
    left_out: int = 0
    flips: int = 0
    days: float = 0.0

    def line(self) -> str:
        """The row of the table."""
        shares = (
            (self.liar_believed, self.liar),
            (self.lies_used, self.lies),
            (self.honest_false, self.honest),
            (self.left_out, self.honest),
            (self.nobody, self.decisions),
        )
        cells = [percent(part, whole) for part, whole in shares]
        flips = f"{self.flips / self.days:9.2f}" if self.days else f"{'-':>9}"
        return f"{self.decisions:>10} " + " ".join(cells) + f" {flips}"


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:9.3f} %" if whole else f"{'-':>11}"


def answers(setting: Setting, seed: int, hours: float) -> list[Answer]:
    """Everything that the servers of a world answer, in order of arrival; nobody lies yet."""
    live, chance = setting.world(seed).live(), random.Random(seed)
    found = []
    for server in range(setting.servers):
        asked_s, replies = 0.01 * (server + 1), 0
        while asked_s < hours * 3600:
            exchange = live.exchange(server, round(asked_s * NS))
            if exchange is None:
                found.append(Answer(round((asked_s + TIMEOUT_S) * NS), server, None))
            else:
                replies += 1
                found.append(Answer(exchange.t4_ns, server, exchange.measurement()))
            pause_s = setting.poll_s if replies >= BURST else BURST_S
            asked_s += pause_s * (1 + JITTER * chance.random())
    return sorted(found, key=lambda answer: answer.raw_ns)


def judge(row: Row, recorded: list[Answer], tally: Tally) -> None:
    """Run a row's selection over a world, and count."""
    selector = Intersection(Limits()) if row.plain else Selector(Limits())
    lying: dict[int, bool] = {}
    out: dict[int, bool] = {}
    for server in range(row.setting.servers):
        selector.add(str(server))
    for answer in recorded:
        elapsed_s = answer.raw_ns / NS
        told = take(selector, answer, row.lies.get(answer.server), elapsed_s)
        if answer.measurement is not None:
            lying[answer.server] = told
        selection = selector.select(answer.raw_ns)
        if elapsed_s >= FIRST_MINUTE_S:
            tally.lies += told
            tally.lies_used += told and selection.uses(str(answer.server))
            count(selection, row, lying, out, tally)
    honest = row.setting.servers - len(row.lies)
    tally.days += honest * recorded[-1].raw_ns / NS / 86400


def take(selector: Selector | Intersection, answer: Answer, lie: Lie | None, at_s: float) -> bool:
    """Hand an answer on, with its lie, if that is one; return whether it is."""
    if answer.measurement is None:
        selector.missed(str(answer.server))
        return False
    error_ns = lie.at_ns(at_s) if lie else 0
    offset_ns = answer.measurement.offset_ns + error_ns
    selector.take(dataclasses.replace(answer.measurement, offset_ns=offset_ns))
    return error_ns != 0


def count(
    selection: Selection, row: Row, lying: dict[int, bool], out: dict[int, bool], tally: Tally
) -> None:
    tally.decisions += 1
    tally.nobody += not selection.survivors
    for server in range(row.setting.servers):
        if lying.get(server):
            tally.liar += 1
            tally.liar_believed += selection.uses(str(server))
        elif server not in row.lies:
            reason = selection.reasons[str(server)]
            wrong = reason in WRONG
            tally.honest += 1
            tally.honest_false += wrong
            tally.left_out += reason is Reason.CLUSTERED_OUT
            tally.flips += wrong != out.get(server, wrong)
            out[server] = wrong


def honest(_: float) -> Iterator[Row]:
    for network in NETWORKS:
        for clock, poll_s in ((CLOCK, 16.0), (CLOCK, 64.0), (CLOCK, 1024.0)):
            setting = Setting(network, clock, poll_s=poll_s)
            yield Row(f"{network}: all honest, every {poll_s:g} s", setting)
        yield Row(f"{network}: all honest, intersection", Setting(network), plain=True)
        for clock in ("load", "rough"):
            yield Row(f"{network}: all honest, {clock} clock", Setting(network, clock))


def sizes(_: float) -> Iterator[Row]:
    for network in NETWORKS:
        for size_ms in (0.1, 0.3, 1, 3, 5, 10, 30, 100):
            lies = {3: Lie(size_ms / 1e3)}
            yield Row(f"{network}: 1 of 4 lies by {size_ms:g} ms", Setting(network), lies)
        for size_ms in (10, 30):
            name = f"{network}: {size_ms} ms, intersection"
            yield Row(name, Setting(network), {3: Lie(size_ms / 1e3)}, plain=True)


def polls(_: float) -> Iterator[Row]:
    for network in NETWORKS:
        for poll_s in (16.0, 256.0, 1024.0):
            setting = Setting(network, poll_s=poll_s)
            yield Row(f"{network}: 30 ms, every {poll_s:g} s", setting, {3: Lie(0.03)})
        for poll_s in (64.0, 1024.0):
            setting = Setting(network, poll_s=poll_s, frequency=491e-6)
            yield Row(f"{network}: 491 ppm, every {poll_s:g} s", setting)
            yield Row(f"{network}: 491 ppm, {poll_s:g} s, 30 ms", setting, {3: Lie(0.03)})


def counts(_: float) -> Iterator[Row]:
    for network in ("dc", "wan", "wifi"):
        for servers in (2, 3, 4, 5):
            setting, last = Setting(network, servers=servers), servers - 1
            yield Row(f"{network}: {servers} honest", setting)
            yield Row(f"{network}: 1 of {servers} lies by 30 ms", setting, {last: Lie(0.03)})
        for servers in (4, 5):
            setting = Setting(network, servers=servers)
            for name, other_s in (("agree", 0.03), ("differ", -0.03)):
                lies = {servers - 1: Lie(0.03), servers - 2: Lie(other_s)}
                yield Row(f"{network}: 2 of {servers} lie and {name}", setting, lies)


def courses(hours: float) -> Iterator[Row]:
    middle_s = hours * 1800
    for network in NETWORKS:
        setting = Setting(network)
        yield Row(f"{network}: lies from mid-run on", setting, {3: Lie(0.03, since_s=middle_s)})
        yield Row(f"{network}: lies until mid-run", setting, {3: Lie(0.03, until_s=middle_s)})
        for drift_ppm in (1, 10, 100):
            lie = Lie(0.0, drift=drift_ppm * 1e-6)
            yield Row(f"{network}: runs away at {drift_ppm} ppm", setting, {3: lie})


def routes(_: float) -> Iterator[Row]:
    for servers in (2, 4):
        for percent in (10, 20, 25, 30, 35, 40, 45, 49):
            setting = Setting("wan", servers=servers, asymmetry=percent / 100)
            yield Row(f"wan: {servers}, one route wrong by {percent} %", setting)


GROUPS = {each.__name__: each for each in (honest, sizes, polls, counts, courses, routes)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=100, help="worlds per row")
    parser.add_argument("--hours", type=float, default=3.0, help="length of each world")
    parser.add_argument("--groups", nargs="+", choices=sorted(GROUPS), default=list(GROUPS))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    options = parser.parse_args()
    heads = ("liar believed", "lies used", "honest false", "left out", "nobody")
    print(f"{options.seeds} worlds of {options.hours:g} h per row")
    print(f"{'':38} {'decisions':>10}", *(f"{head:>11}" for head in heads), f"{'flips':>9}")
    for group in options.groups:
        rows = [r for r in GROUPS[group](options.hours) if r.setting.network in options.networks]
        print_group(rows, options.seeds, options.hours)
    print_speed(options.hours)


def print_group(rows: list[Row], seeds: int, hours: float) -> None:
    for setting in dict.fromkeys(row.setting for row in rows):
        tallies = [(row, Tally()) for row in rows if row.setting == setting]
        for seed in range(seeds):
            recorded = answers(setting, seed, hours)
            for row, tally in tallies:
                judge(row, recorded, tally)
        for row, tally in tallies:
            print(f"{row.name:38} {tally.line()}", flush=True)


def print_speed(hours: float) -> None:
    selector, recorded = Selector(Limits()), answers(Setting("wan"), 0, hours)
    began_s = time.process_time()
    for answer in recorded:
        if answer.measurement is not None:
            selector.take(answer.measurement)
        selector.select(answer.raw_ns)
    each_us = (time.process_time() - began_s) / len(recorded) * 1e6
    print(f"one answer and one decision, four servers: {each_us:.0f} us of CPU time")


if __name__ == "__main__":
    main()
