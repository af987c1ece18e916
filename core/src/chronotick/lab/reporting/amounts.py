"""What there is in a comparison: how much of what."""

from __future__ import annotations

import pandas as pd

from chronotick.lab.scoring.parts import Distinct


class Counts:
    """Models, traces and windows of rows that come in parts.

    Attributes:
        rows: how many.
        models, hosts: their names.
        tasks: traces and horizons in s.
        origins: of each trace, by ``(trace,)``.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.models: set[str] = set()
        self.hosts: set[str] = set()
        self.tasks: set[tuple[str, float]] = set()
        self.origins = Distinct()

    def add(self, rows: pd.DataFrame) -> None:
        """Count some rows."""
        self.rows += len(rows)
        self.models.update(map(str, rows["model"].unique()))
        self.hosts.update(map(str, rows["host"].unique()))
        tasks = rows[["trace", "horizon_s"]].drop_duplicates()
        self.tasks.update((str(trace), float(each)) for trace, each in tasks.to_numpy())
        for trace, origin_s in rows.groupby("trace", observed=True)["origin_s"]:
            self.origins.add((str(trace),), origin_s.to_numpy())

    @property
    def traces(self) -> list[str]:
        """Their names, in order."""
        return sorted({trace for trace, _horizon_s in self.tasks})

    @property
    def horizons_s(self) -> list[float]:
        """All of them, the nearest first."""
        return sorted({horizon_s for _trace, horizon_s in self.tasks})

    @property
    def horizons(self) -> dict[str, int]:
        """How many horizons each trace has."""
        return {trace: sum(trace == each for each, _ in self.tasks) for trace in self.traces}

    @property
    def windows(self) -> dict[str, int]:
        """How many windows each trace has."""
        return {trace: self.origins.count((trace,)) for trace in self.traces}
