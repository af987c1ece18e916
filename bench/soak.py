"""Whether anything grows: memory, descriptors, rows, over 100 000 polls or over an hour.

    python bench/soak.py [--polls N]

lets the daemon's own code measure four servers on a virtual host (``chronotick lab scenarios``),
with a real history whose rows are kept for a few hours only. At forty points it prints memory
(resident; in use, of what malloc has given out; blocks that Python's allocator has), descriptors,
how many objects there are and how much all containers hold, and rows; at the end, how each changed
from then on when all that is bounded is full.

    python bench/soak.py --live SECONDS

runs a real daemon as ``bench/faults.py`` does, but leaves it alone, and prints the same of its
process, once a minute. The exit code is 1 if anything grows.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import math
import os
import random
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from chronotick.config.schema import Config
from chronotick.daemon.memory import Memory
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.history import open_history
from chronotick.lab.faults.campaign import Campaign, Schedule
from chronotick.lab.faults.launch import ECHOES, Setup, running_rig
from chronotick.lab.faults.procfs import used
from chronotick.lab.faults.readers import Readers
from chronotick.lab.faults.rig import Rig
from chronotick.lab.scenarios.daemon import VirtualDaemon
from chronotick.lab.scenarios.host import Host
from chronotick.lab.scenarios.inhabiting import inhabited
from chronotick.lab.scenarios.loop import HostLoop
from chronotick.lab.scenarios.network import Network, address_of
from chronotick.lab.scenarios.scenario import Expected, Scenario
from chronotick.lab.scenarios.worlds import world
from chronotick.testing.installed import lay_out

START_RAW_NS = 200_000_000_000_000
"""Of a host that has run for two days: SQLite writes what is past 2**47 longer (8 bytes, not 6)."""
GRID_S = 64.0
"""Of the simulated oscillator, which keeps its whole past: on its usual grid 0.7 MB a day."""
POLL_S = 8.0
PUBLISH_S = 4.0
FORECAST_S = 16.0
RETENTION_DAYS = 0.25
SWEEP_S = 2.0
"""Between deletions of old rows: a virtual host's hours fly."""
POINTS = 40
FULL = 0.4
"""After so much of a run all that is bounded is full: measurements that are remembered, delays."""
TABLES = ("measurements", "forecasts", "transitions", "readings")
MIB = 2**20
LEAK_SHARE = 0.02
"""Growth, from full to the end, that is called growth."""
FEWEST = 3
"""Rows that a trend can be told from, with its error."""
T_95 = 2.1
"""Student's t for about twenty points."""

MINUTE_S = 60.0
GROWING = ("minutes", "polls", "disk MiB")
"""What grows by its nature: an hour is less than what the history keeps."""

BRISK = {
    "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MEASUREMENT_INTERVAL": "0.5",
    "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MAX_INTERVAL": "0.5",
    "CHRONOTICK_LONG_TERM__PREDICTION_HORIZON": "600",
    "CHRONOTICK_LONG_TERM__STEP": "16",
}
"""All that is bounded is full within twenty minutes: what is measured, and forecasts not judged."""

Row = dict[str, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--polls", type=int, default=100_000)
    parser.add_argument("--traced", action="store_true", help="trace memory: twice as slow")
    parser.add_argument("--live", type=float, metavar="SECONDS", help="a real daemon instead")
    parser.add_argument("--models", default="", help="in its workers besides echo, by commas")
    parser.add_argument("--environments", type=Path, help="where their environments are")
    parser.add_argument("--json", type=Path, help="file for all rows")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all that was started is ended
    if given.traced:
        tracemalloc.start()
    rows = live(given) if given.live else soaked(given.polls)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))
    return verdict(rows)


def soaked(polls: int, points: int = POINTS) -> list[Row]:
    """Let the daemon's code live on a virtual host for so many polls, looked at so many times."""
    rows: list[Row] = []
    began, at_s = time.monotonic(), 0.0
    with tempfile.TemporaryDirectory(prefix="ct-") as name, living(Path(name)) as parts:
        daemon, memory, loop = parts
        while not rows or rows[-1]["polls"] < polls:
            at_s += PUBLISH_S
            loop.run_until(at_s)
            daemon.publish()
            remember(daemon, memory)
            if (error := daemon.failure()) is not None:
                raise error
            if measured(daemon) >= polls * (len(rows) + 1) / points:
                row = looked_at(daemon, memory, Path(name) / "history.sqlite3")
                show(row, heading=not rows)
                rows.append(row)
    print(f"{at_s / 86400:.2f} days of the virtual host in {time.monotonic() - began:.0f} s")
    return rows


