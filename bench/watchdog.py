"""What the watchdog over a pool finds, how soon, and how often it is wrong.

The daemon's own watchdog asks simulated servers on a virtual clock. Served time is what the
daemon's own code makes of a world whose configured servers are attacked (as in bench/attacks.py),
or a clock that is wrong by a given amount. Honest servers of a pool: routes of the WAN preset; of
their own clocks 85 % are wrong by N(0, 3 ms), the others by N(0, 50 ms); 3 % of questions stay
without an answer. Those are assumptions: no public server is asked. The tables:

1. attacks on the servers that a clock is measured by: share of runs in which the watchdog gives
   alarm, how long after the attack began, and how wrong time was by then. "poisoned": the share of
   the pool that lies as well, and covers up what is served. Without a watchdog nothing tells of the
   attacks of a majority.
2. part of the pool lies, served time is right: failed samples, questions to the whole pool
   ("panics") and false alarms per week.
3. served time is wrong, and part of the pool covers it up by saying the same: share of runs with an
   alarm within an hour and within a day, and after which time half of them have one.
4. chances of a sample of 15 from 500 servers of which a seventh lie, computed exactly.
5. the pool is gathered from DNS (four names, four addresses an answer, of 2000 honest servers), and
   somebody answers in its place: now and then, or all questions for some time after the start. A
   forged answer has 89 addresses, nowhere the same. The liars among them say that time is 1 s off,
   where it is right (false alarms: share of runs with any, and for how long), or cover up that it
   is (alarm within a day).

Run: `python bench/watchdog.py [--worlds N] [--runs N] [--weeks N] [--attack S] [--w MS]
[--rows WORD] [--gathering]`. The last makes table 5 alone.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import comb

import attacks
import numpy as np

from chronotick.config.servers import ServerName, parse_server
from chronotick.lab.network import Path
from chronotick.lab.path_presets import PATHS
from chronotick.lab.replaying import Excerpt, Replay
from chronotick.lab.replaying.virtual_loop import VirtualLoop
from chronotick.lab.world import World
from chronotick.ntp.address import Endpoint
from chronotick.ntp.asking import Answer, Terms
from chronotick.ntp.measurement import Measurement
from chronotick.ntp.watchdog.pool import Pool
from chronotick.ntp.watchdog.watch import Watch, WatchSettings

NS, MS = 1_000_000_000, 1_000_000
POOL, SAMPLE, INTERVAL_S, PANIC_TRIGGER = 500, 15, 640.0, 3
BOUND_NS = 13 * MS  # of a clock that is measured over a WAN, see bench/attacks.py
UNANSWERED = 0.03
HOUR_S, DAY_S, WEEK_S = 3600.0, 86_400.0, 7 * 86_400.0
BEFORE_S = HOUR_S
ATTACKED = (
    "nobody attacks",
    "3 of 5 jump by 1 s",
    "3 of 5 drift by 10 ppm",
    "3 of 5 drift by 0.1 ppm",
    "all 5: requests held for 400 ms",
)
SHARES = (0.0, 0.1, 0.2, 1 / 3, 0.4, 0.5)
SHIFTS_S = (0.01, 0.1, 1.0)
HONEST, LIARS = 2000, 11  # honest servers that DNS knows; first octet of a liar's address
ANSWERED_AT_ONCE, FORGED_AT_ONCE = 4, 89  # addresses of an answer
FORGED_SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
FORGED_HOURS = (0.1, 0.25, 0.5, 1.0, 4.0, 12.0, 24.0)

Error = Callable[[float], int]
"""How wrong a clock is (ns), by time (s)."""


@dataclass(frozen=True)
class Course:
    """Served time: its error and its bound (ns) from some times (s) on."""

    times_s: Sequence[float]
    errors_ns: Sequence[int]
    bounds_ns: Sequence[int]

    def at(self, time_s: float) -> tuple[int, int]:
        """Error and bound at a time."""
        place = max(bisect_right(self.times_s, time_s) - 1, 0)
        return self.errors_ns[place], self.bounds_ns[place]


def steady(error_s: float) -> Course:
    """Time that is always wrong by as much."""
    return Course((0.0,), (round(error_s * NS),), (BOUND_NS,))


@dataclass(frozen=True)
class Listed:
    """A pool of servers that are named one by one, of whom some lie."""

    names: Sequence[ServerName]
    lying: frozenset[str]

    @classmethod
    def of(cls, seed: int, liars: float) -> Listed:
        """A share of liars, drawn anew for each seed."""
        names = [parse_server(f"10.0.{n // 250}.{n % 250 + 1}") for n in range(POOL)]
        lying = random.Random(seed).sample(names, round(liars * POOL))
        return cls(names, frozenset(name.host for name in lying))

    async def look_up(self, name: ServerName) -> list[Endpoint]:
        """Give the address that it is."""
        return [Endpoint(2, (name.host, name.port))]

    def lies(self, host: str) -> bool:
        """Whether a server does."""
        return host in self.lying


class Dns:
    """A pool that is gathered from names, for which somebody else answers at times."""

    names: Sequence[ServerName] = tuple(ServerName(f"{n}.pool.example") for n in range(4))

    def __init__(self, seed: int, forges: Callable[[random.Random], bool]) -> None:
        self._random = random.Random(seed)
        self._forges = forges
        self._forged = 0

    async def look_up(self, _name: ServerName) -> list[Endpoint]:
        """Answer as a pool does, or with as many addresses of one's own as fit into a packet."""
        if self._forges(self._random):
            numbers = range(self._forged, self._forged + FORGED_AT_ONCE)
            self._forged += FORGED_AT_ONCE
            return [Endpoint(2, (_address(LIARS, n), 123)) for n in numbers]
        found = self._random.sample(range(HONEST), ANSWERED_AT_ONCE)
        return [Endpoint(2, (_address(10, n), 123)) for n in found]

    def lies(self, host: str) -> bool:
        """Whether a server does: all of a forged answer do."""
        return host.startswith(f"{LIARS}.")


