"""What uv is told, and what is made of what it says."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from chronotick.workers import EnvironmentProblem
from chronotick.workers.uv import Uv, UvFailed, find_uv, uv_variables


def test_find_links_of_pip_reach_uv():
    """Without them uv takes gigabytes of CUDA builds from the index."""
    variables = uv_variables({"PIP_FIND_LINKS": "/one /two"}, offline=False)
    assert variables["UV_FIND_LINKS"] == "/one,/two"


def test_find_links_of_uv_win():
    variables = uv_variables({"PIP_FIND_LINKS": "/pip", "UV_FIND_LINKS": "/uv"}, offline=False)
    assert variables["UV_FIND_LINKS"] == "/uv"


def test_what_belongs_to_the_daemons_python_does_not_reach_uv():
    environ = {"PYTHONPATH": "x", "VIRTUAL_ENV": "x", "CONDA_PREFIX": "x", "HOME": "/h"}
    environ |= {"UV_OVERRIDE": "x", "UV_EXCLUDE": "x", "UV_CONSTRAINT": "x"}
    variables = uv_variables(environ, offline=True)
    assert variables == {"HOME": "/h", "UV_OFFLINE": "1", "UV_NO_PROGRESS": "1"}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("failed to write: No space left on device (os error 28)", "the disk is full"),
        ("error: No interpreter found for Python >=3.99", "Python version it needs"),
        ("hint: Packages were unavailable because the network was disabled", "uv is offline"),
        ("error sending request for url: dns error", "could not reach a package index"),
        ("Hash mismatch for `numpy==2.4.6`", "not the one that was locked"),
        ("something new", r"uv gave up\. Run: chronotick envs sync ttm\nuv said: something new"),
    ],
)
def test_failures_are_explained(said: str, words: str):
    problem = UvFailed("installing packages", said).explain("core-models", "ttm")
    with pytest.raises(EnvironmentProblem, match=words):
        raise problem
    assert "NAME" not in str(problem)


@pytest.mark.parametrize(
    ("said", "elsewhere"),
    [
        ("error: No solution found when resolving dependencies\n  cause: Because torch was", True),
        ("error: Failed to download `torch==2.13.0`\n  cause: Invalid zip file structure", False),
        ("failed to write: No space left on device (os error 28)", False),
    ],
)
def test_only_what_is_not_there_is_looked_for_elsewhere(said: str, elsewhere: bool):
    assert UvFailed("installing torch", said).elsewhere is elsewhere


def test_hints_name_the_command_that_was_run():
    problem = UvFailed("locking ttm.in", "dns error").explain("ttm", "ttm", "lock")
    assert "chronotick envs lock ttm --find-links DIR" in str(problem)


def pretended(path: Path, program: str) -> Uv:
    """A program in place of uv, for what uv says only now and then."""
    path.write_text(f"#!{sys.executable}\n{program}")
    path.chmod(0o755)
    return Uv(program=path)


def test_downloads_are_told_while_uv_still_runs(tmp_path: Path):
    told, flag = [], tmp_path / "told"

    def on_download(name: str, size_bytes: int) -> None:
        told.append((name, size_bytes))
        flag.touch()

    uv = pretended(
        tmp_path / "uv",
        f"""
import os, sys, time
print("Downloading numpy (16.1MiB)", file=sys.stderr, flush=True)
while not os.path.exists({str(flag)!r}):
    time.sleep(0.01)
print(" Downloaded numpy\\nDownloading tiny (12.0KiB)", file=sys.stderr)
""",
    )
    uv.run("installing", on_download=on_download)
    assert told == [("numpy", round(16.1 * 2**20)), ("tiny", 12 * 2**10)]


COMPLAINTS = """
raise SystemExit(
    "The package `a` requires `pytest>=8 ; extra == 'x'`, but it's not installed\\n"
    "The package `a` requires `torch==2.7`, but `2.13+cpu` is installed"
)
"""


def test_check_forgives_what_is_waived_and_nothing_else(tmp_path: Path):
    uv = pretended(tmp_path / "uv", COMPLAINTS)
    uv.check(Path("python"), {"pytest", "torch"})
    with pytest.raises(UvFailed) as caught:
        uv.check(Path("python"), {"pytest"})
    assert "torch==2.7" in caught.value.output
    assert "pytest" not in caught.value.output


def test_check_that_fails_for_another_reason_is_not_forgiven(tmp_path: Path):
    uv = pretended(tmp_path / "uv", "raise SystemExit('no such interpreter')")
    with pytest.raises(UvFailed, match="no such interpreter"):
        uv.check(Path("python"), {"pytest"})


def test_missing_python_is_not_downloaded_unasked(tmp_path: Path):
    calls = tmp_path / "calls"
    uv = pretended(
        tmp_path / "uv",
        f"import sys\nopen({str(calls)!r}, 'a').write(sys.argv[2] + ' ')\nsys.exit(1)",
    )
    with pytest.raises(UvFailed):
        uv.find_python(">=3.99", download=False)
    assert calls.read_text() == "find "


def test_real_failure_carries_what_uv_said():
    with pytest.raises(UvFailed, match="unrecognized subcommand"):
        Uv(program=find_uv()).run("trying", "no-such-command")


def test_running_uv_can_be_cancelled(tmp_path: Path):
    slow = tmp_path / "uv"
    slow.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    slow.chmod(0o755)
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    started = time.monotonic()
    with pytest.raises(EnvironmentProblem, match="trying was cancelled"):
        Uv(program=slow, cancelled=cancelled).run("trying")
    assert time.monotonic() - started < 30


def test_uv_on_path_serves_when_its_package_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_uv() == program
