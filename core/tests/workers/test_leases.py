"""How a module of ours is run in an environment that does not hold it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.plugin.echo import chronotick_models
from chronotick.workers import Lease, command, provide

SPEAK = """
import json, sys
print(json.dumps([__name__, sys.argv[1:], sys.path[:2], sys.flags.isolated]))
"""


@pytest.fixture
def ours(tmp_path: Path) -> tuple[Path, ...]:
    """Two directories of code: ChronoTick's, and one that a plugin would have."""
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "speaking.py").write_text(SPEAK)
    return (Path(__file__).parents[2] / "src", tmp_path / "plugin")


def said(line: list[str]) -> list[object]:
    environ = os.environ | {"PYTHONPATH": "/somebody/elses"}
    run = subprocess.run(line, capture_output=True, text=True, check=True, env=environ)
    return json.loads(run.stdout)


def test_module_runs_as_main_with_our_paths_first(ours: tuple[Path, ...]):
    line = command(Lease(Path(sys.executable), ours), "speaking", "--", Path("/a b"), "-x")
    assert said(line) == ["__main__", ["--", "/a b", "-x"], [str(path) for path in ours], 1]


def test_script_runs_too(ours: tuple[Path, ...], tmp_path: Path):
    script = tmp_path / "question.py"
    script.write_text("import speaking\n" + SPEAK)
    run = subprocess.run(
        command(Lease(Path(sys.executable), ours), script, "why"),
        capture_output=True,
        text=True,
        check=True,
    )
    module, main = map(json.loads, run.stdout.splitlines())
    assert (module[0], main[0], main[1]) == ("speaking", "__main__", ["why"])


def test_paths_of_other_people_stay_out(ours: tuple[Path, ...], tmp_path: Path):
    script = tmp_path / "question.py"
    script.write_text("import json, sys\nprint(json.dumps(sys.path))\n")
    line = command(Lease(Path(sys.executable), ours), script)
    paths = said(line)
    assert "/somebody/elses" not in paths
    assert str(tmp_path) not in paths
    assert str(ours[0] / "chronotick" / "workers") not in paths


def test_daemons_own_interpreter_runs_our_code_and_plugins_it_would_not_find_isolated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = replace(chronotick_models()[0], worker="loose.worker:Loose")
    lease = provide(spec, tmp_path / "envs", "cpu")
    assert (lease.interpreter, lease.paths[-1]) == (Path(sys.executable), tmp_path)
    line = command(lease, "chronotick.workers.child")
    run = subprocess.run(
        line, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert run.returncode == 6
    assert "started by the daemon" in run.stderr


def test_exit_status_and_traceback_are_the_modules(ours: tuple[Path, ...]):
    line = command(Lease(Path(sys.executable), ours), "absent_module")
    run = subprocess.run(line, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "absent_module" in run.stderr