def _address(first: int, number: int) -> str:
    return f"{first}.{number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"


def _number(host: str) -> int:
    """Of a server, in as much as random numbers depend on it."""
    _, first, second, third = map(int, host.split("."))
    return first * 62_500 + second * 250 + third - 1


class SimulatedServer:
    """An :class:`chronotick.ntp.asking.Asker` of one server of the pool."""

    def __init__(
        self, seed: int, number: int, now_s: Callable[[], float], lie: Error | None
    ) -> None:
        rng = np.random.default_rng((seed, number))
        spread_s = 0.003 if rng.random() < 0.85 else 0.05
        self._own_ns = round(rng.normal(0, spread_s) * NS)
        self._path = Path(PATHS["wan"](rng, number), np.random.SeedSequence((seed, number)))
        self._random = random.Random(seed * POOL + number)
        self._now_s, self._lie = now_s, lie

    async def ask(self, terms: Terms) -> Answer:
        """Answer, or not."""
        time_s = self._now_s()
        transit = self._path.transit(time_s)
        if transit is None or self._random.random() < UNANSWERED:
            await asyncio.sleep(terms.timeout_s)
            return Answer(error="no reply in time")
        wrong_ns = self._own_ns if self._lie is None else self._lie(time_s)
        offset_ns = wrong_ns + (transit.forward_ns - transit.backward_ns) // 2
        return Answer(measurement=_measurement(time_s, offset_ns))


def _measurement(time_s: float, offset_ns: int) -> Measurement:
    return Measurement(
        source="simulated",
        raw_ns=round(time_s * NS),
        offset_ns=offset_ns,
        delay_ns=MS,
        precision_ns=0,
        root_delay_ns=0,
        root_dispersion_ns=0,
        stratum=2,
    )


@dataclass
class Watched:
    """What became of a run: when alarms began and ended (s), and the watchdog's own report."""

    alarms_s: list[float] = field(default_factory=list)
    ends_s: list[float] = field(default_factory=list)
    lying: float = 0.0
    report: dict[str, object] = field(default_factory=dict)


