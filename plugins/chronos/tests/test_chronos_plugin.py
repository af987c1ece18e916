"""What the daemon sees of the plugin: light, well formed, and with its lock."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import chronotick_chronos
from chronotick.plugin import load_plugins
from chronotick.workers.recipes import read_lock
from chronotick_chronos.plugin import CORE_MODELS

REPOSITORY = Path(__file__).parents[3]


def test_importing_the_plugin_imports_nothing_heavy():
    program = (
        "import sys, chronotick_chronos.plugin\n"
        "print({'torch', 'transformers', 'chronos', 'pandas', 'jax'} & set(sys.modules))\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"


def test_loader_finds_it_without_problems():
    plugins = load_plugins()
    assert plugins.find("chronos").environment == CORE_MODELS
    assert [problem for problem in plugins.problems if problem.name == "chronos"] == []


def test_weights_are_pinned_licensed_and_ordered_by_size():
    spec = load_plugins().find("chronos")
    for checkpoint in (spec.checkpoint, *spec.alternatives):
        assert re.fullmatch(r"[0-9a-f]{40}", checkpoint.revision), checkpoint
        assert checkpoint.licence == "Apache-2.0"
    sizes = [checkpoint.size_mb for checkpoint in spec.alternatives]
    assert sizes == sorted(sizes)


def test_lock_is_package_data_and_the_repositorys_own():
    lock = read_lock(CORE_MODELS, "chronos")
    assert lock == (REPOSITORY / "envs" / "core-models.lock").read_text(encoding="utf-8")
    assert "chronos-forecasting==2.3.2 " in lock
    folder = Path(chronotick_chronos.__file__).parent
    assert (folder / "core-models.in").read_text(encoding="utf-8")
