"""`chronotick plugin check` names what is wrong with a plugin project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.config.schema import Workers
from chronotick.testing.outcomes import Outcome
from chronotick.testing.project import check_project
from chronotick.testing.scaffold import NewPlugin, generate

Edit = Callable[[Path], None]


def replacing(place: str, old: str, new: str) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / place
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return edit


PLUGIN = "src/chronotick_drift/plugin.py"
WORKER = "src/chronotick_drift/worker.py"

FAULTS = {
    "no entry point": (
        replacing("pyproject.toml", "chronotick_model", "other_group"),
        ("chronotick-drift", "entry-point", "groups found: other_group. Add to pyproject.toml"),
    ),
    "heavy import": (
        replacing(PLUGIN, "from chronotick.plugin", "import scipy\nfrom chronotick.plugin"),
        ("chronotick-drift", "light-import", "scipy"),
    ),
    "leaves": (
        replacing(PLUGIN, "from chronotick.plugin", "raise SystemExit\nfrom chronotick.plugin"),
        ("chronotick-drift", "light-import", "ends the process, with status 0"),
    ),
    "bad specification": (
        replacing(PLUGIN, 'output="point"', 'output="points"'),
        ("chronotick-drift", "specification", "output 'points' is none of"),
    ),
    "worker that is not there": (
        replacing(PLUGIN, "worker:Drift", "worker:Drfit"),
        ("drift", "load", "Drfit"),
    ),
    "wrong shape": (
        replacing(WORKER, "np.arange(horizon))", "np.arange(horizon + 1))"),
        ("drift", "contexts", "has shape (1, 17), asked for was (1, 16)"),
    ),
    "crash": (
        replacing(WORKER, "        mean = np", "        import os; os.abort()\n        mean = np"),
        ("drift", "contexts", "SIGABRT"),
    ),
    "random answers": (
        replacing(WORKER, "Forecast(mean=", "Forecast(mean=np.random.normal() +"),
        ("drift", "same-answer", "seed what is random"),
    ),
    "units taken for granted": (
        replacing(WORKER, "Forecast(mean=", "Forecast(mean=1e-6 + "),
        ("drift", "any-scale", "of the context's spread"),
    ),
}


@pytest.mark.environment  # the project is built, with what it needs for that
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault: str, tmp_path: Path):
    edit, (subject, check, words) = FAULTS[fault]
    folder = generate(NewPlugin(name="drift", title="A line"), tmp_path)
    edit(folder)
    failed = [found for found in outcomes_of(folder, tmp_path) if not found.passed]
    assert failed
    first = failed[0]
    assert (first.subject, first.check) == (subject, check)
    assert words in first.failure


def outcomes_of(folder: Path, tmp_path: Path) -> list[Outcome]:
    return list(check_project(folder, Workers(environments=tmp_path / "envs")))


def test_a_folder_without_a_project(tmp_path: Path):
    (only,) = outcomes_of(tmp_path, tmp_path)
    assert only.failure == "there is no pyproject.toml in it"


@pytest.mark.environment
def test_a_project_that_cannot_be_built(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (only,) = outcomes_of(tmp_path, tmp_path)
    assert only.check == "install"
    assert "version" in only.failure