def watch(
    course: Course,
    seconds: float,
    seed: int,
    *,
    population: Listed | Dns,
    lie: Error | None = None,
    w_ms: float,
    start_s: float = 0.0,
    first: bool = True,
) -> Watched:
    """Run a watchdog from `start_s` of a course on, until its first alarm or to the end."""
    loop, watched = VirtualLoop(), Watched()
    now_s = lambda: start_s + loop.time()  # noqa: E731 - said once

    def asker(endpoint: Endpoint) -> SimulatedServer:
        told = lie if population.lies(endpoint.host) else None
        return SimulatedServer(seed, _number(endpoint.host), now_s, told)

    def served(raw_ns: int) -> tuple[int, int]:
        error_ns, bound_ns = course.at(raw_ns / NS)
        return raw_ns + error_ns, bound_ns

    def changed() -> None:
        (watched.ends_s if watching.alarm is None else watched.alarms_s).append(now_s())

    settings = WatchSettings(
        sample_size=SAMPLE,
        interval_s=INTERVAL_S,
        w_ns=round(w_ms * MS),
        panic_trigger=PANIC_TRIGGER,
        terms=Terms(timeout_s=2.0, max_delay_ns=3 * NS),
    )
    pool = Pool(population.names, POOL, lookup=population.look_up, asker=asker)
    read_raw_ns = lambda: round(now_s() * NS)  # noqa: E731 - said once
    watching = Watch(pool, settings, served, changed, read_raw_ns=read_raw_ns)
    task = loop.create_task(watching.run())
    while loop.time() < seconds and not (first and watched.alarms_s):
        loop.run_until(min(loop.time() + HOUR_S / 4, seconds))
    watched.report = watching.report()
    members = pool.members
    watched.lying = sum(population.lies(m.endpoint.host) for m in members) / max(len(members), 1)
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    return watched


def replayed(attack: attacks.Attack, seed: int, attack_s: float) -> Course:
    """What the daemon serves while its five servers are attacked."""
    world = World.from_preset("wan-hvacs", servers=attacks.SERVERS, seed=seed)
    live, seconds = attacks.attacked(world, attack, BEFORE_S).live(), BEFORE_S + attack_s
    live.truth(round(seconds * NS))
    recording = attacks.measured(live, attack, seconds)
    times_s, errors_ns, bounds_ns = [], [], []
    with Replay(recording, excerpt=Excerpt(every_ns=10 * NS)) as replay:
        for estimate in replay:
            if estimate.bound_ns is not None:
                truth_ns = live.truth(estimate.local_ns) - estimate.local_ns
                times_s.append(estimate.local_ns / NS)
                errors_ns.append(estimate.offset_ns - truth_ns)
                bounds_ns.append(estimate.bound_ns)
    return Course(times_s, errors_ns, bounds_ns)


def of_attacks(given: argparse.Namespace) -> Iterator[str]:
    """Table 1."""
    wanted = [attack for attack in attacks.ATTACKS if attack.name in ATTACKED]
    for attack in (each for each in wanted if given.rows in each.name):
        courses = [replayed(attack, seed, given.attack) for seed in range(1, given.worlds + 1)]
        for w_ms, liars in ((25.0, 0.0), (25.0, 0.2), (10.0, 0.0), (5.0, 0.0)):
            yield _attack_row(attack.name, courses, given.runs, w_ms, liars)


