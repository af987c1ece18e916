"""A comparison as the runner leaves it, made by a seeded generator."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chronotick.lab.reporting.findings import Findings, find
from chronotick.lab.reporting.page import page
from chronotick.lab.scoring import intervals_of_points

LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
NORMAL = (-1.96, -1.2816, -0.8416, -0.5244, -0.2533, 0.0, 0.2533, 0.5244, 0.8416, 1.2816, 1.96)
HORIZONS_S = (64.0, 256.0, 1024.0, 3600.0)
HOSTILE = "<script>alert(1)</script>"
# How much of what comes a model foresees, its own noise, and how honest its intervals are; no
# honesty: a point model. Latency in s.
MODELS: dict[str, tuple[float, float, float | None, float]] = {
    "naive": (0.0, 0.1, None, 2e-6),
    "drift": (0.3, 0.45, None, 3e-6),
    "hold": (0.25, 0.2, 1.4, 2e-5),
    "line": (0.4, 0.35, 1.0, 4e-5),
    "kalman": (0.5, 0.2, 1.05, 1e-4),
    "chronos": (0.58, 0.2, 0.9, 0.045),
    "timesfm": (0.5, 0.25, 0.7, 0.11),
    "ttm": (0.45, 0.3, 0.6, 0.006),
    "toto": (0.5, 0.2, 1.0, 0.3),
}
CHROMIUM_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    "--virtual-time-budget=20000",
)
SILENT, FAULTY, TRAINED = "toto", "timesfm", "chronos"


@dataclass
class FakeComparison:
    """Has the attributes of ``chronotick.lab.comparing.Comparison`` that reports read."""

    rows: pd.DataFrame
    traces: list[dict[str, Any]]
    models: dict[str, dict[str, Any]]
    problems: list[dict[str, str]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)

    def parts(
        self, columns: Sequence[str] | None = None, trace: str | None = None
    ) -> Iterator[pd.DataFrame]:
        if not len(self.rows):
            return
        rows = self._filled if trace is None else self._filled[self._filled["trace"] == trace]
        for _trace, part in rows.groupby("trace", sort=False):
            yield part if columns is None else part[list(columns)]

    @cached_property
    def _filled(self) -> pd.DataFrame:
        return intervals_of_points(self.rows)


MakeComparison = Callable[..., FakeComparison]


@pytest.fixture(scope="session")
def make_comparison() -> MakeComparison:
    """Make comparisons: ``windows`` per trace, other ``names`` of traces, a ``seed``."""
    return _comparison


@pytest.fixture(scope="session")
def comparison() -> FakeComparison:
    """Six hosts, eight traces, nine models; read only."""
    return _comparison()


@pytest.fixture(scope="session")
def findings(comparison: FakeComparison) -> Findings:
    """What the report of that comparison says."""
    return find(comparison)


@pytest.fixture(scope="session")
def html(findings: Findings) -> str:
    """The report of that comparison."""
    return page(findings)


Render = Callable[[str], str]


@pytest.fixture
def chromium() -> str:
    """A Chromium; skipped where there is none, but not under CI."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        reason = "no Chromium. Install it: apt install chromium"
        if os.environ.get("CI"):
            pytest.fail(f"{reason} (CI is set: skipping is not allowed)")
        pytest.skip(reason)
    return found


