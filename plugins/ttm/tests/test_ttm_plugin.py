"""What the daemon sees of the plugin: light, well formed, and with its lock."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import chronotick_ttm
from chronotick.plugin import load_plugins
from chronotick.workers.recipes import read_lock
from chronotick_ttm.plugin import TTM

PLUGIN = Path(__file__).parents[1]
REPOSITORY = PLUGIN.parents[1]


def test_importing_the_plugin_imports_nothing_heavy():
    program = (
        "import sys, chronotick_ttm.plugin\n"
        "print({'torch', 'transformers', 'tsfm_public', 'pandas'} & set(sys.modules))\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"


def test_loader_finds_it_without_problems():
    plugins = load_plugins()
    spec = plugins.find("ttm")
    assert spec.environment == TTM
    assert spec.output == "point"
    assert [problem for problem in plugins.problems if problem.name == "ttm"] == []


def test_default_weights_are_pinned_and_all_are_licensed_and_ordered_by_size():
    spec = load_plugins().find("ttm")
    assert re.fullmatch(r"[0-9a-f]{40}", spec.checkpoint.revision)
    published = (spec.checkpoint, *spec.alternatives)
    assert {checkpoint.licence for checkpoint in published} == {"Apache-2.0"}
    sizes = [checkpoint.size_mb for checkpoint in spec.alternatives]
    assert sizes == sorted(sizes)


def test_licences_of_code_and_weights_are_stated():
    notice = (PLUGIN / "NOTICE").read_text(encoding="utf-8")
    for words in ("granite-tsfm", "granite-timeseries-ttm-r2", "Apache License"):
        assert words in notice


def test_lock_is_package_data_and_the_repositorys_own():
    lock = read_lock(TTM, "ttm")
    assert lock == (REPOSITORY / "envs" / "ttm.lock").read_text(encoding="utf-8")
    assert "granite-tsfm==0.3.1 " in lock
    assert "transformers==4.38.0 " in lock
    assert re.search(r"^torch==|://", lock, re.MULTILINE) is None
    folder = Path(chronotick_ttm.__file__).parent
    assert (folder / "ttm.in").read_text(encoding="utf-8")