def _attack_row(name: str, courses: Sequence[Course], runs: int, w_ms: float, liars: float) -> str:
    after_s, errors_ms, count = [], [], 0
    for number, course in enumerate(courses):
        says = lambda time_s, course=course: course.at(time_s)[0]  # noqa: E731 - covers it up
        for run in range(runs):
            seed = 1000 * number + run
            begin_s = BEFORE_S / 2
            seconds = course.times_s[-1] - begin_s
            pool = Listed.of(seed, liars)
            done = watch(
                course, seconds, seed, population=pool, lie=says, w_ms=w_ms, start_s=begin_s
            )
            alarms = done.alarms_s
            count += 1
            if alarms:
                after_s.append(alarms[0] - BEFORE_S)
                errors_ms.append(abs(course.at(alarms[0])[0]) / MS)
    cells = (f"{name:33}", f"{w_ms:5.0f}", f"{liars:8.0%}", f"{len(after_s) / count:8.0%}")
    if not after_s:
        return " ".join((*cells, f"{'never':>8}"))
    found = (f"{_minutes(statistics.median(after_s))}", f"{_minutes(max(after_s))}")
    return " ".join((*cells, *found, f"{statistics.median(errors_ms):9.1f}"))


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:5.0f} min"


def of_false_alarms(weeks: int, w_ms: float) -> Iterator[str]:
    """Table 2."""
    for liars in SHARES:
        for shift_s in SHIFTS_S[: None if liars else 1]:
            totals: Counter[str] = Counter()
            for seed in range(weeks):
                lie = lambda _, shift_s=shift_s: round(shift_s * NS)  # noqa: E731
                pool = Listed.of(seed, liars)
                report = watch(
                    steady(0.0), WEEK_S, seed, population=pool, lie=lie, w_ms=w_ms, first=False
                ).report
                totals.update({name: report[name] for name in ("alarms", "panics")})
                totals.update({f"v {k}": v for k, v in report["samples"].items()})
            taken = sum(count for name, count in totals.items() if name.startswith("v "))
            failed = 1 - (totals["v agrees"] + totals["v silent"]) / taken
            shift = f"{shift_s * 1e3:8.0f}" if liars else f"{'':8}"
            per_week = (totals[name] / weeks for name in ("panics", "alarms"))
            cells = "".join(f"{value:9.2f}" for value in per_week)
            yield f"{liars:9.0%} {shift} {failed:9.2%} {cells}"


def of_cover_ups(runs: int, w_ms: float) -> Iterator[str]:
    """Table 3."""
    for liars in SHARES:
        for shift_s in SHIFTS_S:
            course = steady(shift_s)
            lie = lambda _, shift_s=shift_s: round(shift_s * NS)  # noqa: E731
            firsts = [
                _first(watch(course, DAY_S, seed, population=pool, lie=lie, w_ms=w_ms))
                for seed, pool in ((seed, Listed.of(seed, liars)) for seed in range(runs))
            ]
            half_s = statistics.median(firsts)
            hour, day = (sum(first < s for first in firsts) / runs for s in (HOUR_S, DAY_S))
            half = _minutes(half_s) if half_s < DAY_S else "> 1 day"
            yield f"{liars:9.0%} {shift_s * 1e3:8.0f} {hour:9.0%} {day:9.0%} {half:>10}"


def _first(watched: Watched) -> float:
    return min(watched.alarms_s, default=float("inf"))


def of_gathering(runs: int, w_ms: float) -> Iterator[str]:
    """Table 5."""
    lie = lambda _: NS  # noqa: E731 - said once
    for share in FORGED_SHARES:
        forges = lambda _, rng, share=share: rng.random() < share  # noqa: E731 - said once
        yield _gathering_row(f"{share:.0%} of answers", forges, lie, runs, w_ms)
    for hours in FORGED_HOURS:
        forges = lambda now_s, _, hours=hours: now_s < hours * HOUR_S  # noqa: E731 - said once
        yield _gathering_row(f"all, for {60 * hours:.0f} min", forges, lie, runs, w_ms)


