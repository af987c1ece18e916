"""What the daemon sees of the plugin: light, well formed, and with its lock."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import chronotick_toto
from chronotick.plugin import load_plugins
from chronotick.workers.recipes import read_lock
from chronotick_toto.plugin import TOTO

PLUGIN = Path(__file__).parents[1]
REPOSITORY = PLUGIN.parents[1]


def test_importing_the_plugin_imports_nothing_heavy():
    program = (
        "import sys, chronotick_toto.plugin\n"
        "print({'torch', 'toto', 'gluonts', 'lightning', 'scipy'} & set(sys.modules))\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"


def test_loader_finds_it_without_problems():
    plugins = load_plugins()
    spec = plugins.find("toto")
    assert spec.environment == TOTO
    assert spec.output == "quantiles"
    assert [problem for problem in plugins.problems if problem.name == "toto"] == []


def test_default_weights_are_pinned_and_licensed():
    checkpoint = load_plugins().find("toto").checkpoint
    assert re.fullmatch(r"[0-9a-f]{40}", checkpoint.revision)
    assert checkpoint.licence == "Apache-2.0"


def test_licences_of_code_and_weights_are_stated():
    notice = (PLUGIN / "NOTICE").read_text(encoding="utf-8")
    for words in ("toto-ts", "Datadog/Toto-Open-Base-1.0", "Apache License"):
        assert words in notice


@pytest.mark.parametrize("kind", ["in", "lock", "overrides", "excludes"])
def test_recipe_is_package_data_and_the_repositorys_own(kind: str):
    packaged = Path(chronotick_toto.__file__).with_name(f"toto.{kind}").read_bytes()
    assert packaged == (REPOSITORY / "envs" / f"toto.{kind}").read_bytes()


def test_lock_holds_what_is_needed_and_nothing_of_what_is_excluded():
    lock = read_lock(TOTO, "toto")
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    excluded = (REPOSITORY / "envs" / "toto.excludes").read_text(encoding="utf-8").split()
    assert {"toto-ts", "huggingface-hub", "safetensors", "setuptools", "scipy"} <= locked
    assert locked.isdisjoint({*excluded, "torch"})
    assert "://" not in lock
