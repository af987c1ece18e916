"""What a bootstrap draws: hosts, each with all its tasks, or single tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from chronotick.lab.counting import often
from chronotick.lab.scoring.columns import Codes, Floats
from chronotick.lab.scoring.errors import ScoringError
from chronotick.lab.scoring.resampling import METHODS, Method, Resampled, Statistic, resampled

Cluster = Literal["host", "task"]

CLUSTERS: Final = ("host", "task")
FEW_HOSTS: Final = 20  # below, intervals hold clearly less often than they promise


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """How tasks are resampled; the same for every statistic of a comparison.

    Attributes:
        hosts: of each task compared.
        cluster: what is drawn.
        bootstrap: resamples; 0: there are no intervals.
        seed: of the draws.
        interval: how bounds follow from them.

    Raises:
        ScoringError: there is no such cluster or interval, or resamples are below 0.
    """

    hosts: pd.Series
    cluster: Cluster
    bootstrap: int
    seed: int
    interval: Method

    def __post_init__(self) -> None:
        if self.cluster not in CLUSTERS:
            raise ScoringError(f"cluster is {' or '.join(CLUSTERS)}, not {self.cluster!r}")
        if self.interval not in METHODS:
            raise ScoringError(f"interval is {' or '.join(METHODS)}, not {self.interval!r}")
        if self.bootstrap < 0:
            raise ScoringError(f"{self.bootstrap} resamples: 0 for none, 1000 are usual")

    def of(self, values: Floats, statistic: Statistic) -> Resampled:
        """Estimate a statistic of means over tasks; values have shape ``[tasks, k]``."""
        return resampled(
            values,
            self._clusters(),
            statistic,
            resamples=self.bootstrap,
            seed=self.seed,
            method=self.interval,
        )

    @property
    def different_hosts(self) -> int:
        """How many hosts there are."""
        return int(self.hosts.nunique())

    def settings(self) -> dict[str, str | int]:
        """What was asked for, for whoever reads the table."""
        return {
            "cluster": self.cluster,
            "bootstrap": self.bootstrap,
            "seed": self.seed,
            "interval": self.interval,
        }

    def notes(self) -> list[str]:
        """What a reader of the intervals has to know."""
        hosts, tasks = self.different_hosts, len(self.hosts)
        of_tasks = self.cluster == "task"
        if not self.bootstrap:
            return []
        if (tasks if of_tasks else hosts) == 1:
            return [f"warning: all is of one {self.cluster}: no interval can be given"]
        if of_tasks and hosts < tasks:
            note = (
                f"warning: {tasks} tasks of {often(hosts, 'host')} were resampled as if they had "
                "nothing in common. Where hosts differ, these intervals are too narrow: cluster by "
                "host"
            )
            return [note]
        if hosts < FEW_HOSTS:
            note = (
                f"warning: {hosts} hosts only. Intervals from fewer than {FEW_HOSTS} are too "
                "narrow; more hosts help, more windows of the same do not"
            )
            return [note]
        return []

    def _clusters(self) -> Codes:
        if self.cluster == "task":
            return np.arange(len(self.hosts))
        numbered, _ = pd.factorize(self.hosts, sort=True)
        return np.asarray(numbered, dtype=np.int64)
