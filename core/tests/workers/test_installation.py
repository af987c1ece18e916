"""Filling an environment: what may stop it, and what is told when it goes wrong. No network."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.plugin import ModelSpec
from chronotick.workers import EnvironmentProblem, Plan, build, plan

UV = """#!{python}
import os, sys
if sys.argv[1] == "venv":
    os.makedirs(sys.argv[-1] + "/bin")
    path = sys.argv[-1] + "/bin/python"
    with open(path, "w") as program:
        program.write('#!/bin/sh\\nexec {python} "$@"\\n')
    os.chmod(path, 0o755)
{more}
"""


@pytest.fixture
def pretend_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A program in place of uv, which makes an environment of our own Python, and does ``more``."""

    def install(more: str = "") -> None:
        program = tmp_path / "bin" / "uv"
        program.parent.mkdir()
        program.write_text(UV.format(python=sys.executable, more=more))
        program.chmod(0o755)
        monkeypatch.setattr("chronotick.workers.provision.find_uv", lambda: program)

    return install


@pytest.fixture
def trying(toy: ModelSpec, root: Path, package: Path) -> Callable[[str], Plan]:
    """A plan whose last step imports a module with this text."""

    def make(text: str) -> Plan:
        (package / "__init__.py").write_text("")
        (package / "trial.py").write_text(text)
        assert toy.environment is not None
        environment = replace(toy.environment, smoke_import="toy_plugin.trial")
        return plan(replace(toy, environment=environment), root, "cpu", Path)

    return make


async def test_cancelling_ends_the_import_that_proves_it(
    pretend_uv, trying: Callable[[str], Plan], tmp_path: Path, until
):
    """What hangs there must not delay the end of the daemon: asyncio waits for its threads."""
    pretend_uv()
    begun = tmp_path / "begun"
    planned = trying(f"import time\nopen({str(begun)!r}, 'w').close()\ntime.sleep(600)\n")
    cancelled = threading.Event()
    building = asyncio.create_task(asyncio.to_thread(build, planned, cancelled=cancelled))
    await until(begun.exists)
    cancelled.set()
    with pytest.raises(EnvironmentProblem, match=r"importing .* was cancelled"):
        await asyncio.wait_for(building, 30)
    assert not planned.directory.exists()


def test_what_cannot_be_imported_is_told_with_the_reason(pretend_uv, trying: Callable[[str], Plan]):
    pretend_uv()
    with pytest.raises(EnvironmentProblem, match=r"(?s)cannot be imported .* by this trial"):
        build(trying("raise ImportError('by this trial')\n"))


def test_what_takes_for_ever_is_told(
    pretend_uv, trying: Callable[[str], Plan], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("chronotick.workers.installation._SMOKE_TIMEOUT_S", 0.2)
    pretend_uv()
    with pytest.raises(EnvironmentProblem, match=r"(?s)cannot be imported .* more than 0.2 s"):
        build(trying("import time\ntime.sleep(600)\n"))


@pytest.mark.parametrize(
    ("said", "asked", "words"),
    [
        ("No space left on device (os error 28)", ["--no-index"], "the disk is full"),
        ("Failed to download: Invalid zip file structure", ["--no-index"], "uv gave up"),
        (
            "No solution found: torch was not found",
            ["--no-index", "--torch-backend", ""],
            "no torc",
        ),
    ],
)
def test_torch_is_looked_for_elsewhere_only_if_it_is_not_there(  # noqa: PLR0917
    pretend_uv, toy: ModelSpec, root: Path, tmp_path: Path, said: str, asked: list[str], words: str
):
    calls = tmp_path / "calls"
    pretend_uv(
        f"""
if sys.argv[1] == "pip":
    choices = [word for word in sys.argv if word in ("--no-index", "--torch-backend")]
    open({str(calls)!r}, "a").write("".join(choices) + "\\n")
    sys.exit({said!r})
"""
    )
    assert toy.environment is not None
    heavy = replace(toy, environment=replace(toy.environment, preinstall=("torch==2.13.*",)))
    with pytest.raises(EnvironmentProblem, match=words):
        build(plan(heavy, root, "cpu", Path))
    assert calls.read_text().splitlines() == asked