def _gathering_row(
    name: str,
    forges: Callable[[float, random.Random], bool],
    lie: Error,
    runs: int,
    w_ms: float,
) -> str:
    def run(seed: int, error_s: float, *, first: bool) -> Watched:
        dns = Dns(seed, lambda rng: forges(asyncio.get_running_loop().time(), rng))
        seconds = DAY_S if first else 2 * DAY_S
        return watch(
            steady(error_s), seconds, seed, population=dns, lie=lie, w_ms=w_ms, first=first
        )

    right = [run(seed, 0.0, first=False) for seed in range(runs)]
    wrong = [_first(run(seed, 1.0, first=True)) for seed in range(runs)]
    alarmed = [_alarmed_s(each, 2 * DAY_S) for each in right]
    cells = (
        f"{name:20}",
        f"{statistics.fmean(each.lying for each in right):8.0%}",
        f"{sum(each > 0 for each in alarmed) / runs:8.0%}",
        _minutes(max(alarmed)),
        f"{statistics.fmean(each.report['panics'] for each in right) / 2:8.1f}",
        f"{sum(each < DAY_S for each in wrong) / runs:8.0%}",
        _minutes(statistics.median(wrong)) if statistics.median(wrong) < DAY_S else "    > 1 d",
    )
    return " ".join(cells)


def _alarmed_s(watched: Watched, until_s: float) -> float:
    """For how long there was an alarm."""
    ends_s = [*watched.ends_s, *[until_s] * (len(watched.alarms_s) - len(watched.ends_s))]
    return sum(end_s - begin_s for begin_s, end_s in zip(watched.alarms_s, ends_s, strict=True))


def of_samples() -> Iterator[str]:
    """Table 4."""
    liars, third = round(POOL / 7), SAMPLE // 3

    def at_least(count: int) -> float:
        ways = (comb(liars, k) * comb(POOL - liars, SAMPLE - k) for k in range(count, SAMPLE + 1))
        return sum(ways) / comb(POOL, SAMPLE)

    captured, spoilt = at_least(2 * third), at_least(third + 1)
    years = INTERVAL_S / captured / (365.25 * DAY_S)
    yield f"a sample whose middle third are all liars: {captured:.1e}, one in {years:.0f} years"
    yield f"a sample that liars can make fail: {spoilt:.2%}"
    yield f"{PANIC_TRIGGER} of those in a row, a panic: {spoilt**PANIC_TRIGGER:.1e} per interval"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--worlds", type=int, default=5, help="of each attack (table 1)")
    parser.add_argument("--runs", type=int, default=4, help="of each world; of each cover-up 5 x")
    parser.add_argument(
        "--weeks", type=int, default=2, help="of each row of table 2; 0: table 1 only"
    )
    parser.add_argument("--attack", type=float, default=6 * HOUR_S, metavar="S", help="how long")
    parser.add_argument("--w", type=float, default=25.0, metavar="MS", help="w (tables 2 and 3)")
    parser.add_argument("--gathering", action="store_true", help="table 5 alone")
    parser.add_argument("--rows", default="", metavar="WORD", help="only attacks named so")
    return parser.parse_args()


def show(heads: str, rows: Iterator[str]) -> None:
    print(heads)
    for row in rows:
        print(row, flush=True)
    print()


def show_gathering(given: argparse.Namespace) -> None:
    heads = f"{'forged':20} {'in pool':>8} {'alarmed':>8} {'for':>9} {'panic/d':>8}"
    show(f"{heads} {'found':>8} {'after':>9}", of_gathering(5 * given.runs, given.w))


def main() -> None:
    given = arguments()
    logging.getLogger("chronotick").setLevel(logging.CRITICAL)  # the alarms are in the tables
    if given.gathering:
        show_gathering(given)
        return
    heads = f"{'attack':33} {'w, ms':>5} {'poisoned':>8} {'found':>8} {'median':>9} {'worst':>9}"
    show(f"{heads} {'error ms':>9}", of_attacks(given))
    if not given.weeks:
        return
    heads = f"{'poisoned':>9} {'shift ms':>8} {'failed':>9} {'panics/wk':>9} {'alarms/wk':>9}"
    show(heads, of_false_alarms(given.weeks, given.w))
    heads = f"{'poisoned':>9} {'shift ms':>8} {'in 1 h':>9} {'in 1 day':>9} {'half after':>10}"
    show(heads, of_cover_ups(5 * given.runs, given.w))
    show("15 of 500, a seventh of them liars:", of_samples())
    show_gathering(given)


if __name__ == "__main__":
    main()
