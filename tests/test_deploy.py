"""The files in deploy/ are accepted by the programs they are for."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
DAEMON, SERVER = FOLDER / "chronotick.service", FOLDER / "chronotick-worker.service"


def settings(unit: Path) -> dict[str, str]:
    """What a unit sets for ChronoTick, with the directories that systemd would put in."""
    lines = [line for line in unit.read_text().splitlines() if "=CHRONOTICK_" in line]
    pairs = [line.removeprefix("Environment=").split("=", 1) for line in lines]
    places = {"%t": "/run", "%S": "/s", "%C": "/c"}
    return {name: places[value[:2]] + value[2:] for name, value in pairs}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("source", UNITS, ids=lambda unit: unit.name)
def test_systemd_accepts_the_unit(source: Path, tmp_path: Path):
    # Only paths and names that this machine may lack are replaced.
    text = source.read_text().replace("/opt/chronotick/bin/chronotick", sys.executable)
    text = text.replace("User=chronotick\nGroup=chronotick", f"User={getpass.getuser()}")
    unit = tmp_path / source.name
    unit.write_text(text)
    command = ["systemd-analyze", "verify", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if source.name in line]
    assert complaints == []


def test_the_units_use_settings_that_exist_and_share_keys_and_environments():
    from chronotick.config import load

    assert UNITS == [SERVER, DAEMON]
    daemon, server = (load(None, settings(unit), {}).config for unit in (DAEMON, SERVER))
    assert (len(settings(DAEMON)), len(settings(SERVER))) == (5, 3)
    assert str(daemon.shm.path) == "/run/chronotick/record"
    assert str(server.control.socket) == "/run/chronotick-worker/control.sock"
    assert str(server.workers.keys) == str(daemon.workers.keys) == "/s/chronotick/keys"
    assert server.workers.environments == daemon.workers.environments


def test_the_servers_command_has_options_that_exist(tmp_path: Path):
    """It gets as far as the list of keys, which is not there."""
    (line,) = [line for line in SERVER.read_text().splitlines() if line.startswith("ExecStart=")]
    words = line.removeprefix("ExecStart=").split()[1:]
    absent = str(tmp_path / "absent")
    words = [absent if word.startswith("/etc/") else word for word in words]
    words = ["echo" if word == "ttm" else word for word in words]
    keys = ["--keys", str(tmp_path / "keys")]
    made = [sys.executable, "-m", "chronotick", "worker", "keygen", "--out", keys[1]]
    subprocess.run(made, check=True, capture_output=True)
    command = [sys.executable, "-m", "chronotick", *words, *keys]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode != 0
    assert f"there is no {absent}" in done.stderr
