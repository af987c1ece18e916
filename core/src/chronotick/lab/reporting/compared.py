"""What a report is made of, and the choices in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import pandas as pd

Target = Literal["truth", "measured"]

BASELINE = "kalman"  # the estimator: what a model must beat to be worth its computer
METRICS = ("mae", "rmse", "sql_drift")
TARGETS: Final[dict[Target, str]] = {
    "truth": "clock error against truth",
    "measured": "forecast of the measured series",
}
SERIES = "series"  # the kind of a trace that is no clock
FEW_HOSTS = 20  # below, a bootstrap over hosts is rough


class ReportError(Exception):
    """Raised when a report or a figure cannot be made; the message says what to do."""


class Compared(Protocol):
    """A finished comparison; ``chronotick.lab.comparing.Comparison`` is one."""

    def parts(
        self, columns: Sequence[str] | None = None, trace: str | None = None
    ) -> Iterable[pd.DataFrame]:
        """One row per window, model and horizon, in frames that need not be large.

        Those of a model on a task follow each other, by origin from frame to frame, and have
        quantiles of point models (:func:`chronotick.lab.scoring.intervals_of_points`).
        """

    @property
    def traces(self) -> Sequence[Mapping[str, Any]]:
        """Traces that were read: ``name``, ``host``, ``path``, ``digest``, ..."""

    @property
    def models(self) -> Mapping[str, Mapping[str, Any]]:
        """Identity of each model; see :mod:`chronotick.lab.reporting.identity` for its keys."""

    @property
    def problems(self) -> Sequence[Any]:
        """Traces left out: mappings or objects with ``path``, ``name`` and ``reason``."""

    @property
    def runs(self) -> Sequence[Mapping[str, Any]]:
        """Runs that made the rows, the newest last: ``command``, ``versions``, ``machine``, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a report shows of a comparison.

    Attributes:
        baseline: the model that others are compared with.
        metrics: metrics of the leaderboards, the first one shown at first.
        target: what forecasts are judged by at first; ``None``: the truth where it is known.
        cluster: what the bootstrap resamples: ``host`` or ``task``.
        bootstrap: resamples behind each interval.
        seed: of the bootstrap.
        deadline_s: time a daemon would wait for a forecast; ``None``: as the newest run states
            (``settings.deadline_s``), or no deadline.
        traces: how many traces can be looked at one by one.
        points: how many points all drawings of errors over time may have together.
        listed: rows of a long table that are shown.
    """

    baseline: str = BASELINE
    metrics: tuple[str, ...] = METRICS
    target: Target | None = None
    cluster: str = "host"
    bootstrap: int = 1000
    seed: int = 123
    deadline_s: float | None = None
    traces: int = 40
    points: int = 120_000
    listed: int = 200
