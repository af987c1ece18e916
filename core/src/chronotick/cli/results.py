"""``chronotick results``: what comparisons came to."""

from __future__ import annotations

import math
import shlex
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.output import (
    BAD_CONFIGURATION,
    fail,
    json_option,
    print_json,
    seconds,
    table,
    wrapped,
)

if TYPE_CHECKING:
    import pandas as pd

    from chronotick.lab.comparing import Comparison
    from chronotick.lab.reporting import Choices
    from chronotick.lab.scoring.metrics import Target


def comparable(text: str) -> str:
    """Return the name of a score that models can be compared by."""
    from chronotick.lab.scoring import COMPARABLE

    if text not in COMPARABLE:
        raise click.BadParameter(f"{text!r} is none of {', '.join(COMPARABLE)}")
    return text


REPORTS = (".html", ".md")
"""Endings of reports."""

directory = click.argument("results_dir", type=click.Path(path_type=Path), metavar="DIR")
baseline_option = click.option(
    "--baseline", default="kalman", show_default=True, help="Model that skill is relative to."
)
metric_option = click.option(
    "--metric",
    type=comparable,
    default="mae",
    show_default=True,
    metavar="SCORE",
    help="What models are compared by: mae, rmse, sql_drift, ...",
)
target_option = click.option(
    "--target",
    type=click.Choice(["truth", "measured"]),
    help="What forecasts are held against; default: truth where there is any.",
)


@click.group()
def results() -> None:
    """Look at the results of `chronotick compare`."""


@results.command("show")
@directory
@metric_option
@target_option
@baseline_option
@click.option("--row", metavar="JOB:N", help="One row, with the command that computes it again.")
@json_option
def show_results(
    results_dir: Path,
    *,
    metric: str,
    target: Target | None,
    baseline: str,
    row: str | None,
    as_json: bool,
) -> None:
    """Show the leaderboard of the results in DIR, also while a run still goes on."""
    compared = opened(results_dir)
    if row is not None:
        _show_row(compared, row, as_json=as_json)
    elif as_json:
        print_json(told(compared, metric=metric, target=target, baseline=baseline))
    else:
        show(compared, metric=metric, target=target, baseline=baseline)


@results.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@metric_option
@target_option
@json_option
def diff(before: Path, after: Path, *, metric: str, target: Target | None, as_json: bool) -> None:
    """Show how errors changed from the results in BEFORE to those in AFTER, task by task."""
    from chronotick.lab.comparing.differing import difference
    from chronotick.lab.scoring import ScoringError

    first, second = opened(before), opened(after)
    try:
        found = difference(first, second, metric, target)
    except ScoringError as error:
        fail(error)
    if found.empty:
        fail(_nothing_in_common(first, second))
    if as_json:
        print_json(_records(found))
        return
    unit = _unit(first, found["trace"].unique(), metric)
    click.echo(f"{metric} against {target or first.target}{unit}, in the windows that both have")
    rows = [
        (
            *(r.model, r.trace, _ahead(r.horizon_s), r.windows),
            *(_number(r.before), _number(r.after), _ratio(r)),
        )
        for r in found.itertuples()
    ]
    header = ("MODEL", "TRACE", "HORIZON", "WINDOWS", "BEFORE", "AFTER", "AFTER/BEFORE")
    click.echo(table(rows, header))
    for name, here, there in (("BEFORE", first, second), ("AFTER", second, first)):
        alone = [model for model in here.models if model not in there.models]
        if alone:
            click.echo(f"only in {name}: {', '.join(alone)}")


def _nothing_in_common(first: Comparison, second: Comparison) -> str:
    """Why two results cannot be held against each other."""
    told = f"{first.directory} and {second.directory} have no window in common"
    if not set(first.models) & set(second.models):
        return f"{told}: of models, {_listed(first.models)} and {_listed(second.models)}"
    digests = [{each["digest"] for each in one.traces} for one in (first, second)]
    if not digests[0] & digests[1]:
        return f"{told}: no trace of one has the values of a trace of the other"
    return (
        f"{told}: traces of the same values must have the same name, and windows the same origin "
        "and horizon (--origin, --horizons)"
    )


def _unit(compared: Comparison, traces: Iterable[str], metric: str) -> str:
    """``, in s`` where all traces have that unit, and the metric has one."""
    from chronotick.lab.reporting.texts import WITHOUT_UNIT

    units = {each.get("unit", "") for each in compared.traces if each["name"] in set(traces)}
    unit = units.pop() if len(units) == 1 else ""
    return f", in {unit}" if unit and metric not in WITHOUT_UNIT else ""


