"""The report as Markdown, for papers and pull requests: tables, and how they were made."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from chronotick.lab.reporting import headline
from chronotick.lab.reporting.compared import TARGETS
from chronotick.lab.reporting.findings import Findings
from chronotick.lab.reporting.identity import (
    command_of,
    left_out_table,
    models_table,
    other_problems,
    run_facts,
    traces_table,
)
from chronotick.lab.reporting.judging import Judgement
from chronotick.lab.reporting.plots.horizons import medians
from chronotick.lab.reporting.plots.pairwise import decided
from chronotick.lab.reporting.quantities import lead, number, share
from chronotick.lab.reporting.standings import board_table, failures_table
from chronotick.lab.reporting.tables import Cell, Table, cell, markdown, markdown_table
from chronotick.lab.reporting.texts import METRICS, SOURCE, metric_name


def paper(findings: Findings) -> str:
    """Return the report in GitHub's Markdown."""
    return "\n".join(_parts(findings))


def _parts(findings: Findings) -> Iterator[str]:
    yield f"# {headline.title(findings)}\n"
    for judgement in findings.judgements.values():
        yield f"{markdown(headline.finding(findings, judgement))}\n"
    yield markdown(f"{headline.compared(findings)} {headline.when(findings)}") + "\n"
    yield from (f"> {markdown(text)}\n" for text in headline.warnings(findings))
    for judgement in findings.judgements.values():
        yield from _judged(findings, judgement)
    yield "## Failures and problems\n"
    if len(findings.failures):
        yield markdown_table(failures_table(findings))
    else:
        yield "Every model gave a forecast for every window.\n"
    left_out = left_out_table(findings)
    if left_out is not None:
        yield markdown_table(left_out)
    yield from (f"{markdown(problem)}\n" for problem in other_problems(findings))
    yield from _how(findings)


def _judged(findings: Findings, judgement: Judgement) -> Iterator[str]:
    yield f"## {TARGETS[judgement.target].capitalize()}\n"
    for metric in findings.choices.metrics:
        yield f"### Leaderboard by {markdown(metric_name(metric))}\n"
        standing = judgement.standings.get(metric)
        if standing is None:
            yield f"None: {markdown(judgement.reasons[metric])}.\n"
            continue
        yield markdown_table(board_table(findings, judgement, standing))
        yield from (f"- {markdown(note)}." for note in standing.notes)
        yield ""
    first = judgement.standings.get(findings.choices.metrics[0])
    if first is not None:
        yield "### Models in pairs\n"
        yield markdown_table(_pairs_table(first.pairs, first.order, first.metric))
    yield "### Error by horizon\n"
    yield markdown_table(_horizon_table(findings, judgement))


def _pairs_table(pairs: pd.DataFrame, order: list[str], metric: str) -> Table:
    return Table(
        caption=(
            f"Share of tasks on which the model of the row has the smaller {metric_name(metric)} "
            "than that of the column; !: the 95 % interval excludes 50 %."
        ),
        columns=("model", *order),
        rows=[[cell(row), *(_pair(pairs, row, column) for column in order)] for row in order],
        numeric=frozenset(order),
    )


def _pair(pairs: pd.DataFrame, row: str, column: str) -> Cell:
    if row == column or (row, column) not in pairs.index:
        return cell("")
    pair = pairs.loc[(row, column)]
    return cell(f"{share(pair['win_rate'], 0)}{' !' if decided(pair) else ''}")


def _horizon_table(findings: Findings, judgement: Judgement) -> Table:
    metric, baseline = findings.choices.metrics[0], findings.choices.baseline
    table = medians(judgement.scores, metric, baseline).pivot_table(
        index="model", columns="horizon_s", values="median"
    )
    titles = [lead(horizon_s) for horizon_s in table.columns]
    return Table(
        caption=(
            f"Median over traces of {metric_name(metric)} divided by {baseline}'s on the same task."
        ),
        columns=("model", *titles),
        rows=[
            [cell(str(model)), *(cell(number(value)) for value in row)]
            for model, row in zip(table.index, table.to_numpy(), strict=True)
        ],
        numeric=frozenset(titles),
    )


def _how(findings: Findings) -> Iterator[str]:
    drawn = findings.choices
    yield "## How this was made\n"
    for run in reversed(findings.compared.runs):
        yield _fenced(command_of(run) or "the command is not known")
        yield from (f"- {markdown(name)}: {markdown(told)}" for name, told in run_facts(run))
        yield ""
    yield markdown(
        f"Baseline {drawn.baseline}; intervals from {drawn.bootstrap} resamples by "
        f"{drawn.cluster}, seed {drawn.seed}. {SOURCE}"
    )
    yield ""
    yield from (f"- **{markdown(name)}**: {markdown(told)}" for name, told in METRICS.items())
    yield ""
    yield markdown_table(models_table(findings))
    yield markdown_table(traces_table(findings))


def _fenced(text: str) -> str:
    """A block of code that nothing in it can end."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}sh\n{text}\n{fence}\n"