@pytest.fixture
def render(chromium: str, tmp_path: Path) -> Render:
    """Open a page headless and return its DOM when its scripts have run."""

    def rendered(text: str) -> str:
        file = tmp_path / "page.html"
        file.write_text(text, encoding="utf-8")
        command = [chromium, *CHROMIUM_OPTIONS, f"--user-data-dir={tmp_path / 'profile'}"]
        done = subprocess.run(
            [*command, "--dump-dom", file.as_uri()], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return rendered


def _comparison(
    windows: int = 60, seed: int = 7, first: str = HOSTILE, hosts: int = 6, traces: int = 8
) -> FakeComparison:
    rng = np.random.default_rng(seed)
    told = [_trace(number, first, hosts, traces) for number in range(traces)]
    frames = [
        frame
        for trace in told
        for horizon_s in HORIZONS_S
        for frame in _task(rng, trace, horizon_s, windows)
    ]
    return FakeComparison(
        rows=pd.concat(frames, ignore_index=True),
        traces=told,
        models={name: _identity(name) for name in MODELS},
        problems=[
            {
                "path": "traces/short.csv",
                "name": "short",
                "reason": "lasts 300 s; the warm-up takes 7200 s",
            },
            {
                "path": "traces/<b>.csv",
                "name": "<b>",
                "reason": "line 12: 'fast' is no number of seconds",
            },
        ],
        runs=[_run()],
    )


def _trace(number: int, first: str, hosts: int, traces: int) -> dict[str, Any]:
    series = number == traces - 1
    return {
        "name": first if number == 0 else f"trace-{number}",
        "host": f"host-{number % hosts}",
        "kind": "series" if series else "clock",
        "unit": "MW" if series else "s",
        "cadence_s": 16.0,
        "path": f"traces/trace-{number}.csv.gz",
        "digest": f"{number:064x}",
        "truth": number < traces - 2,
        "notes": ["3 rows left out: offset_s is empty or NaN"] if number == 2 else [],
    }


def _task(
    rng: np.random.Generator, trace: dict[str, Any], horizon_s: float, windows: int
) -> list[pd.DataFrame]:
    scale = 5e-6 * (horizon_s / 64.0) ** 0.7 * rng.uniform(0.5, 2.0)
    if trace["kind"] == "series":
        scale *= 1e6
    moved = scale * (0.3 * np.sin(np.arange(windows) / 9) + rng.standard_normal(windows))
    last = np.cumsum(rng.standard_normal(windows)) * scale + 1e-3
    truth = last + moved if trace["truth"] else np.full(windows, np.nan)
    measured = last + moved + 0.1 * scale * rng.standard_normal(windows)
    measured[rng.random(windows) < 0.05] = np.nan
    origin_s = 1.7e9 + 7200.0 + 900.0 * np.arange(windows)
    common = {
        "trace": trace["name"],
        "host": trace["host"],
        "kind": trace["kind"],
        "unit": trace["unit"],
        "horizon_s": horizon_s,
        "step_s": 16.0,
        "context": 512,
        "origin_s": origin_s,
        "target_s": origin_s + horizon_s,
        "last": last,
        "measured": measured,
        "truth": truth,
        "scale": scale * 1.6,
        "low": last - 6 * scale,
        "high": last + 6 * scale,
    }
    return [_forecasts(rng, name, pd.DataFrame(common), moved, scale) for name in MODELS]


def _forecasts(
    rng: np.random.Generator, name: str, common: pd.DataFrame, moved: np.ndarray, scale: float
) -> pd.DataFrame:
    foresight, noise, honesty, latency_s = MODELS[name]
    windows = len(common)
    skill = foresight + 0.1 * rng.standard_normal()
    made = common["last"] + skill * moved + noise * scale * rng.standard_normal(windows)
    failed = np.zeros(windows, dtype=bool)
    if name == SILENT:
        failed[:] = True
    if name == FAULTY and common["horizon_s"].iloc[0] == HORIZONS_S[-1]:
        failed[::11] = common["trace"].iloc[0] in {"trace-1", "trace-3"}
    error = scale * np.hypot(1 - skill, noise)
    latency = latency_s * np.exp(0.2 * rng.standard_normal(windows))
    alone = np.where(np.arange(windows) % 5 == 0, latency * 1.8, np.nan)
    frame = common.assign(
        job=f"{name}-{common['trace'].iloc[0]}",
        model=name,
        forecast=np.where(failed, np.nan, made),
        latency_s=latency,
        alone_s=np.where(failed, np.nan, alone),
        status=np.where(failed, _reason(name), "ok"),
    )
    for level, place in zip(LEVELS, NORMAL, strict=True):
        stated = np.nan if honesty is None else made + honesty * error * place
        frame[f"q{level:g}"] = np.where(failed, np.nan, stated)
    return frame


def _reason(name: str) -> str:
    if name == SILENT:
        return "the worker ended: environment not built. Run: chronotick envs sync toto"
    return "no answer within 2 s <timeout>"


def _identity(name: str) -> dict[str, Any]:
    own = MODELS[name][3] < 1e-3
    return {
        "model": name,
        "plugin": "chronotick" if own else f"chronotick-{name}",
        "version": "0.1.0",
        "environment": "" if own else f"{name}-2f61c0de",
        "weights": "" if own else f"org/{name}-tiny@8b1f",
        "weights_sha256": "" if own else "ab" * 32,
        "device": "cpu",
        "threads": 1,
        "peak_memory_bytes": None if own else 8.2e8,
        "trained_on": ["trace-3"] if name == TRAINED else [],
        "licence": "Apache-2.0",
    }


def _run() -> dict[str, Any]:
    return {
        "command": [
            "chronotick",
            "compare",
            "--models",
            "kalman,chronos",
            "--traces",
            "traces/*.csv*",
        ],
        "started": "2025-11-20T08:00:00Z",
        "interrupted": False,
        "jobs": [["kalman", "0" * 32]],
        "ended": "2025-11-20T08:07:31Z",
        "versions": {"chronotick": "0.1.0", "numpy": "2.1.0", "python": "3.11.7"},
        "commit": "a5af64a",
        "machine": {"cpu": "2 cores", "system": "Linux 6.1"},
        "settings": {
            "horizons_s": list(HORIZONS_S),
            "context": 512,
            "deadline_s": 0.1,
            "seed": 123,
        },
    }