def _ahead(horizon_s: float) -> str:
    """A horizon as ``--horizons`` takes it: ``64s``, ``1h``."""
    from chronotick.lab.reporting.quantities import lead

    return lead(horizon_s).replace(" ", "")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _page_or_paper(
    _context: click.Context, _parameter: click.Parameter, path: Path | None
) -> Path | None:
    """A file whose ending says which report it becomes."""
    if path is not None and path.suffix not in REPORTS:
        raise click.BadParameter(
            f"{path}: a report is {' or '.join(REPORTS)}. Print the .html to a PDF with a browser"
        )
    return path


@results.command()
@directory
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "parquet", "fev"]),
    default="csv",
    show_default=True,
    help="csv, parquet: the rows. fev: a summary per task that fev.leaderboard() reads.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE")
@target_option
def export(results_dir: Path, *, form: str, out: Path, target: Target | None) -> None:
    """Write the results in DIR for other programs."""
    from chronotick.lab.comparing.exporting import write
    from chronotick.lab.counting import often
    from chronotick.lab.scoring import ScoringError

    try:
        count = write(opened(results_dir), out, form, target)
    except ScoringError as error:
        fail(error)
    except OSError as error:
        fail(f"{out}: cannot be written: {error.strerror or error}")
    click.echo(f"{often(count, 'row')}: {out}", err=True)


@results.command()
@directory
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    callback=_page_or_paper,
    help="FILE.html or .md.",
)
@click.option(
    "--figures",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write all figures there, as SVG and PNG.",
)
@metric_option
@target_option
@baseline_option
def report(
    results_dir: Path,
    *,
    out: Path | None,
    figures: Path | None,
    metric: str,
    target: Target | None,
    baseline: str,
) -> None:
    """Write the report of the results in DIR anew, or its figures."""
    from chronotick.lab.reporting import ReportError, write_figures

    compared, choices = opened(results_dir), _choices(metric, baseline, target)
    try:
        if figures is not None:
            for path in write_figures(compared, figures, choices=choices):
                click.echo(path)
        if figures is None or out is not None:
            click.echo(compared.report(out, choices=choices))
    except ReportError as error:
        fail(error)
    except OSError as error:
        fail(f"{error.filename or out or figures}: cannot be written: {error.strerror or error}")


def write_report(compared: Comparison, path: Path, metric: str, baseline: str) -> None:
    """Write a report and say where; what was computed is kept whatever becomes of it."""
    from chronotick.lab.reporting import ReportError

    try:
        compared.report(path, choices=_choices(metric, baseline))
    except ReportError as error:
        fail(error)
    except OSError as error:
        fail(f"{path}: cannot be written: {error.strerror or error}. The results are kept")
    click.echo(f"report: {path}", err=True)


def _choices(metric: str, baseline: str, target: Target | None = None) -> Choices:
    """What the report is asked for: this metric and target are shown first."""
    from chronotick.lab.reporting import Choices

    metrics = tuple(dict.fromkeys((metric, *Choices().metrics)))
    return Choices(baseline=baseline, metrics=metrics, target=target)


def opened(path: Path) -> Comparison:
    """Open results, or end with what is wrong with them."""
    from chronotick.lab.comparing import Comparison, ResultsError
    from chronotick.lab.comparing.store import RUN

    if not (path / RUN).is_file():
        fail(
            f"{path}: no results of `chronotick compare` there. Give the directory that was its "
            "--out; it has a run.json"
        )
    try:
        found = Comparison(path)
        if found.is_empty:
            fail(f"{path}: there are no rows yet")
    except ResultsError as error:
        fail(error)
    return found


def told(
    compared: Comparison, *, metric: str, baseline: str, target: Target | None = None
) -> dict[str, Any]:
    """A summary of results, as JSON types."""
    from chronotick.lab.comparing.remarks import remarks

    board = _board(compared, metric, baseline, target)
    return {
        "directory": str(compared.directory),
        "target": target or compared.target,
        "metric": metric,
        "leaderboard": _records(board.reset_index()),
        "notes": [*remarks(compared, target or compared.target), *board.attrs.get("notes", [])],
        "failures": _records(compared.failures()),
        "latency": _records(compared.latency().reset_index()),
        "problems": list(compared.problems),
        "pending_jobs": compared.pending[0],
        "interrupted": bool(compared.runs[-1].get("interrupted")),
        "complete": "ended" in compared.runs[-1],
    }


