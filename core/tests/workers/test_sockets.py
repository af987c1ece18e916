"""Directories for sockets are the user's own, and do not outlive the processes that made them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from chronotick.workers.sockets import sockets_directory

# Ends itself while its model is loaded, if it is told to; prints what is there while it is.
SESSION = """
import os, signal, sys
from pathlib import Path
from dataclasses import replace
from chronotick.lab.comparing.contestants import Contestant
from chronotick.lab.comparing.sessions import WorkerSession
from chronotick.workers.sockets import sockets_directory
from chronotick.plugin import echo
from chronotick.plugin.contract import CURRENT_INTERPRETER

spec = replace(echo.chronotick_models()[0], environment=CURRENT_INTERPRETER)
session = WorkerSession(Contestant(name=spec.name, spec=spec, identity={}))
print(*(each.name for each in sockets_directory().iterdir()), flush=True)
if "die" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
session.close()
"""


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Directory of temporary files, with a short path, here and in processes."""
    directory = tmp_path_factory.mktemp("t")
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return directory


def opened(*args: str) -> tuple[int, list[str]]:
    command = [sys.executable, "-c", SESSION, *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout.split()


def test_what_a_killed_run_leaves_is_gone_when_the_next_begins(temporary: Path):
    """Each session made a directory /tmp/ct-* that stayed for ever if it was killed."""
    home = f"ct-{os.getuid()}"
    ended, (left,) = opened("die")
    assert ended == -signal.SIGKILL
    assert [each.name for each in temporary.iterdir()] == [home]
    assert [each.name for each in (temporary / home).iterdir()] == [left]
    ended, (own,) = opened()
    assert ended == 0
    assert own != left
    assert not [*(temporary / home).iterdir()]


def test_a_directory_that_is_not_ours_is_not_used(temporary: Path):
    (temporary / "elsewhere").mkdir()
    (temporary / f"ct-{os.getuid()}").symlink_to(temporary / "elsewhere")
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        sockets_directory()


def test_only_its_owner_may_enter_it(temporary: Path):
    assert sockets_directory() == sockets_directory()
    assert sockets_directory().parent == temporary
    assert sockets_directory().stat().st_mode & 0o777 == 0o700
