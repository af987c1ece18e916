"""Each kind of fault once, injected into the real daemon, while readers check each time they get.

``bench/faults.py`` does it for an hour; ``docs/faults.md`` tells what came out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chronotick.lab.faults.kinds import KINDS, SLOW

BENCH = Path(__file__).parents[1] / "bench" / "faults.py"
LONGEST_S = 400  # a machine with nothing else to do needs 40

pytestmark = [pytest.mark.chronyd, pytest.mark.timeout(LONGEST_S)]


@pytest.fixture(scope="module")
def found(start_chronyd, tmp_path_factory) -> Iterator[dict]:
    """What came of a run; ``told`` is all that was printed."""
    path = tmp_path_factory.mktemp("faults") / "figures.json"
    line = [sys.executable, str(BENCH), "--once", "--seed", "1", "--json", str(path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert path.exists(), done.stdout + done.stderr
    return {**json.loads(path.read_text()), "told": done.stdout, "code": done.returncode}


def test_whatever_happens_true_time_is_in_the_interval_and_time_does_not_step_back(found):
    assert found["reads"] > 10_000
    assert found["compared_between_readers"] > 100
    bad = {name: found[name] for name in ("outside", "backward", "torn", "untyped")}
    assert bad == dict.fromkeys(bad, 0), found["violations"]


def test_nobody_serves_time_for_a_daemon_that_has_ended(found):
    assert found["silences_judged"] > 0, found["told"]
    assert found["overconfident"] == 0, found["violations"]
    assert found["time_shares"]["unavailable"] > 0


def test_every_kind_is_injected_and_recovered_from(found):
    impossible = {"disk full"} if os.geteuid() != 0 else set()  # a file system must be mounted
    assert set(found["faults"]) >= KINDS.keys() - set(SLOW) - impossible, found["told"]
    assert all(row["recovered"] == row["times"] for row in found["faults"].values()), found["told"]


def test_every_worker_comes_back_and_none_outlives_its_daemon(found):
    assert found["workers_away"]["times"] > 0
    assert found["workers_still_away"] == []
    assert found["orphans"] == 0, found["told"]
    assert found["code"] == 0, found["told"]
