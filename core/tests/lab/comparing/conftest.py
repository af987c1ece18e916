"""Real traces, real models in real workers; the faulty ones are told by switches when to fail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chronotick.config.schema import Workers
from chronotick.lab import Polling, Simulation, write
from chronotick.lab.comparing import (
    Comparison,
    Origins,
    Preparation,
    Settings,
    compare_traces,
)
from chronotick.lab.comparing.jobs import unload
from chronotick.lab.traces import Trace, Traces, read_traces
from chronotick.models import builtin
from chronotick.plugin import echo
from chronotick.plugin.contract import CURRENT_INTERPRETER, ModelSpec
from chronotick.plugin.registry import Plugins

HOURS_3 = 3 * 3600.0

PICKY = '''
"""A model that fails on windows whose newest value is above a limit: ``raise@1e-6``.

While a file named ``calm`` lies beside this one it likes all windows.
"""

import os
import signal
from pathlib import Path

from chronotick.plugin.echo import Echo, _last_measured


class Picky(Echo):
    def load(self, checkpoint, device, threads):
        self.how, _, limit = checkpoint.partition("@")
        self.limit = float(limit)
        return super().load("", device, threads)

    def forecast(self, batch, horizon, quantiles):
        is_calm = Path(__file__).with_name("calm").exists()
        if not is_calm and (_last_measured(batch.values) > self.limit).any():
            if self.how == "abort":
                os.abort()
            if self.how == "kill":  # as the kernel does for want of memory
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("picky: I do not like one of these")
        return super().forecast(batch, horizon, quantiles)


class Short(Echo):
    """Forecasts five steps and no more, of eight samples at most."""

    def load(self, checkpoint, device, threads):
        info = super().load("", device, threads)
        return type(info)(checkpoint="", device="cpu", max_context=8, max_horizon=5)

    def forecast(self, batch, horizon, quantiles):
        if horizon > 5 or batch.values.shape[1] > 8:
            raise RuntimeError(f"short: {horizon} steps of {batch.values.shape[1]} samples")
        return super().forecast(batch, horizon, quantiles)


class Narrow(Echo):
    """Has no memory for more than four windows at once."""

    def forecast(self, batch, horizon, quantiles):
        if len(batch.values) > 4:
            raise MemoryError(f"narrow: {len(batch.values)} windows")
        return super().forecast(batch, horizon, quantiles)
'''


def write_world(name: str, directory: Path, *, seed: int, servers: int = 2) -> None:
    """Three hours of a simulated host that asks every 64 s."""
    named = Simulation.named(name, servers=servers, seed=seed)
    short = {"duration_s": HOURS_3, "polling": Polling(interval_s=64.0)}
    write(named.model_copy(update=short), directory)


def write_series(
    path: Path, values: np.ndarray, *, cadence_s: float = 60.0, **more: object
) -> Path:
    """A table of a series that begins at 1 000 000 s."""
    times = 1e6 + cadence_s * np.arange(len(values))
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"t_s": times, "y": values, **more}).to_csv(path, index=False)
    return path


def wavy(count: int = 240, seed: int = 5) -> np.ndarray:
    """Something with a season of 24 samples."""
    noise = np.random.default_rng(seed).normal(0, 5, count)
    return 500 + 100 * np.sin(2 * np.pi * np.arange(count) / 24) + noise


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders ``calm`` and ``wild``, of a simulated host each."""
    root = tmp_path_factory.mktemp("worlds")
    write_world("dc-calm", root / "calm", seed=2, servers=1)
    write_world("wan-hvac", root / "wild", seed=1)
    return root


@pytest.fixture(scope="session")
def clocks(worlds: Path) -> Traces:
    return read_traces([str(worlds)])


@pytest.fixture(scope="session")
def calm(clocks: Traces) -> Trace:
    return clocks.traces[0]


@pytest.fixture(scope="session")
def wild(clocks: Traces) -> Trace:
    return clocks.traces[1]


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    path = write_series(tmp_path_factory.mktemp("series") / "power.csv", wavy())
    return read_traces([str(path)], unit="MW", season_s=24 * 60.0).traces[0]


