"""The files in deploy/ are accepted by the programs they are for."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[1] / "deploy" / "systemd" / "chronotick.service"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path):
    # Only paths and names that this machine may lack are replaced.
    text = UNIT.read_text().replace("/opt/chronotick/bin/chronotick", sys.executable)
    text = text.replace("User=chronotick\nGroup=chronotick", f"User={getpass.getuser()}")
    unit = tmp_path / UNIT.name
    unit.write_text(text)
    command = ["systemd-analyze", "verify", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert complaints == []


def test_the_unit_uses_settings_that_exist():
    from chronotick.config import load

    pairs = [
        line.removeprefix("Environment=").split("=", 1)
        for line in UNIT.read_text().splitlines()
        if line.startswith("Environment=CHRONOTICK_")
    ]
    environ = {
        name: value.replace("%t", "/run").replace("%S", "/s").replace("%C", "/c")
        for name, value in pairs
    }
    assert len(environ) == 4
    loaded = load(None, environ, {})
    assert str(loaded.config.shm.path) == "/run/chronotick/record"
