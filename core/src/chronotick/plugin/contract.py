"""What a model plugin is: the values it is described by, fed with and answers with.

Standard library and numpy only: this module is imported in the daemon *and* in every worker
environment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Output = Literal["quantiles", "samples", "point"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Weights a model loads unless told otherwise.

    Attributes:
        repository: hub identifier, e.g. ``"amazon/chronos-bolt-tiny"``; or ``package:directory``
            for weights in the data of the plugin's package, ``weights/<directory>``, which need no
            network.
        revision: commit of the repository, or ``None`` for its main branch.
        licence: SPDX identifier of the *weights*.
        size_mb: download size, for people who are asked whether to download.
        memory_mb: peak resident memory of a worker with them on a CPU, in MiB, as
            ``chronotick models bench`` measures it.
    """

    repository: str
    licence: str
    revision: str | None = None
    size_mb: float | None = None
    memory_mb: float | None = None

    @property
    def identifier(self) -> str:
        """What ``load`` is given: ``org/name@revision``, or ``org/name`` without a revision."""
        return f"{self.repository}@{self.revision}" if self.revision else self.repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The Python environment a model's worker runs in.

    Attributes:
        recipe: name shared by all models that can live in one environment, e.g. ``core-models``.
        package: importable package whose data holds ``<recipe>.in`` and ``<recipe>.lock``.
        python: version range (PEP 440), e.g. ``">=3.10,<3.14"``.
        preinstall: requirements outside the hashed lock, installed first (torch, whose build
            depends on the machine).
        smoke_import: module whose import proves that the environment works.

    :data:`CURRENT_INTERPRETER`, whose recipe is empty, asks for a process of its own on the
    daemon's own interpreter: isolation without an environment, for models that need nothing
    but numpy.
    """

    recipe: str
    package: str
    python: str
    preinstall: tuple[str, ...] = ()
    smoke_import: str = ""


CURRENT_INTERPRETER = Environment(recipe="", package="", python="")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model, described without importing it.

    Attributes:
        name: what users write in ``--models``; lower case, digits and hyphens.
        title: one line for people.
        worker: where the model class lives, ``"package.module:Class"``.
        licence: SPDX identifier of the *code*.
        output: what the model gives by itself. From ``"point"`` models the core makes quantiles
            out of their own measured errors.
        environment: recipe of the worker's environment; ``None``: the daemon's own interpreter has
            all it needs (a worker all the same, except for ChronoTick's built-in models).
        checkpoint: default weights; ``None`` for models without weights.
        alternatives: other weights it is known to load, smallest first.
        random_weights: where a function writes a checkpoint of the real architecture with random
            weights, ``"package.module:function"``, called in the worker's environment with a
            directory (``pathlib.Path``) and one of ``random_sizes``; empty: there is none.
        random_sizes: names of the sizes that function knows, the smallest first.
        trainer: class that ``chronotick lab train`` trains weights with in the worker's
            environment, ``"package.module:Class"``; empty: there is none.
        min_context: how many measured samples it needs at least.
        max_context: how many samples it can use at most.
        max_horizon: how many steps ahead it can forecast.
        covariates: names of the covariates it uses; ``("*",)``: all there are.
        trained_on: data sets it has seen; comparisons flag them.
    """

    name: str
    title: str
    worker: str
    licence: str
    output: Output
    environment: Environment | None = None
    checkpoint: Checkpoint | None = None
    alternatives: tuple[Checkpoint, ...] = ()
    random_weights: str = ""
    random_sizes: tuple[str, ...] = ()
    trainer: str = ""
    min_context: int = 1
    max_context: int = 8192
    max_horizon: int = 1024
    covariates: tuple[str, ...] = ()
    trained_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextBatch:
    """Evenly sampled *measurements*, never forecasts: what a model may know.

    Attributes:
        values: ``[series, length]`` residual offset in seconds (true time minus the estimator's
            trend), oldest first; NaN where a step holds no measurement.
        noise: ``[series, length]`` standard uncertainty of each value in seconds, NaN where
            ``values`` is.
        step_s: sampling step in seconds. The first forecast step is one step after the last value.
        trend_covariance: ``[series, 4]`` of the trend that was removed, at the last step: variance
            of offset (s²), covariance of offset and frequency (s), variance of frequency
            (dimensionless), and wander (variance of frequency gained per second, 1/s).
        covariates: name to ``[series, length]``, aligned with ``values``.
        expected: ``[series, steps]`` what the estimator expects of the residual at the steps that
            follow, in seconds: it may know of a curve that leaves the trend. As many steps as
            whoever asks tells of; none at all: nothing is told.
        expected_sigma: ``[series, steps]`` the standard uncertainty it gives that, in seconds.
    """

    values: NDArray[np.float64]
    noise: NDArray[np.float64]
    step_s: float
    trend_covariance: NDArray[np.float64]
    covariates: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    expected: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    expected_sigma: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A model's answer.

    Attributes:
        mean: ``[series, horizon]`` central forecast in seconds (mean or median, as the model has).
        quantiles: ``[series, horizon, quantile]`` at the levels asked for, in seconds, ascending
            along the last axis; ``None`` from models whose output is ``"point"``.
    """

    mean: NDArray[np.float64]
    quantiles: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What a model says of itself once it is loaded.

    Attributes:
        checkpoint: what was really loaded: hub id and revision, or a directory.
        device: ``"cpu"`` or ``"cuda:0"``.
        max_context: samples the loaded weights can use at most.
        max_horizon: steps they can forecast at most.
        parameters: number of weights.
    """

    checkpoint: str
    device: str
    max_context: int
    max_horizon: int
    parameters: int = 0


class Model(Protocol):
    """The class a specification's ``worker`` names. Small and synchronous.

    It is made without arguments. In a worker all three methods run on one thread.
    """

    def load(self, checkpoint: str, device: str, threads: int) -> ModelInfo:
        """Load weights from a hub id (``org/name[@revision]``), a directory or a plugin's package.

        Args:
            checkpoint: empty for models without weights.
            device: ``"auto"``, ``"cpu"`` or ``"cuda[:n]"``.
            threads: how many CPU threads may be used.

        Raises:
            FileNotFoundError: the weights are neither there nor cached nor to be had; the message
                says where it looked.
            ValueError: they are damaged, incomplete or of another architecture. Like missing ones
                they are tried again after minutes only; any other error is, soon.
        """

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        """Forecast ``horizon`` steps after the last value of each series."""

    def close(self) -> None:
        """Release what ``load`` took."""