def remember(daemon: VirtualDaemon, memory: Memory) -> None:
    """Write down what is served, as the daemon does a little less often."""
    record, target = daemon.publisher.record, daemon.clockwork.target
    if record is not None and target is not None:
        memory.served(record, target)


def measured(daemon: VirtualDaemon) -> int:
    record = daemon.publisher.record
    return record.measurements if record is not None else 0


def looked_at(daemon: VirtualDaemon, memory: Memory, history: Path) -> Row:
    """Sizes of everything, when the history's thread has written what waits."""
    while memory.report()["pending"] > 100:
        time.sleep(0.1)
    gc.collect()
    uses = used(os.getpid())
    tracked = gc.get_objects()
    with contextlib.closing(sqlite3.connect(f"file:{history}?mode=ro", uri=True)) as connection:
        rows = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            for table in TABLES
        }
    return {
        "polls": measured(daemon),
        "resident MiB": uses.resident_mib if uses else math.nan,
        **({"malloc MiB": in_use / MIB} if (in_use := of_malloc()) else {}),
        "blocks": sys.getallocatedblocks(),
        **({"traced MiB": traced / MIB} if (traced := tracemalloc.get_traced_memory()[0]) else {}),
        "descriptors": uses.descriptors if uses else math.nan,
        "threads": uses.threads if uses else math.nan,
        "objects": len(tracked),
        "items": sum(len(each) for each in tracked if isinstance(each, (list, dict, set, deque))),
        **rows,
        "history MiB": history.stat().st_size / MIB,
    }


