"""Faults injected into a real daemon for an hour, with readers that check every read.

    python bench/faults.py --seconds 3600 --models chronos,ttm --environments DIR

runs real servers (chronyd on loopback), the daemon as under systemd, models in workers, and readers
in C and in Python that know the true time: on loopback it is CLOCK_REALTIME. Faults of all kinds
(docs/faults.md) follow each other by a random schedule, which a seed repeats. At the end stands a
table; figures and violations go to ``--json``, everything else stays in ``--directory``.
The exit code is 1 if anything happened that must not.

Without arguments it takes ten minutes. ``--once`` injects each kind once, quickly,
as the tests do.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from chronotick.lab.faults.campaign import Campaign, Schedule
from chronotick.lab.faults.figures import LONG_LIFE_S, figures, is_good, markdown, table
from chronotick.lab.faults.kinds import KINDS, SLOW
from chronotick.lab.faults.launch import (
    ECHOES,
    VALIDITY_NS,
    Setup,
    running_readers,
    running_rig,
)
from chronotick.ntp.testing import ChronydError
from chronotick.testing.installed import lay_out

REPOSITORY = Path(__file__).parents[1]
HEADER_FOLDER = REPOSITORY / "core" / "src" / "chronotick" / "shm"
CLOCK_SOURCE = REPOSITORY / "tests" / "stepped_clock.c"
READY_S = 120.0
LAST_LIFE_S = LONG_LIFE_S + 180.0
"""In the last part of a run the daemon is left alive, so long that growth can be judged."""
LAST_WAIT_S = 420.0
"""A worker that ended three times in five minutes is left alone for as long."""
QUICK = Schedule(hold_s=(0.3, 0.8), pause_s=0.05, patience_s=30.0, together=0.5, quiet_s=5.0)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text.rstrip()}", flush=True)


def compiled(directory: Path) -> list[str]:
    """Build the reader in C; empty where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        say("no compiler: no reader in C")
        return []
    program, source = directory / "reader", Path(__file__).with_name("faults_reader.c")
    line = [compiler, "-std=gnu11", "-O2", f"-I{HEADER_FOLDER}", str(source), "-o", str(program)]
    subprocess.run(line, check=True)
    return [str(program)]


def plugins(site: Path) -> Path:
    """Install the models that the daemon has besides those it is asked for."""
    lay_out(site, "echoes", {"echoes.py": ECHOES}, entry_points={"echoes": "echoes"})
    return site


def run(given: argparse.Namespace, directory: Path) -> int:
    setup = Setup(
        directory=directory,
        site=plugins(directory / "site"),
        models=[name for name in given.models.split(",") if name],
        environments=given.environments,
        c_reader=compiled(directory),
        clock_source=CLOCK_SOURCE if CLOCK_SOURCE.exists() else None,
        hurried=given.once,
    )
    usual = [kind for kind in KINDS if not (given.once and kind in SLOW)]
    kinds = given.kinds.split(",") if given.kinds else usual
    say(f"seed {given.seed}, everything in {directory}")
    with running_readers(setup, say) as readers, running_rig(setup, say) as rig:
        schedule = QUICK if given.once else Schedule()
        campaign = Campaign(rig, readers, random.Random(given.seed), schedule, say)
        if not campaign.settle(READY_S):
            say("the daemon did not become ready; see log")
            return 1
        say(f"all is well after {campaign.elapsed_s:.1f} s; the faults begin")
        inject(campaign, kinds, 0.0 if given.once else given.seconds)
        say("no more faults; waiting until clock and workers are well")
        say(f"well: {campaign.settle(LAST_WAIT_S)} after {campaign.elapsed_s:.1f} s")
        orphans = rig.service.close()
        readers.close()
        found = figures(rig, campaign, readers, VALIDITY_NS, orphans)
    print(table(found))
    if given.json:
        given.json.write_text(json.dumps({"seed": given.seed, **found}, indent=1))
    growth_is_due = not given.once and lets_one_live(kinds, given.seconds)
    judged = all(use["grows"] is not None for use in found["use"].values())
    passed = is_good(found) and (judged or not growth_is_due)
    print("PASSED" if passed else "FAILED: see above, and docs/faults.md for what must not be")
    return 0 if passed else 1


def inject(campaign: Campaign, kinds: Sequence[str], until_s: float) -> None:
    """Inject faults; of a long run the last part lets one daemon live, so that growth shows."""
    if lets_one_live(kinds, until_s):
        campaign.run(kinds, until_s - LAST_LIFE_S)
        say("from now on only faults that the daemon survives")
        kinds = [kind for kind in kinds if KINDS[kind].survived]
    campaign.run(kinds, until_s)


def lets_one_live(kinds: Sequence[str], until_s: float) -> bool:
    """Whether a run is long enough for a last part in which one daemon lives."""
    return until_s > 2 * LAST_LIFE_S and any(KINDS[kind].survived for kind in kinds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long faults are injected")
    parser.add_argument("--once", action="store_true", help="each kind once, quickly")
    parser.add_argument("--kinds", default="", help="only these, by commas")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--models", default="", help="in workers besides echo, by commas")
    parser.add_argument("--environments", type=Path, help="where their environments are")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--show", type=Path, help="print figures of such a file as Markdown")
    parser.add_argument("--directory", type=Path, help="is made, and kept")
    given = parser.parse_args()
    if given.show:
        print(markdown(json.loads(given.show.read_text())))
        return 0
    unknown = {name for name in given.kinds.split(",") if name} - KINDS.keys()
    if unknown:
        parser.error(f"--kinds: {', '.join(sorted(unknown))}: there are {', '.join(KINDS)}")
    if given.directory and given.directory.exists():
        parser.error(f"--directory: {given.directory} exists; name a new one")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all that was started is ended
    try:
        if given.directory:
            given.directory.mkdir(parents=True)
            return run(given, given.directory.absolute())
        with tempfile.TemporaryDirectory(prefix="ct-") as name:
            return run(given, Path(name))
    except ChronydError as error:
        print(f"faults: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
