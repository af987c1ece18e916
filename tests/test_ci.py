"""``.ci/run``: what continuous integration runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / ".ci" / "run"
BASH = shutil.which("bash") or "bash"


def test_it_is_a_program_that_bash_understands():
    assert os.access(SCRIPT, os.X_OK)
    subprocess.run([BASH, "-n", SCRIPT], check=True)


def test_it_forbids_skipping_by_itself(tmp_path: Path):
    """Tests without chronyd fail only where CI is set; once that was left to the caller."""
    there = dict.fromkeys(("chronyd", "chromium", "promtool", "systemd-analyze"), "exit 1")
    for name, text in {"make": 'echo "$@: CI=$CI"', **there}.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    environ = {k: v for k, v in os.environ.items() if k != "CI"}
    environ["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run([SCRIPT], env=environ, capture_output=True, text=True, check=True)
    assert "test: CI=1" in done.stdout.splitlines()
