"""What the daemon sees of the plugin: light, well formed, and with its lock."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import chronotick_timesfm
from chronotick.plugin import load_plugins
from chronotick.workers.recipes import read_lock
from chronotick_timesfm.plugin import CORE_MODELS

REPOSITORY = Path(__file__).parents[3]


def test_importing_the_plugin_imports_nothing_heavy():
    program = (
        "import sys, chronotick_timesfm.plugin\n"
        "print({'torch', 'timesfm', 'timesfm3', 'huggingface_hub', 'jax'} & set(sys.modules))\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"


def test_loader_finds_it_without_problems():
    plugins = load_plugins()
    assert plugins.find("timesfm").environment == CORE_MODELS
    assert [problem for problem in plugins.problems if problem.name == "timesfm"] == []


def test_default_weights_are_free_and_version_3_is_not_a_default():
    spec = load_plugins().find("timesfm")
    assert spec.checkpoint.repository == "google/timesfm-2.5-200m-pytorch"
    assert spec.checkpoint.licence == "Apache-2.0"
    (version3,) = spec.alternatives
    assert version3.licence == "LicenseRef-timesfm-non-commercial-license-v1.0"
    for checkpoint in (spec.checkpoint, version3):
        assert re.fullmatch(r"[0-9a-f]{40}", checkpoint.revision)


def test_lock_is_package_data_and_the_repositorys_own():
    lock = read_lock(CORE_MODELS, "timesfm")
    assert lock == (REPOSITORY / "envs" / "core-models.lock").read_text(encoding="utf-8")
    assert "timesfm==3.0.2 " in lock
    folder = Path(chronotick_timesfm.__file__).parent
    assert (folder / "core-models.in").read_text(encoding="utf-8")


def test_chronos_lives_in_the_same_environment():
    chronos = load_plugins().find("chronos").environment
    assert replace(chronos, package="", smoke_import="") == replace(
        CORE_MODELS, package="", smoke_import=""
    )
    assert read_lock(chronos, "chronos") == read_lock(CORE_MODELS, "timesfm")
