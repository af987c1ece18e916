"""The pages for authors say what the code does."""

from __future__ import annotations

import re
import runpy
import textwrap
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import chronotick.plugin
import chronotick.testing
from chronotick.config.schema import Workers
from chronotick.plugin import ContextBatch, ModelSpec, check_forecast
from chronotick.plugin.echo import _SWITCHES
from chronotick.testing import CHECKS, loaded
from chronotick.testing.installed import lay_out
from chronotick.testing.scaffold import NewPlugin, generate
from chronotick.workers.messages import MESSAGES

DOCS = Path(__file__).parents[3] / "docs"
PLUGINS = (DOCS / "plugins.md").read_text(encoding="utf-8")
REFERENCE = (DOCS / "plugin-reference.md").read_text(encoding="utf-8")
TUTORIAL = (DOCS / "plugin-tutorial.md").read_text(encoding="utf-8")
PROTOCOL = (DOCS / "protocol.md").read_text(encoding="utf-8")


def test_shortest_plugin_works_as_printed():
    block = PLUGINS.split("# my_model.py\n")[1].split("\n## ")[0]
    namespace: dict[str, object] = {"__name__": "json"}  # a module that can be found
    exec(textwrap.dedent(block), namespace)  # noqa: S102 - the page's own code
    (spec,) = namespace["chronotick_models"]()
    assert len(block.strip().splitlines()) < 20
    values = np.array([[1.0, 2.0, np.nan]])
    model = namespace[spec.worker.split(":")[1]]()
    model.load("", "cpu", 1)
    batch = ContextBatch(values=values, noise=values, step_s=1.0, trend_covariance=np.zeros((1, 4)))
    assert check_forecast(model.forecast(batch, 3, ()), 1, 3, 0).mean.tolist() == [[2.0] * 3]


def test_every_switch_of_echo_is_on_the_page():
    assert [name for name in sorted(_SWITCHES) if f"`{name}" not in PLUGINS] == []


@pytest.mark.parametrize("package", [chronotick.plugin, chronotick.testing])
def test_every_public_name_is_in_the_reference(package: ModuleType):
    documented = re.findall(
        rf":: {re.escape(package.__name__)}\.(?:\w+\.)*(\w+)$", REFERENCE, re.MULTILINE
    )
    assert sorted(set(package.__all__) - set(documented)) == []


def test_help_for_model_classes_is_in_the_reference():
    for module, names in {
        "gaps": ("unbroken",),
        "covariates": ("past_covariates",),
        "scaling": ("standardise",),
        "weights": ("locate",),
    }.items():
        members = REFERENCE.split(f".. automodule:: chronotick.plugin.{module}\n")[1].split("\n")[0]
        assert [name for name in names if name not in members] == []


def test_the_model_of_the_tutorial_passes_the_checks(
    chronotick_workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The package is generated and its worker replaced, as the page tells its readers to do."""
    folder = generate(NewPlugin(name="damped", title="A slope that dies away"), tmp_path)
    code, test = re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)
    name = "test_what_is_special_to_this_model"
    (tests,) = (folder / "tests").glob("test_*.py")
    assert f"def {name}(model)" in tests.read_text()  # what the page has replaced
    namespace = {"np": np}
    exec(test, namespace)  # noqa: S102 - the page's own code
    worker = folder / "src" / "chronotick_damped" / "worker.py"
    assert "class Damped" in worker.read_text()  # what the generated specification names
    worker.write_text(code)
    spec = _specification(worker.with_name("plugin.py"))
    site = tmp_path / "site"
    sources = (folder / "src").rglob("*.py")
    files = {str(path.relative_to(folder / "src")): path.read_text() for path in sources}
    lay_out(site, "chronotick-damped", files)
    monkeypatch.syspath_prepend(str(site))
    with loaded(spec, chronotick_workers) as model:
        namespace[name](model)
        for check in CHECKS:
            model.check(check)


def _specification(plugin: Path) -> ModelSpec:
    namespace = runpy.run_path(str(plugin))
    (spec,) = namespace["chronotick_models"]()
    return spec


def test_every_message_is_on_the_page_with_its_fields():
    for message in MESSAGES:
        row = next(line for line in PROTOCOL.splitlines() if line.startswith(f"| `{message.TAG}`"))
        missing = [name for name in message.__dataclass_fields__ if f"`{name}`" not in row]
        assert [name for name in missing if name != "TAG"] == []
