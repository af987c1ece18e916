"""The live accuracy benchmark, short: both clients against real packets and known truth."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chronotick.lab.network import Leg, PathModel, Queue

LIVE = Path(__file__).parents[1] / "bench" / "accuracy" / "live.py"
OUT_S, BACK_S = 30e-3, 10e-3
JITTER = Queue(scale_s=20e-6)
PATHS = [
    PathModel(
        forward=Leg(minimum_s=OUT_S, queue=JITTER), backward=Leg(minimum_s=BACK_S, queue=JITTER)
    )
] * 3
RUN_S = 240


@pytest.mark.chronyd
@pytest.mark.timeout(RUN_S + 60)
def test_both_clients_believe_what_an_asymmetric_network_shows_them(start_chronyd, tmp_path: Path):
    """Nobody can see that all ways out are 20 ms longer: both must be about 10 ms wrong.

    So the signs of both estimates are right, and bounds are put to the test.
    """
    file = tmp_path / "paths.json"
    file.write_text(json.dumps([path.model_dump(mode="json") for path in PATHS]))
    command = [sys.executable, str(LIVE), f"--paths={file}", "--poll=1", "--warmup=12"]
    command += ["--minutes=3", "--instants=8", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUN_S)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["instants"] == 8
    for client in ("chronotick", "chrony"):
        assert 5_000 < found[client]["mean_us"] < 15_000
    assert found["chronotick"]["violations"] == 0
    assert found["chronotick"]["bound_us"] > 1e6 * (OUT_S + BACK_S) / 2 - 1
    assert found["ratio"]["rms_us"] == pytest.approx(
        found["chronotick"]["rms_us"] / found["chrony"]["rms_us"]
    )
    assert found["relay"]["forward"]["packets"] > 20


def test_polls_that_chrony_cannot_keep_are_refused():
    done = subprocess.run(
        [sys.executable, str(LIVE), "--poll=3"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "powers of two" in done.stderr