class MallocInfo(ctypes.Structure):
    """``struct mallinfo2`` of glibc (mallinfo(3))."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def of_malloc() -> int:
    """Bytes that malloc has given out and not got back; 0 where the C library does not say."""
    asked = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if asked is None:
        return 0
    asked.restype = MallocInfo
    found = asked()
    return int(found.uordblks + found.hblkhd)


@contextlib.contextmanager
def living(folder: Path) -> Iterator[tuple[VirtualDaemon, Memory, HostLoop]]:
    here = world(servers=4, step_s=GRID_S)
    scenario = Scenario(
        name="soak",
        happens="Nothing.",
        asserts="Nothing grows.",
        world=here,
        expected=Expected(error_s=1.0, within_s=60.0),
    )
    state = here.model_copy(update={"seed": 1, "start_raw_ns": START_RAW_NS}).live()
    host = Host(state, (), scenario.system_offset_s)
    network = Network(state, host, (), scenario.mischief, ())
    config = configuration(folder)
    made: list[Memory] = []

    def remembering(timekeeper: Timekeeper) -> Memory:
        history = config.history
        opened = open_history(history.path, history.retention_days, maintenance_s=SWEEP_S)
        age_s = history.max_resume_age_seconds
        made.append(Memory(opened.history, timekeeper, age_s, opened.messages))
        return made[0]

    loop = HostLoop(START_RAW_NS)
    with contextlib.ExitStack() as stack:
        stack.callback(loop.close)
        stack.enter_context(inhabited(host, loop, network, seed=1))
        daemon = VirtualDaemon(config, loop, folder / "record", remembering)
        stack.callback(made[0].close)
        stack.callback(daemon.close)
        yield daemon, made[0], loop


def configuration(folder: Path) -> Config:
    asked = {"trigger": "interval", "inference_interval": FORECAST_S}
    timing = {"normal_operation": {"measurement_interval": POLL_S, "max_interval": POLL_S}}
    return Config.model_validate(
        {
            "clock_measurement": {
                "ntp": {"servers": [address_of(number) for number in range(4)]},
                "timing": timing,
            },
            "short_term": asked,
            "long_term": asked,
            "shm": {"path": folder / "record", "validity_seconds": 10},
            "history": {"path": folder / "history.sqlite3", "retention_days": RETENTION_DAYS},
        }
    )


def live(given: argparse.Namespace) -> list[Row]:
    """Run a real daemon, leave it alone, and look at it once a minute."""
    with tempfile.TemporaryDirectory(prefix="ct-") as name:
        models = [each for each in given.models.split(",") if each]
        site = Path(name) / "site"
        lay_out(site, "echoes", {"echoes.py": ECHOES}, entry_points={"echoes": "echoes"})
        setup = Setup(
            directory=Path(name),
            site=site,
            models=models,
            environments=given.environments,
            disk=False,
            memory_hog=False,
            settings=BRISK,
        )
        with running_rig(setup, print) as rig:
            campaign = Campaign(rig, Readers([], print), random.Random(0), Schedule(), print)
            if not campaign.settle(300.0):
                raise SystemExit("the daemon did not become ready")
            rows: list[Row] = []
            began = time.monotonic()
            while time.monotonic() - began < given.live and rig.service.starts == 1:
                campaign.watch(MINUTE_S)
                rows.append(of_process(rig, campaign, time.monotonic() - began))
                show(rows[-1], heading=len(rows) == 1)
            if rig.service.starts != 1:
                raise SystemExit("the daemon ended by itself")
    return rows


def of_process(rig: Rig, campaign: Campaign, elapsed_s: float) -> Row:
    """Means of the last minute, and what the daemon says of itself."""
    readings = campaign.readings[-int(MINUTE_S) :]
    said = rig.poller.latest
    sizes = {path.name: path.stat().st_size / MIB for path in history_files(rig.history)}
    workers = [use for pid in rig.workers.values() if (use := used(pid)) is not None]
    return {
        "minutes": elapsed_s / 60,
        "polls": (said.status.get("clock") or {}).get("measurements", math.nan),
        "resident MiB": statistics.fmean(each.used.resident_mib for each in readings),
        "descriptors": statistics.fmean(each.used.descriptors for each in readings),
        "threads": statistics.fmean(each.used.threads for each in readings),
        "workers MiB": sum(use.resident_mib for use in workers),
        "worker descriptors": sum(use.descriptors for use in workers),
        "rows waiting": said.status.get("history", {}).get("pending", math.nan),
        "disk MiB": sum(sizes.values()),
    }


def history_files(history: Path) -> list[Path]:
    return [path for ending in ("", "-wal") if (path := Path(f"{history}{ending}")).exists()]


def show(row: Row, *, heading: bool) -> None:
    if heading:
        print(" ".join(f"{name:>14}" for name in row))
    print(" ".join(f"{value:>14,.2f}" for value in row.values()), flush=True)


def verdict(rows: Sequence[Row]) -> int:
    """Print the growth of each figure over the later part of a run; 1 if any of it is growth.

    Beside each figure stands the least growth of it that would have been told, by the unit of the
    first column: a poll, or a minute.
    """
    full = rows[int(len(rows) * FULL) :]
    if len(full) < FEWEST:
        raise SystemExit(
            f"soak: {len(full)} of {len(rows)} rows are later than {FULL:.0%} of the run, and a"
            f" trend needs {FEWEST}. Let it run for longer"
        )
    first = next(iter(rows[0]))
    units = full[-1][first] - full[0][first]
    print(f"from {full[0][first]:,.0f} to {full[-1][first]:,.0f} {first}:")
    grown = 0
    for name in rows[0]:
        if name in GROWING:
            continue
        values = [row[name] for row in full]
        if not all(map(math.isfinite, values)):
            raise SystemExit(f"soak: {name} could not be read at every point: nothing is judged")
        growth, error = trend([row[first] for row in full], values)
        mean = statistics.fmean(values)
        least = LEAK_SHARE * abs(mean) + error
        grows = growth - error > LEAK_SHARE * abs(mean)
        grown += grows
        word = (
            "GROWS" if grows else f"flat, a leak of {least / units:.2g} a {first[:-1]} would show"
        )
        print(f"{name:<20} mean {mean:12,.2f}, change {growth:+11,.3f} ± {error:.3f}  {word}")
    return 1 if grown else 0


def trend(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Change of y over all of x by least squares, with half the width of its 95 % interval."""
    x_mean, y_mean = statistics.fmean(x), statistics.fmean(y)
    spread = sum((each - x_mean) ** 2 for each in x)
    slope = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True)) / spread
    rest = sum((b - y_mean - slope * (a - x_mean)) ** 2 for a, b in zip(x, y, strict=True))
    error = math.sqrt(rest / max(1, len(x) - 2) / spread)
    return slope * (x[-1] - x[0]), T_95 * error * (x[-1] - x[0])


if __name__ == "__main__":
    sys.exit(main())
