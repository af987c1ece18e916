"""``chronotick lab replay``: the daemon's own code over recorded measurements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from chronotick.cli.choosing import checkpoints_option, quieten_workers
from chronotick.cli.durations import DURATION, DURATION_OR_NONE
from chronotick.cli.instants import instant, stretch
from chronotick.cli.numbers import ABOVE_ZERO
from chronotick.cli.output import BAD_CONFIGURATION, fail, json_option, print_json
from chronotick.cli.replay_report import report_of, show, show_recording
from chronotick.cli.run import comma_list, parse_checkpoints
from chronotick.cli.traced import configuration_of, read, report_of_agreement, show_agreement

if TYPE_CHECKING:
    from chronotick.config.schema import Config
    from chronotick.lab.recordings import Recording
    from chronotick.lab.replaying import (
        Agreement,
        Comparison,
        Estimate,
        Excerpt,
        Replay,
        Summary,
    )
    from chronotick.lab.replaying.truth import Errors, Truth
    from chronotick.plugin.registry import Plugins

NS_PER_S = 1_000_000_000
EVERY_S = 10.0


class Found(NamedTuple):
    """What a replay came to: its summary, and errors and agreement where they are known."""

    summary: Summary
    errors: Errors | None
    agreement: Agreement | None


@click.command()
@click.argument("measurements")
@click.option("--models", help="Models of both prediction loops, separated by commas.")
@click.option(
    "--out",
    metavar="FILE",
    help="Where estimates go (CSV; packed if it ends in .gz; - is standard output). A file of that "
    "name is replaced.",
)
@click.option(
    "--every",
    type=DURATION,
    help="Between estimates (default 10s; of a debug trace: at each plan of its daemon).",
)
@click.option("--config", metavar="NAME|FILE", help="A ready-made configuration, or a file.")
@click.option("--members", is_flag=True, help="Add each model's estimate, sigma and weight.")
@click.option(
    "--from", "start", type=instant, metavar="TIME", help="Pass over what was measured before."
)
@click.option(
    "--until",
    type=instant,
    metavar="TIME",
    help="Go on to there; beyond the last measurement: holdover.",
)
@click.option(
    "--gap",
    "gaps",
    type=stretch,
    metavar="FROM..TO",
    multiple=True,
    help="Hide measurements of FROM <= t < TO. May be repeated.",
)
@click.option(
    "--truth", "truth_path", metavar="FILE", help="Judge the estimates (t_local_s, offset_s)."
)
@click.option(
    "--warm-up",
    type=DURATION_OR_NONE,
    default="1h",
    show_default=True,
    help="Beginning of the truth in which errors do not count.",
)
@click.option(
    "--max-error",
    type=ABOVE_ZERO,
    help="Largest error in s of measurements without delay and uncertainty; others keep theirs.",
)
@click.option("--boot", help="Which boot of a daemon's history: the beginning of its identifier.")
@checkpoints_option
@click.option("--device", help="Where models compute: auto, cpu, cuda or cuda:N.")
@click.option("--offline", is_flag=True, default=None, help="Never let models use the network.")
@json_option
def replay(
    measurements: str,
    *,
    out: str | None,
    members: bool,
    truth_path: str | None,
    warm_up: float,
    max_error: float | None,
    boot: str | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - click's
) -> None:
    """Run the daemon's own code over recorded MEASUREMENTS, far faster than real time.

    Reads tables (t_s or t_local_s, offset_s and more), chrony's measurements.log, ntpd's rawstats
    and peerstats, a daemon's history, and its debug trace, which brings its configuration and is
    compared with what the daemon found itself; gzip and `-` too. An estimate at a time has seen
    only what had arrived by then. Models that need workers are really asked. Times are in seconds,
    or with a unit: 90, 10s, 5min, 2h. The summary goes to standard error, or to standard output
    with --json.
    """
    from chronotick.config import ConfigError
    from chronotick.lab.recordings import RecordingError
    from chronotick.lab.replaying.truth import Truth

    quieten_workers()
    if members and out is None:
        raise click.UsageError("--members adds columns to --out. Name a file for them.")
    _check_out(out, (measurements, truth_path), as_json=as_json)
    try:
        recording = read(measurements, boot=boot, max_error_s=max_error)
        truth = None if truth_path is None else Truth(truth_path)
    except RecordingError as error:
        fail(error)
    try:
        config, plugins = configured(options, recording)
    except ConfigError as error:
        fail(error, BAD_CONFIGURATION)
    excerpt = _excerpt(options, recording)
    notes = excerpt.notes(recording)
    if not as_json:
        show_recording(recording, notes)
    found = _run(
        recording, config, plugins, excerpt, out=out, members=members, judge=(truth, warm_up)
    )
    if as_json:
        report = report_of(recording, notes, found.summary, found.errors)
        print_json(report | report_of_agreement(found.agreement))
    else:
        show(found.summary, found.errors)
        show_agreement(found.agreement)


def _check_out(out: str | None, read: tuple[str | None, ...], *, as_json: bool) -> None:
    """See that estimates replace nothing that is read, and share standard output with nothing."""
    if out is None:
        return
    if out == "-":
        if as_json:
            raise click.UsageError("--out - and --json both want standard output. Name a file.")
        return
    for path in filter(None, read):
        if path != "-" and Path(out).resolve() == Path(path).resolve():
            raise click.UsageError(f"--out {out} would replace what is read. Name another file.")


def configured(
    options: dict[str, Any], recording: Recording | None = None
) -> tuple[Config, Plugins]:
    """Load the configuration and the plugins it needs.

    Args:
        options: of the command line.
        recording: what is replayed; a debug trace brings a configuration, unless one is named.

    Raises:
        ConfigError: it is wrong, or cannot work here.
    """
    import os

    from chronotick.cli.fitting import fitted
    from chronotick.config import load
    from chronotick.config.shipped import named_file
    from chronotick.lab.replaying import TracedRecording
    from chronotick.plugin.registry import load_plugins

    models = comma_list(options["models"])
    overrides: dict[str, object] = {
        "short_term.models": models,
        "long_term.models": models,
        "short_term.device": options["device"],
        "long_term.device": options["device"],
        "workers.offline": options["offline"],
        "workers.checkpoints": parse_checkpoints(options["checkpoints"]),
    }
    plugins = load_plugins()
    if isinstance(recording, TracedRecording) and options["config"] is None:
        loaded = configuration_of(recording, overrides)
    else:
        loaded = load(named_file(options["config"]), os.environ, overrides)
    loaded = fitted(loaded, plugins)
    for remark in loaded.remarks:
        click.echo(f"chronotick: {remark}", err=True)
    return loaded.config, plugins


def _excerpt(options: dict[str, Any], recording: Recording) -> Excerpt:
    from chronotick.lab.replaying import Excerpt, TracedRecording

    every_s, start_ns, until_ns = options["every"], options["start"], options["until"]
    instants: tuple[int, ...] = ()
    if isinstance(recording, TracedRecording) and every_s is None:
        instants = recording.instants(start_ns, until_ns)
    return Excerpt(
        every_ns=round((EVERY_S if every_s is None else every_s) * NS_PER_S),
        start_ns=start_ns,
        until_ns=until_ns,
        gaps=options["gaps"],
        at_ns=instants,
    )


def _run(
    recording: Recording,
    config: Config,
    plugins: Plugins,
    excerpt: Excerpt,
    *,
    out: str | None,
    members: bool,
    judge: tuple[Truth | None, float],
) -> Found:
    from chronotick.daemon.zoo import every_name
    from chronotick.lab.recordings import RecordingError
    from chronotick.lab.replaying import (
        Comparison,
        ModelUnavailableError,
        NothingToReplayError,
        Replay,
        SteppedBackError,
        TracedRecording,
    )

    truth, warm_up_s = judge
    comparison = Comparison(recording.plans if isinstance(recording, TracedRecording) else ())
    try:
        with Replay(recording, config, excerpt, plugins) as running:
            models = sorted(every_name(config)) if members else []
            kept = _estimates(running, out, models, comparison, keep=truth is not None)
            summary = running.summary
        assert summary is not None  # noqa: S101 - it ran to its end
        errors = truth.judge(kept, warm_up_s) if truth is not None else None
        return Found(summary, errors, comparison.agreement)
    except SteppedBackError as error:
        where_s = recording.local_ns(error.raw_ns) * 1e-9
        fail(f"{error} at t_local_s={where_s:.9f}: a mistake of ours; please report it")
    except (NothingToReplayError, ModelUnavailableError, RecordingError) as error:
        fail(error)
    except BrokenPipeError:
        raise  # whoever read standard output wants no more: click ends quietly
    except OSError as error:
        fail(error if out is None else f"--out: {out} cannot be written: {error.strerror}")


def _estimates(
    running: Replay, out: str | None, models: list[str], comparison: Comparison, *, keep: bool
) -> list[Estimate]:
    """Take all estimates, compare and write them, and keep them if they are to be judged."""
    from chronotick.lab.replaying.table import EstimateTable, writing

    kept: list[Estimate] = []
    with ExitStack() as stack:
        written = None
        if out is not None:
            written = EstimateTable(stack.enter_context(writing(out)), models)
        advanced = stack.enter_context(_progress(running))
        for estimate in running:
            comparison.add(estimate)
            if written is not None:
                written.add(estimate)
            if keep:
                kept.append(estimate)
            advanced(estimate.local_ns)
    return kept


@contextmanager
def _progress(running: Replay) -> Iterator[Any]:
    """A bar on a terminal, nothing elsewhere."""
    import sys

    if not sys.stderr.isatty():
        yield lambda _local_ns: None
        return
    from rich.console import Console
    from rich.progress import Progress

    first_ns, last_ns = running.span_ns
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replaying", total=(last_ns - first_ns) * 1e-9)
        yield lambda local_ns: bar.update(task, completed=(local_ns - first_ns) * 1e-9)
