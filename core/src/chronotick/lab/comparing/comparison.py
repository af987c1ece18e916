"""What a comparison came to: rows and all that is made of them."""

from __future__ import annotations

import html
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from chronotick.lab.comparing.frames import frame_of, parts_of, table_of, trace_of
from chronotick.lab.comparing.store import ResultsError, Store
from chronotick.lab.scoring.columns import OK
from chronotick.lab.scoring.metrics import Scoring, Target

if TYPE_CHECKING:
    import plotly.graph_objects as go
    import pyarrow as pa

    from chronotick.lab.reporting import Choices
    from chronotick.lab.reporting.judging import Standing


class Comparison:
    """The results in a directory, complete or of a run that still goes on.

    Args:
        directory: of the results. Rows of its newest run count; those of others stay there.

    Raises:
        ResultsError: there are none.
    """

    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory)
        self._store = Store(self.directory)
        self.runs: list[dict[str, Any]] = self._store.runs()
        if not self.runs:
            raise ResultsError(f"{self.directory}: no run has begun there")
        self._jobs = [(model, job) for model, job in self.runs[-1].get("jobs", ())]
        self._trace_of: dict[str, str] = {}  # of jobs, as they come to be read

    def __repr__(self) -> str:
        return f"Comparison({str(self.directory)!r})"

    def _repr_html_(self) -> str:
        """The leaderboard, for notebooks."""
        shown = self.leaderboard()
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in shown.attrs["notes"])
        return f"{shown.to_html()}<ul>{notes}</ul>"

    @cached_property
    def rows(self) -> pd.DataFrame:
        """One row per window, model and horizon; point models with intervals of their own errors.

        Columns: :data:`chronotick.lab.comparing.rows.SCHEMA` and ``quantiles_from``; text as
        categories.
        """
        return frame_of(self._store.models(self._jobs))

    def parts(
        self, columns: Sequence[str] | None = None, trace: str | None = None
    ) -> Iterator[pd.DataFrame]:
        """All rows in frames of some thousand, for what need not have them in memory all at once.

        Those of a model follow each other, and so do those of its windows on a trace, by origin.

        Args:
            columns: which are wanted; ``None``: all.
            trace: which is wanted; ``None``: all.
        """
        if "rows" in vars(self):  # they are in memory already
            yield from _selected(self.rows, columns, trace)
        else:
            yield from parts_of(self._tables(trace, columns), columns)

    @property
    def is_empty(self) -> bool:
        """Whether there are no rows."""
        return next(self.parts(["model"]), None) is None

    @property
    def pending(self) -> tuple[int, int]:
        """How many jobs have no rows yet, and of how many."""
        known = sum(self._store.has_rows(model, job) for model, job in self._jobs)
        return len(self._jobs) - known, len(self._jobs)

    def _tables(
        self, trace: str | None, columns: Sequence[str] | None
    ) -> Iterator[tuple[str, pa.Table]]:
        for model, job in self._present:
            if trace is None or self._trace_of.get(job, trace) == trace:
                if trace is not None and job not in self._trace_of:
                    self._trace_of[job] = trace_of(self.directory, model, job)
                if trace is None or self._trace_of[job] == trace:
                    yield model, table_of(self.directory, model, job, columns)

    @cached_property
    def _about(self) -> list[dict[str, Any]]:
        return self._store.about(self._jobs)

    @cached_property
    def _present(self) -> list[tuple[str, str]]:
        """Jobs that are done, in the order they were asked for: more are not looked for later."""
        done = {(each["model"], each["job"]) for each in self._about}
        return [(model, job) for model, job in self._jobs if (model, job) in done]

    @property
    def traces(self) -> Sequence[Mapping[str, Any]]:
        """Traces that were compared on."""
        found: Sequence[Mapping[str, Any]] = self.runs[-1].get("traces", ())
        return found

    @property
    def problems(self) -> Sequence[Mapping[str, str]]:
        """What could not be used, with ``name``, ``path`` and ``reason``."""
        found: Sequence[Mapping[str, str]] = self.runs[-1].get("problems", ())
        return found

    @cached_property
    def models(self) -> Mapping[str, Mapping[str, Any]]:
        """Models in the order they were asked for, with identity, memory and windows/s."""
        about: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for each in self._about:
            about[each["model"]].append(each)
        identities: Mapping[str, Mapping[str, Any]] = self.runs[-1].get("models", {})
        return {
            name: dict(identity) | _summed(about.get(name, ()))
            for name, identity in identities.items()
        }

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """What forecasts can be judged by here: ``truth``, ``measured``."""
        every: tuple[Target, ...] = ("truth", "measured")
        found: set[str] = set()
        for part in self.parts(every):
            found.update(name for name in every if part[name].notna().any())
            if len(found) == len(every):
                break
        return tuple(name for name in every if name in found)

    @property
    def target(self) -> Target:
        """What forecasts are judged by if nothing else is said: the truth where there is any.

        Raises:
            ResultsError: there are no rows.
        """
        if not self.targets:
            raise ResultsError(f"{self.directory}: there are no rows yet")
        return self.targets[0]

    def scores(self, target: Target | None = None) -> pd.DataFrame:
        """Scores by model, trace and horizon; see :func:`chronotick.lab.scoring.scores`.

        Args:
            target: ``truth`` or ``measured``; ``None``: truth where there is any.
        """
        scoring = Scoring(target or self.target, leaked=self.leaked)
        for part in self.parts():
            scoring.add(part)
        return scoring.table()

    def leaderboard(
        self,
        metric: str = "mae",
        target: Target | None = None,
        **choices: Any,  # noqa: ANN401 - of different types
    ) -> pd.DataFrame:
        """Models ranked, as in the report; see :func:`chronotick.lab.scoring.leaderboard`.

        Args:
            metric: of errors.
            target: ``truth`` or ``measured``; ``None``: truth where there is any.
            choices: ``baseline``, ``cluster``, ``bootstrap``, ``seed``; see
                :class:`chronotick.lab.reporting.Choices`.

        Raises:
            ScoringError: the models cannot be compared that way.
        """
        standing = self._standing(metric, target, choices)
        board = standing.board.copy()
        board.attrs = {"notes": list(standing.notes)}
        return board

    def pairwise(
        self,
        metric: str = "mae",
        target: Target | None = None,
        **choices: Any,  # noqa: ANN401 - of different types
    ) -> pd.DataFrame:
        """Each model against each, as in the report; arguments as for :meth:`leaderboard`."""
        return self._standing(metric, target, choices).pairs

    def _standing(self, metric: str, target: Target | None, choices: Mapping[str, Any]) -> Standing:
        from chronotick.lab.reporting import Choices
        from chronotick.lab.scoring import COMPARABLE, ScoringError

        if metric not in COMPARABLE:
            raise ScoringError(
                f"models cannot be compared by {metric!r}, but by {', '.join(COMPARABLE)}"
            )
        from chronotick.lab.reporting.survey import standing_of

        chosen = Choices(metrics=(metric,), **choices)
        return standing_of(self, target or self.target, metric, chosen)

    @cached_property
    def leaked(self) -> dict[str, frozenset[str]]:
        """Traces that models say they have been trained on."""
        from chronotick.lab.reporting.judging import seen_traces

        return seen_traces(self)

    def failures(self) -> pd.DataFrame:
        """Windows without a forecast: how many, by model, trace, horizon and reason."""
        keys = ["model", "trace", "horizon_s", "status"]
        counts: Counter[tuple[Any, ...]] = Counter()
        for part in self.parts(keys):
            failed = part[part["status"] != OK].groupby(keys, observed=True).size()
            counts.update(failed.to_dict())
        return pd.DataFrame(
            [(*key, count) for key, count in sorted(counts.items())], columns=[*keys, "windows"]
        )

    def silent(self) -> dict[str, str]:
        """Models that gave no forecast at all, with their most frequent reason."""
        from chronotick.lab.reporting.failing import Failures

        failures = Failures()
        for part in self.parts([*Failures.COLUMNS]):
            failures.add(part)
        return failures.silent()

    def latency(self) -> pd.DataFrame:
        """Seconds that one window alone takes, by model: ``p50``, ``p99`` and how many."""
        alone: dict[str, list[float]] = defaultdict(list)
        for part in self.parts(["model", "job", "alone_s"]):
            asked = part.dropna(subset=["alone_s"]).drop_duplicates(["model", "job"])
            for model, alone_s in zip(asked["model"], asked["alone_s"], strict=True):
                alone[model].append(alone_s)
        times = {model: pd.Series(alone[model], dtype=float) for model in sorted(alone)}
        return pd.DataFrame(
            {
                "p50_s": [each.quantile(0.5) for each in times.values()],
                "p99_s": [each.quantile(0.99) for each in times.values()],
                "asked": [len(each) for each in times.values()],
            },
            index=pd.Index(times, name="model"),
        )

    def to_pandas(self) -> pd.DataFrame:
        """All rows."""
        return self.rows

    def report(self, path: Path | str | None = None, *, choices: Choices | None = None) -> Path:
        """Write the report: HTML, or Markdown if the file is called ``.md``.

        Args:
            path: of the file; ``None``: ``report.html`` in the directory of the results.
            choices: baseline, metrics and more.

        Raises:
            ReportError: there is nothing to report, or not in that way.
            OSError: the file cannot be written.
        """
        from chronotick.lab.reporting import ReportError, write_html, write_markdown

        wanted = self.directory / "report.html" if path is None else Path(path)
        if wanted.suffix not in {".html", ".md"}:
            raise ReportError(f"{wanted}: a report is .html or .md")
        write = write_markdown if wanted.suffix == ".md" else write_html
        return write(self, wanted, choices=choices)

    def plot(self, name: str, **options: Any) -> go.Figure:  # noqa: ANN401 - of the figure
        """Draw a figure of the report by name: ``skill``, ``win_rates``, ``pairwise``, ...

        Raises:
            ValueError: there is none of that name.
        """
        from chronotick.lab import reporting

        drawing = getattr(reporting, f"plot_{name}", None)
        if drawing is None:
            known = sorted(each.removeprefix("plot_") for each in dir(reporting) if "plot_" in each)
            raise ValueError(f"no figure is called {name!r}; there are {', '.join(known)}")
        figure: go.Figure = drawing(self, **options)
        return figure

    def __dir__(self) -> list[str]:
        from chronotick.lab import reporting

        return sorted({*super().__dir__(), *(each for each in dir(reporting) if "plot_" in each)})

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a figure's function
        """``plot_skill()`` is ``plot("skill")``, and so on."""
        if not name.startswith("plot_"):
            raise AttributeError(name)
        return lambda **options: self.plot(name.removeprefix("plot_"), **options)


def _selected(
    rows: pd.DataFrame, columns: Sequence[str] | None, trace: str | None
) -> Iterator[pd.DataFrame]:
    chosen = rows if trace is None else rows[rows["trace"] == trace]
    if len(chosen):
        yield chosen if columns is None else chosen[list(columns)]


def _summed(about: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all jobs of a model together say of it."""
    told = [each for each in about if "checkpoint" in each]
    compute_s = sum(each.get("compute_s", 0.0) for each in about)
    windows = sum(each.get("windows", 0) for each in about)
    found: dict[str, Any] = {"windows": windows}
    if told:
        found["checkpoint"] = told[-1]["checkpoint"]
        found["ran_on"] = told[-1]["device"]
        found["parameters"] = told[-1]["parameters"]
        found["peak_memory_bytes"] = max(each["peak_memory_bytes"] for each in told)
        found["batch"] = max(each["batch"] for each in told)
        answered = sum(each.get("answered", 0) for each in about)
        found["windows_per_s"] = answered / compute_s if compute_s else None
    return found
