"""What a run amounts to: figures, and a table of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from chronotick.lab.faults.campaign import Campaign, Injection, Reading
from chronotick.lab.faults.observations import Counted, Violation, judged, overconfident
from chronotick.lab.faults.procfs import Process
from chronotick.lab.faults.readers import Readers
from chronotick.lab.faults.rig import Rig

SETTLED_S: Final = 60.0
"""A daemon that is younger is still taking what it needs."""
LONG_LIFE_S: Final = 1200.0
"""Growth is judged where a daemon lived for so long: a younger one is not full yet."""
MOST_GROWTH: Final = {"resident MiB": 30.0, "descriptors": 6.0, "threads": 3.0}
"""Per hour: more than that, by both ends of its 95 % interval, is a leak."""
MAY_LACK: Final = frozenset({"disk full", "system clock stepped"})
"""Kinds that need to be allowed to mount a file system, and a compiler."""
_DAMAGED_NS: Final = 3_000_000_000
"""How long after damage to the record readers may see what no daemon wrote."""
_NOTICED_NS: Final = 250_000_000
"""How late the end of a daemon may be noticed."""


def figures(
    rig: Rig,
    campaign: Campaign,
    readers: Readers,
    validity_ns: int,
    orphans: Sequence[Process],
) -> dict[str, Any]:
    """Everything a run showed, as JSON types."""
    total = sum((reader.report.total for reader in readers.all), Counted())
    bad, damaged = _sorted_out(readers, campaign, rig, validity_ns)
    service, injected_kinds = rig.service, {injection.kind for injection in campaign.injections}
    return {
        "elapsed_s": round(campaign.elapsed_s, 1),
        "faults": {
            kind: _row(injections) for kind, injections in _by_kind(campaign.injections).items()
        },
        "left_out": {k: why for k, why in campaign.left_out.items() if k not in injected_kinds},
        "reads": total.reads,
        "outside": sum(each.kind == "outside" for each in bad),
        "backward": sum(each.kind == "backward" for each in bad),
        "torn": sum(each.kind == "torn" for each in bad),
        "untyped": total.untyped,
        "overconfident": sum(each.kind == "overconfident" for each in bad),
        "silences_judged": len(judged(service.silences, validity_ns, _NOTICED_NS)),
        "seen_of_damage": len(damaged),
        "violations": [each.detail for each in bad],
        "compared_between_readers": readers.order.compared,
        "fullest": total.fullest,
        "time_shares": total.shares,
        "reads_by_reader": {r.report.name: r.report.total.reads for r in readers.all},
        "readers_killed": {r.report.name: r.ends for r in readers.all if r.ends},
        "daemons": service.starts,
        "interventions": campaign.interventions,
        "exits": {str(code): count for code, count in sorted(service.exits.items())},
        "workers_away": _absences(campaign.absences.over),
        "workers_still_away": sorted(campaign.absences.going_on),
        "orphans": len(service.orphans) + len(orphans),
        "use": {
            name: _use_of(campaign.readings, pick, MOST_GROWTH[name])
            for name, pick in (
                ("resident MiB", lambda r: r.used.resident_mib),
                ("descriptors", lambda r: float(r.used.descriptors)),
                ("threads", lambda r: float(r.used.threads)),
            )
        },
    }


def table(found: dict[str, Any]) -> str:
    """Figures for people."""
    rows = [f"{'fault':<27}{'times':>6}{'recovered':>10}{'median s':>10}{'worst s':>9}"]
    for kind, row in sorted(found["faults"].items()):
        rows.append(
            f"{kind:<27}{row['times']:>6}{row['recovered']:>10}"
            f"{_number(row['median_s']):>10}{_number(row['worst_s']):>9}"
        )
    rows += [f"{kind:<27}  not injected: {why}" for kind, why in found["left_out"].items()]
    shares = ", ".join(f"{name} {share:.3%}" for name, share in found["time_shares"].items())
    lines = (
        (
            f"{found['elapsed_s']:.0f} s, {found['daemons']} daemons, exits {found['exits']}, "
            f"somebody had to help {found['interventions']} times"
        ),
        f"reads {found['reads']:,} {found['reads_by_reader']}",
        f"readers killed {found['readers_killed']}",
        (
            f"outside the bound {found['outside']}, backward {found['backward']}, "
            f"torn {found['torn']}, untyped errors {found['untyped']}, "
            f"overconfident {found['overconfident']} in {found['silences_judged']} silences"
        ),
        (
            f"{found['compared_between_readers']:,} reads compared between readers; "
            f"injected damage seen by readers {found['seen_of_damage']} times"
        ),
        f"true time took at most {found['fullest']:.1%} of the bound",
        f"time: {shares}",
        f"workers away {found['workers_away']}; still away: {found['workers_still_away']}",
        f"orphans {found['orphans']}",
    )
    rows += ["", *lines, *(f"{name}: {_told(use)}" for name, use in found["use"].items())]
    rows += [f"VIOLATION {told}" for told in found["violations"][:_SHOWN]]
    return "\n".join(rows)


_SHOWN: Final = 50


def markdown(found: dict[str, Any]) -> str:
    """Figures for a page."""
    shares = found["time_shares"]
    served = shares["fresh"] + shares["holdover"] + shares["stale"]
    rows = [
        "| fault | times | recovered | median | worst |",
        "|---|---|---|---|---|",
        *(
            f"| {kind} | {row['times']} | {row['recovered']} | {_number(row['median_s'])} s "
            f"| {_number(row['worst_s'])} s |"
            for kind, row in sorted(found["faults"].items())
        ),
        "",
        "| | |",
        "|---|---|",
        f"| time | {found['elapsed_s']:.0f} s, seed {found.get('seed')} |",
        f"| reads, each checked | {found['reads']:,} |",
        f"| true time outside the interval | {found['outside']} |",
        f"| served time stepped back within an epoch | {found['backward']} |",
        f"| torn records | {found['torn']} |",
        f"| errors that are none of ChronoTick's | {found['untyped']} |",
        (
            f"| served for a daemon that had ended | {found['overconfident']}, in "
            f"{found['silences_judged']} silences that outlast a record |"
        ),
        f"| reads compared between readers | {found['compared_between_readers']:,} |",
        f"| true time took of the interval at most | {found['fullest']:.1%} |",
        f"| faults | {sum(row['times'] for row in found['faults'].values())} |",
        f"| daemons | {found['daemons']}; return codes {_counts(found['exits'])} |",
        f"| somebody had to help | {found['interventions']} times |",
        f"| orphans | {found['orphans']} |",
        (
            f"| workers did not answer | {found['workers_away']['times']} times, median "
            f"{found['workers_away']['median_s']} s, longest {found['workers_away']['worst_s']} s |"
        ),
        f"| workers that did not come back | {len(found['workers_still_away'])} |",
        f"| readers killed (SIGBUS) | {sum(sum(e.values()) for e in _ends(found))} |",
        f"| time served | {served:.1%} of the time |",
        f"| in holdover | {shares['holdover']:.1%} |",
        f"| from a record older than a second | {shares['stale']:.1%} |",
        f"| told that it is not synchronised | {shares['unsynchronised']:.1%} |",
        f"| told that there is no daemon | {shares['unavailable']:.1%} |",
        *(f"| {name} | {_told(use)} |" for name, use in found["use"].items()),
    ]
    return "\n".join(rows)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{code} ({count})" for code, count in counts.items())


def _ends(found: dict[str, Any]) -> list[dict[str, int]]:
    return list(found["readers_killed"].values())


def is_good(found: dict[str, Any]) -> bool:
    """Whether nothing happened that must not, and what had to be seen was looked at."""
    bars = ("outside", "backward", "torn", "untyped", "overconfident", "orphans")
    looked = bool(found["reads"] and found["faults"]) and found["left_out"].keys() <= MAY_LACK
    recovered = all(row["recovered"] == row["times"] for row in found["faults"].values())
    leaks = any(use["grows"] for use in found["use"].values())
    spoilt = any(found[bar] for bar in bars) or found["workers_still_away"]
    return looked and recovered and not (leaks or spoilt)


def slope(
    readings: Iterable[Reading], pick: Callable[[Reading], float]
) -> tuple[float, float] | None:
    """Growth per hour within daemons' lives, with its standard error; ``None``: too few readings.

    Least squares with a constant of its own for each daemon. Neighbouring readings are alike, so
    they are averaged over minutes first; what is left of that makes the error too small.
    """
    lives: dict[int, dict[int, list[float]]] = {}
    for each in readings:
        if each.age_s >= SETTLED_S:
            minutes = lives.setdefault(each.pid, {})
            minutes.setdefault(int(each.age_s // 60), []).append(pick(each))
    points = []
    for minutes in lives.values():
        means = [(minute / 60, statistics.fmean(values)) for minute, values in minutes.items()]
        x_mean, y_mean = (statistics.fmean(column) for column in zip(*means, strict=True))
        points += [(x - x_mean, y - y_mean) for x, y in means]
    spread = sum(x * x for x, _ in points)
    freedom = len(points) - len(lives) - 1
    if not spread or freedom < 1:
        return None
    growth = sum(x * y for x, y in points) / spread
    rest = sum((y - growth * x) ** 2 for x, y in points) / freedom
    return growth, math.sqrt(rest / spread)


def _sorted_out(
    readers: Readers, campaign: Campaign, rig: Rig, validity_ns: int
) -> tuple[list[Violation], list[Violation]]:
    """Violations, and what of them is damage that was injected and seen as such."""
    found = list(readers.violations)
    empty = judged(rig.service.silences, validity_ns, _NOTICED_NS)
    for reader in readers.all:
        found += overconfident(reader.report, empty)
    times_ns = [injection.at_raw_ns for injection in campaign.injections if injection.fault.damages]

    def is_damage(each: Violation) -> bool:
        near = any(-_NOTICED_NS < each.raw_ns - at_ns < _DAMAGED_NS for at_ns in times_ns)
        return each.kind == "torn" and near

    return [c for c in found if not is_damage(c)], [c for c in found if is_damage(c)]


def _by_kind(injections: Iterable[Injection]) -> dict[str, list[Injection]]:
    kinds: dict[str, list[Injection]] = {}
    for injection in injections:
        kinds.setdefault(injection.kind, []).append(injection)
    return kinds


def _row(injections: Sequence[Injection]) -> dict[str, Any]:
    times_s = [injection.recovery_s for injection in injections if injection.recovery_s is not None]
    return {
        "times": len(injections),
        "alone": sum(injection.alone for injection in injections),
        "recovered": len(times_s),
        "median_s": statistics.median(times_s) if times_s else None,
        "worst_s": max(times_s, default=None),
    }


def _absences(over: Sequence[tuple[str, float, float]]) -> dict[str, Any]:
    lengths_s = [until_s - since_s for _, since_s, until_s in over]
    return {
        "times": len(lengths_s),
        "median_s": round(statistics.median(lengths_s), 1) if lengths_s else None,
        "worst_s": round(max(lengths_s), 1) if lengths_s else None,
    }


def _use_of(
    readings: Sequence[Reading], pick: Callable[[Reading], float], most_growth: float
) -> dict[str, Any]:
    settled = [each for each in readings if each.age_s >= SETTLED_S] or list(readings)
    few = max(1, len(settled) // 20)
    grown = slope(readings, pick)
    longest_s = max((each.age_s for each in readings), default=0.0)
    return {
        "first": statistics.median(map(pick, settled[:few])) if settled else None,
        "last": statistics.median(map(pick, settled[-few:])) if settled else None,
        "most": max(map(pick, readings), default=None),
        "longest_life_s": round(longest_s, 1),
        "per_hour": grown[0] if grown else None,
        "per_hour_error": grown[1] if grown else None,
        "grows": grows(grown, longest_s, most_growth),
    }


def grows(growth: tuple[float, float] | None, life_s: float, most: float) -> bool | None:
    """Whether growth (per hour, with its standard error) is a leak; ``None``: it is not judged."""
    if growth is None or life_s < LONG_LIFE_S:
        return None
    return growth[0] - 2 * growth[1] > most


def _told(use: dict[str, Any]) -> str:
    slope_told = ""
    if use["per_hour"] is not None:
        slope_told = f"{use['per_hour']:+.2f} ± {2 * use['per_hour_error']:.2f} per hour: "
    words = {None: "no daemon lived long enough to judge growth", True: "GROWS", False: "no growth"}
    numbers = (_number(use[name]) for name in ("first", "last", "most"))
    begin = "{} at the beginning, {} at the end, {} at most; ".format(*numbers)
    return f"{begin}{slope_told}{words[use['grows']]}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
