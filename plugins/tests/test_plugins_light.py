"""What the daemon sees of the plugins: light, well formed, licensed, and with their locks."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from chronotick.plugin import ModelSpec, load_plugins
from chronotick.plugin.weights import is_shipped
from chronotick.workers.recipes import read_lock

MODELS = ("chronos", "timesfm", "ttm", "toto", "time-moe")
HEAVY = {
    *("torch", "transformers", "pandas", "jax", "huggingface_hub", "scipy", "lightning"),
    *("chronos", "timesfm", "timesfm3", "tsfm_public", "toto", "gluonts", "sktime"),
}
REPOSITORY = Path(__file__).parents[2]
PINNED = {
    "chronos": ("chronos-forecasting==2.3.2",),
    "timesfm": ("timesfm==3.0.2",),
    "ttm": ("granite-tsfm==0.3.1", "transformers==4.38.0"),
    "toto": ("toto-ts==",),
    "time-moe": ("transformers==4.40.1", "sktime==1.2.0", "accelerate==0.28.0"),
}
NAMED = {
    "chronos": ("chronos-forecasting", "Apache License"),
    "timesfm": ("timesfm", "Apache License"),
    "ttm": ("granite-tsfm", "granite-timeseries-ttm-r2", "Apache License"),
    "toto": ("toto-ts", "Datadog/Toto-Open-Base-1.0", "Apache License"),
    "time-moe": ("sktime", "BSD", "Maple728/TimeMoE-50M", "Apache License"),
}

pytestmark = pytest.mark.parametrize("model", MODELS)


def spec_of(model: str) -> ModelSpec:
    return load_plugins().find(model)


def plugin_of(model: str) -> Path:
    return REPOSITORY / "plugins" / model.replace("-", "_")


def test_importing_the_plugin_imports_nothing_heavy(model: str):
    module = f"{spec_of(model).environment.package}.plugin"
    program = f"import sys, {module}\nprint({HEAVY} & set(sys.modules))\n"
    run = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"


def test_loader_finds_it_without_problems(model: str):
    assert [problem for problem in load_plugins().problems if problem.name == model] == []
    assert spec_of(model).output == ("point" if model in {"ttm", "time-moe"} else "quantiles")


def test_default_weights_are_pinned_free_and_all_are_ordered_by_size(model: str):
    spec = spec_of(model)
    if not is_shipped(spec.checkpoint.repository):
        assert re.fullmatch(r"[0-9a-f]{40}", spec.checkpoint.revision)
    assert spec.checkpoint.licence == "Apache-2.0"
    assert all(checkpoint.licence and checkpoint.revision for checkpoint in spec.alternatives)
    sizes = [checkpoint.size_mb for checkpoint in spec.alternatives]
    assert sizes == sorted(sizes)


def test_licences_of_code_and_weights_are_stated(model: str):
    notice = (plugin_of(model) / "NOTICE").read_text(encoding="utf-8")
    for words in NAMED[model]:
        assert words in notice
    assert (plugin_of(model) / "LICENSE").readlink() == Path("../../LICENSE")


def test_recipe_is_package_data_and_the_repositorys_own(model: str):
    environment = spec_of(model).environment
    packaged = [
        file
        for file in files(environment.package).iterdir()
        if file.name.startswith(f"{environment.recipe}.")
    ]
    assert {f"{environment.recipe}.in", f"{environment.recipe}.lock"} <= {f.name for f in packaged}
    for file in packaged:
        assert file.read_bytes() == (REPOSITORY / "envs" / file.name).read_bytes()


def test_lock_pins_what_the_model_was_written_against(model: str):
    """By hash; torch, whose build depends on the machine, is not in it."""
    lock = read_lock(spec_of(model).environment, model)
    for requirement in PINNED[model]:
        assert re.search(rf"^{re.escape(requirement)}", lock, re.MULTILINE), requirement
    assert not re.search(r"^torch==|://", lock, re.MULTILINE)
    assert lock.count("==") == len(re.findall(r"==\S+ \\\n +--hash=sha256:", lock))


def test_nothing_in_it_asks_for_remote_code(model: str):
    sources = list((plugin_of(model) / "src").rglob("*.py"))
    assert sources
    for source in sources:
        assert "trust_remote_code" not in source.read_text(encoding="utf-8"), source
