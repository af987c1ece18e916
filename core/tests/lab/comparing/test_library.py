"""``chronotick.lab.compare`` in a notebook: the user's configuration, and no log in between."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from chronotick.config import ConfigError
from chronotick.lab.comparing import PlaceError, compare
from chronotick.lab.comparing.remarks import remarks
from chronotick.lab.comparing.settings import configured
from chronotick.lab.scoring import ScoringError
from chronotick.plugin.registry import Plugins

NOTEBOOK = """
import sys
from concurrent.futures import ThreadPoolExecutor
from chronotick.lab import compare
with ThreadPoolExecutor(2) as executor:
    compared = compare(["echo"], sys.argv[1], sys.argv[2], horizons_s=(60.0,), executor=executor)
assert (compared.rows.query("model == 'echo'")["status"] != "ok").all()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's configuration is: the echo model dies of each question."""
    monkeypatch.delenv("CHRONOTICK_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    file = tmp_path / "config" / "chronotick" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(
        "workers: {offline: true, checkpoints: {echo: crash-on-forecast}}\n"
        "clock: {max_drift_ppm: 7}\n"
    )
    return file


def test_the_user_s_configuration_counts_without_settings(home: Path):
    """It read none: environments and weights were others than the command's."""
    settings = configured((60.0, 120.0))
    assert settings.workers.offline
    assert settings.workers.checkpoints == {"echo": "crash-on-forecast"}
    assert settings.preparation.horizons_s == (60.0, 120.0)
    assert settings.preparation.clock.max_drift_ppm == 7


def test_a_wrong_configuration_is_told(home: Path, tmp_path: Path):
    home.write_text("workers: {ofline: true}\n")
    with pytest.raises(ConfigError, match="ofline"):
        compare([], str(tmp_path / "none.csv"), tmp_path / "out")


def test_workers_that_are_started_again_print_nothing(home: Path, series_of, tmp_path: Path):
    """A line for each restart came between a notebook's own."""
    trace = series_of(10 + np.sin(np.arange(200) / 7))
    command = [sys.executable, "-c", NOTEBOOK, trace.path, str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (run,) = json.loads((tmp_path / "out" / "run.json").read_text())["runs"]
    assert run["models"]["echo"]["weights"] == "crash-on-forecast"


def test_results_do_not_go_where_traces_are_looked_for(series_of, tmp_path: Path, plugins: Plugins):
    trace = series_of(10 + np.sin(np.arange(200) / 7))
    folder = Path(trace.path).parent
    for patterns in (str(folder), [trace.path], f"{folder}/*.csv"):
        with pytest.raises(PlaceError, match="the traces are there"):
            compare([], patterns, folder, plugins=plugins)
    with pytest.raises(PlaceError, match="is a file"):
        compare([], trace.path, trace.path, plugins=plugins)
    with ThreadPoolExecutor(1) as executor:
        compared = compare(
            *([], str(folder), folder / "results"),
            horizons_s=(60.0,),
            executor=executor,
            plugins=plugins,
        )
    assert len(compared.traces) == 1


SCRIPT = """
import sys
from chronotick.lab import compare

compare([], sys.argv[1], sys.argv[2], horizons_s=(60.0,))
"""


def test_a_script_without_a_guard_is_told_what_it_lacks(series_of, tmp_path: Path):
    trace = series_of(10 + np.sin(np.arange(200) / 7))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), trace.path, str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Call it below `if __name__ == '__main__':`" in done.stderr
    assert "nothing was computed: " in done.stderr


def test_a_comparison_shows_itself_in_notebooks(series_of, tmp_path: Path, plugins: Plugins):
    trace = series_of(10 + np.sin(np.arange(200) / 7))
    with ThreadPoolExecutor(1) as executor:
        settings = {"horizons_s": (60.0,), "executor": executor, "plugins": plugins}
        compared = compare([], trace.path, tmp_path / "out", **settings)
    assert repr(compared) == f"Comparison('{tmp_path}/out')"
    assert "<td>" in compared._repr_html_()
    assert "plot_skill" in dir(compared)
    with pytest.raises(ScoringError, match="cannot be compared by 'nonsense', but by mae, rmse"):
        compared.leaderboard("nonsense")


def test_what_is_not_in_the_table_is_said(series_of, tmp_path: Path, plugins: Plugins):
    wave = 10 + np.sin(np.arange(200) / 7)
    known = series_of(wave, "known", truth=wave)
    unknown = series_of(wave + 1, "unknown")
    with ThreadPoolExecutor(1) as executor:
        settings = {"horizons_s": (60.0, 864_000.0), "executor": executor, "plugins": plugins}
        compared = compare([], [known.path, unknown.path], tmp_path / "out", **settings)
    about_truth, about_length = remarks(compared, "truth")
    assert about_truth.startswith("the truth of unknown is not known: not in this table")
    assert about_length == "no trace is long enough to judge forecasts at 864000 s"
    assert [*remarks(compared, "measured")] == [about_length]
    next(compared.directory.glob("rows/naive/*.parquet")).unlink()
    pending = next(remarks(compared, "measured"))
    assert "has no rows yet" in pending