def show(compared: Comparison, *, metric: str, baseline: str, target: Target | None = None) -> None:
    """Print a summary of results."""
    from chronotick.lab.comparing.remarks import remarks

    board, latency = _board(compared, metric, baseline, target), compared.latency()
    against = target or compared.target
    bounds = board.get("skill_score_lower")
    known = bounds is not None and bounds.notna().any()
    intervals = "95 % intervals by host" if known else "no intervals: one host"
    click.echo(f"{metric} against {against}, relative to {baseline}; {intervals}")
    rows = [
        (
            model,
            _share(each, "win_rate"),
            _share(each, "skill_score"),
            f"{each.tasks:.0f}",
            f"{each.failed_tasks:.0f}" if each.failed_tasks else "",
            "yes" if each.leaked_tasks else "",
            seconds(latency["p50_s"].get(model)),
            seconds(latency["p99_s"].get(model)),
            latency["asked"].get(model, ""),
        )
        for model, each in board.iterrows()
    ]
    header = ("MODEL", "WIN RATE", "SKILL", "TASKS", "FAILED", "LEAKED", "P50", "P99", "CALLS")
    click.echo(table(rows, header))
    for note in (*remarks(compared, against), *board.attrs.get("notes", ())):
        click.echo(wrapped(f"note: {note}"))
    failures = compared.failures().groupby(["model", "status"], sort=False)
    for (model, reason), tasks in failures:
        click.echo(wrapped(f"failed: {model} {_where(tasks)}: {reason}"))
    show_problems(compared, but=[f"{model}: {reason}" for model, reason in failures.groups])


def _where(tasks: pd.DataFrame) -> str:
    """How many windows of which task, or of how many: one reason may be that of all."""
    from chronotick.lab.counting import often

    count = often(int(tasks["windows"].sum()), "window")
    if len(tasks) > 1:
        return f"in {count} of {len(tasks)} tasks"
    return f"on {tasks['trace'].iloc[0]} at {tasks['horizon_s'].iloc[0]:g} s in {count}"


def show_problems(compared: Comparison, but: Collection[str] = ()) -> None:
    """Print what could not be used, and what went wrong outside of models.

    Args:
        compared: the results.
        but: reasons that were printed already.
    """
    for problem in compared.problems:
        if problem["reason"] in but:
            continue
        name = problem["name"] or problem["path"]
        words = f"left out: {name}: {problem['reason']}" if name else problem["reason"]
        click.echo(wrapped(words))


def _board(compared: Comparison, metric: str, baseline: str, target: Target | None) -> pd.DataFrame:
    from chronotick.lab.reporting import ReportError
    from chronotick.lab.scoring import ScoringError

    if baseline not in compared.models:
        known = ", ".join(compared.models)
        fail(f"--baseline {baseline}: these results are of {known}", BAD_CONFIGURATION)
    try:
        return compared.leaderboard(metric, target, baseline=baseline)
    except (ReportError, ScoringError) as error:
        fail(error)


def _show_row(compared: Comparison, row: str, *, as_json: bool) -> None:
    from chronotick.lab.comparing.reproducing import NoSuchRowError, command_of, row_of

    try:
        found = row_of(compared, row)
    except NoSuchRowError as error:
        fail(error)
    command = shlex.join(command_of(compared, found))
    if as_json:
        print_json({"row": _records(found.to_frame().T)[0], "command": command})
        return
    width = max(map(len, found.index))
    for name, value in found.items():
        click.echo(f"{name:{width}}  {value}")
    click.echo(f"\n{command}")


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a frame as JSON types."""
    return [
        {str(name): _json_value(value) for name, value in record.items()}
        for record in frame.to_dict(orient="records")
    ]


def _json_value(value: Any) -> Any:  # noqa: ANN401 - of a cell, and of JSON
    """Numbers with all their digits; those that are not finite are null."""
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _share(each: pd.Series, name: str) -> str:
    low, high = each.get(f"{name}_lower"), each.get(f"{name}_upper")
    if each[name] != each[name]:  # NaN: it failed everywhere
        return "-"
    if low is None or math.isnan(low):  # of one host there is no interval
        return f"{each[name]:.3f}"
    return f"{each[name]:.3f} ({low:.3f} to {high:.3f})"


def _number(value: float) -> str:
    return f"{value:.6g}"


def _ratio(row: Any) -> str:  # noqa: ANN401 - a named tuple of pandas
    return f"{row.after / row.before:.4f}" if row.before else "-"
