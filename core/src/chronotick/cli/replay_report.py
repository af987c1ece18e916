"""What ``chronotick lab replay`` says of a replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.output import seconds, table, wrapped

if TYPE_CHECKING:
    from chronotick.lab.recordings import Recording
    from chronotick.lab.replaying import Summary
    from chronotick.lab.replaying.truth import Errors


def report_of(
    recording: Recording, notes: Sequence[str], summary: Summary, errors: Errors | None
) -> dict[str, Any]:
    """Everything that is known of a replay, as JSON types."""
    from dataclasses import asdict

    told = {
        "path": recording.path,
        "format": recording.format,
        "measurements": len(recording.arrivals),
        "notes": [*recording.notes, *notes],
    }
    judged = {} if errors is None else {"errors": asdict(errors)}
    return {"recording": told} | asdict(summary) | {"speed_up": summary.speed_up} | judged


def show_recording(recording: Recording, notes: Sequence[str]) -> None:
    """Say what was read, and what was noticed."""
    counts = recording.counts
    sources = f"{len(counts)} source{'s' if len(counts) > 1 else ''}"
    count = len(recording.arrivals)
    click.echo(f"{recording.path}: {recording.format}, {count} measurements of {sources}", err=True)
    for note in (*recording.notes, *notes):
        click.echo(wrapped(f"  note: {note}", 4), err=True)


def show(summary: Summary, errors: Errors | None) -> None:
    """Say what a replay came to."""
    speed = f"{summary.speed_up:.0f} times real time"
    click.echo(f"{summary.rows} estimates in {summary.wall_s:.1f} s: {speed}", err=True)
    shares = ", ".join(f"{name} {share:.1%}" for name, share in summary.statuses.items())
    click.echo(f"status: {shares}; served time jumped {summary.steps} times", err=True)
    sources = [
        (name, told.measurements, "; ".join(f"{why} {n}" for why, n in told.reasons.items()))
        for name, told in summary.sources.items()
    ]
    click.echo(table(sources, ("SOURCE", "ANSWERS", "SELECTED")), err=True)
    models = [
        (name, told.where, told.asked, told.answered, told.scored, f"{told.mean_weight:.3f}")
        for name, told in summary.models.items()
    ]
    header = ("MODEL", "WHERE", "ASKED", "ANSWERED", "SCORED", "MEAN WEIGHT")
    click.echo(table(models, header), err=True)
    for words, count in summary.warnings.items():
        click.echo(wrapped(f"warning, {often(count)}: {words}", 4), err=True)
    if errors is not None:
        _show_errors(errors)


def often(count: int) -> str:
    """A count, in words."""
    return "once" if count == 1 else f"{count} times"


def _show_errors(errors: Errors) -> None:
    rows = [("estimate", errors.estimate)]
    if errors.served is not None:
        rows.append(("served", errors.served))
    cells = [
        (name, *map(seconds, (e.rms_s, e.sd_s, e.median_s, e.p95_s, e.p99_s, e.max_s)))
        for name, e in rows
    ]
    header = ("ERROR", "RMS", "SD", "MEDIAN", "P95", "P99", "MAX")
    click.echo(table(cells, header), err=True)
    click.echo(
        f"95 % intervals hold {errors.coverage_95:.1%}, mean sigma {seconds(errors.mean_sigma_s)}; "
        f"bound violated {errors.bound_violations} of {errors.bounded} times",
        err=True,
    )
    ratios = {
        "chrony's rms": errors.rms_to_chrony,
        "chrony's sd": errors.sd_to_chrony,
        "disciplined by chrony, rms": errors.rms_to_chrony_disciplined,
    }
    told = ", ".join(
        f"{value:.3f} of {name}" for name, value in ratios.items() if value is not None
    )
    if told:
        click.echo(told, err=True)