@pytest.fixture(scope="session")
def picky_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make the module ``picky_model`` importable, in workers too; the folder it is in."""
    folder = tmp_path_factory.mktemp("picky")
    (folder / "picky_model.py").write_text(PICKY)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture
def calm_down(picky_module: Path) -> Iterator[Callable[[], None]]:
    """Make the picky model like all windows, from now on to the end of the test."""
    flag = picky_module / "calm"
    yield flag.touch
    flag.unlink(missing_ok=True)


def specification(name: str, worker: str, **more: object) -> ModelSpec:
    return ModelSpec(
        name=name,
        title=name,
        worker=worker,
        licence="MIT",
        output="quantiles",
        environment=CURRENT_INTERPRETER,
        **more,
    )


def plugins_of(*more: ModelSpec, origin: str = "chronotick 0") -> Plugins:
    """ChronoTick's own models, the echo model, and others."""
    own = (*builtin.chronotick_models(), *echo.chronotick_models())
    origins = dict.fromkeys((each.name for each in own), "chronotick 0")
    origins |= dict.fromkeys((each.name for each in more), origin)
    return Plugins(models={each.name: each for each in (*own, *more)}, origins=origins)


@pytest.fixture(scope="session")
def plugins(picky_module: None) -> Plugins:
    return plugins_of(
        specification("picky", "picky_model:Picky"),
        specification("short", "picky_model:Short"),
        specification("narrow", "picky_model:Narrow"),
        specification("gone", "picky_model:NoSuchModel"),
        specification("fussy", "chronotick.plugin.echo:Echo", min_context=80),
    )


def settings(
    horizons_s: tuple[float, ...] = (128.0, 256.0),
    *,
    context: int = 32,
    windows: int = 12,
    warm_up_s: float = 3600.0,
    checkpoints: Mapping[str, str] | None = None,
    **more: object,
) -> Settings:
    """Settings of a small comparison of clocks."""
    origins = Origins(warm_up_s=warm_up_s, windows=windows)
    return Settings(
        preparation=Preparation(horizons_s=horizons_s, context=context, origins=origins),
        workers=Workers(checkpoints=dict(checkpoints or {})),
        **more,
    )


@dataclass
class Comparing:
    """Compares in threads: processes that make windows would take seconds to start."""

    plugins: Plugins
    out: Path

    def __call__(self, models: str, *traces: Trace, **more: object) -> Comparison:
        with ThreadPoolExecutor(2) as executor:
            return compare_traces(
                models.split(),
                Traces(traces, ()),
                settings(**more),
                self.out,
                executor=executor,
                plugins=self.plugins,
            )

    def stamps(self) -> dict[str, int]:
        """When each file of rows was written, by its path."""
        rows = self.out / "rows"
        return {
            str(path.relative_to(rows)): path.stat().st_mtime_ns
            for path in rows.glob("*/*.parquet")
        }


@pytest.fixture(scope="session")
def known_windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where windows are kept from test to test: their names are their content."""
    return tmp_path_factory.mktemp("windows")


def results_with(windows: Path, out: Path) -> Path:
    out.mkdir()
    (out / "windows").symlink_to(windows)
    return out


@pytest.fixture
def compare(plugins: Plugins, tmp_path: Path, known_windows: Path) -> Iterator[Comparing]:
    yield Comparing(plugins, results_with(known_windows, tmp_path / "out"))
    unload()


@pytest.fixture(scope="session")
def compared(
    plugins: Plugins, clocks: Traces, known_windows: Path, tmp_path_factory: pytest.TempPathFactory
) -> Comparison:
    """Yardsticks and the echo model on both worlds; read only."""
    out = results_with(known_windows, tmp_path_factory.mktemp("compared") / "out")
    return Comparing(plugins, out)("echo", *clocks.traces)


@pytest.fixture
def series_of(tmp_path: Path) -> Callable[..., Trace]:
    """Make the trace of a series of values."""

    def make(values: Sequence[float] | np.ndarray, name: str = "s", **reading: object) -> Trace:
        given = {key: reading.pop(key) for key in ("cadence_s", "truth") if key in reading}
        path = write_series(tmp_path / "traces" / f"{name}.csv", np.asarray(values), **given)
        found = read_traces([str(path)], **reading)
        assert not found.problems
        return found.traces[0]

    return make


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    return settings


@pytest.fixture
def wave() -> np.ndarray:
    return wavy()


@pytest.fixture
def spec_of() -> Callable[..., ModelSpec]:
    return specification


@pytest.fixture
def make_plugins() -> Callable[..., Plugins]:
    return plugins_of
