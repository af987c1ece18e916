"""The catalogue on ``docs/models.md`` is what the first-party plugins say."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.hub.licences import is_non_commercial
from chronotick.plugin import ModelSpec, load_plugins
from chronotick.plugin.weights import is_shipped

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "models.md").read_text()
FOLDERS = sorted(path.parent.name for path in (ROOT / "plugins").glob("*/pyproject.toml"))


@pytest.fixture(scope="module")
def first_party() -> dict[str, tuple[ModelSpec, str]]:
    plugins = load_plugins()
    names = {f"chronotick-{folder.replace('_', '-')}" for folder in FOLDERS}
    origins = {model: origin.partition(" ")[0] for model, origin in plugins.origins.items()}
    return {
        model: (plugins.find(model), origin) for model, origin in origins.items() if origin in names
    }


def test_every_pretrained_model_has_its_line(first_party: dict[str, tuple[ModelSpec, str]]):
    lines = rows("## The catalogue")
    assert set(lines) == {line_of(*model) for model in first_party.values()}


def test_every_pretrained_model_has_its_cost(first_party: dict[str, tuple[ModelSpec, str]]):
    costs = [line.split("`") for line in rows("## What a model costs here")]
    assert {name for _, name, *_ in costs} == set(first_party)
    for _, name, _, size, *_ in costs:
        spec = first_party[name][0]
        assert size in spec.random_sizes or is_shipped(f"{spec.worker.partition('.')[0]}:{size}")


def rows(title: str) -> list[str]:
    section = PAGE.partition(f"\n{title}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| `")]


def line_of(spec: ModelSpec, package: str) -> str:
    weights = spec.checkpoint
    assert weights is not None
    cells = [
        f"`{spec.name}`",
        f"`{package}`",
        f"`{weights.repository}`",
        f"{weights.size_mb:g} MB",
        weights.licence,
        spec.output,
    ]
    return f"| {' | '.join(cells)} |"


def test_no_default_forbids_commercial_use(first_party: dict[str, tuple[ModelSpec, str]]):
    assert len(first_party) == len(FOLDERS)
    for spec, _package in first_party.values():
        assert spec.checkpoint is not None
        assert not is_non_commercial(spec.checkpoint.licence)
        fixed = is_shipped(spec.checkpoint.repository) or spec.checkpoint.revision
        assert fixed, f"{spec.name}: default weights are pinned"
