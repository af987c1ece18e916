"""What the daemon sees of the plugin: light, well formed, and with its lock."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import chronotick_time_moe
from chronotick.plugin import load_plugins
from chronotick.workers.recipes import read_lock
from chronotick_time_moe.plugin import TIME_MOE

REPOSITORY = Path(__file__).parents[3]
PLUGIN = Path(__file__).parents[1]


def test_importing_the_plugin_imports_nothing_heavy():
    program = (
        "import sys, chronotick_time_moe.plugin\n"
        "print({'torch', 'transformers', 'sktime', 'pandas'} & set(sys.modules))\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"


def test_loader_finds_it_without_problems():
    plugins = load_plugins()
    assert plugins.find("time-moe").environment == TIME_MOE
    assert plugins.find("time-moe").output == "point"
    assert [problem for problem in plugins.problems if problem.name == "time-moe"] == []


def test_weights_are_pinned_licensed_and_ordered_by_size():
    spec = load_plugins().find("time-moe")
    checkpoints = (spec.checkpoint, *spec.alternatives)
    for checkpoint in checkpoints:
        assert re.fullmatch(r"[0-9a-f]{40}", checkpoint.revision), checkpoint
        assert checkpoint.licence == "Apache-2.0"
    sizes = [checkpoint.size_mb for checkpoint in checkpoints]
    assert sizes == sorted(sizes)


def test_lock_is_package_data_and_the_repositorys_own():
    lock = read_lock(TIME_MOE, "time-moe")
    assert lock == (REPOSITORY / "envs" / "time-moe.lock").read_text(encoding="utf-8")
    folder = Path(chronotick_time_moe.__file__).parent
    assert (folder / "time-moe.in").read_text(encoding="utf-8")


def test_lock_pins_what_the_model_code_was_written_against():
    lock = read_lock(TIME_MOE, "time-moe")
    for requirement in ("transformers==4.40.1", "sktime==1.2.0", "accelerate==0.28.0"):
        assert re.search(rf"^{re.escape(requirement)} ", lock, re.MULTILINE), requirement
    assert not re.search(r"^torch==|https?://", lock, re.MULTILINE)
    assert lock.count("==") == len(re.findall(r"==\S+ \\\n +--hash=sha256:", lock))


def test_nothing_in_it_asks_for_remote_code():
    sources = list((PLUGIN / "src").rglob("*.py"))
    assert sources
    for source in sources:
        assert "trust_remote_code" not in source.read_text(encoding="utf-8"), source


def test_notice_names_the_licences_of_code_and_weights():
    notice = (PLUGIN / "NOTICE").read_text(encoding="utf-8")
    for words in ("Apache License", "BSD", "sktime", "Maple728/TimeMoE-50M"):
        assert words in notice
