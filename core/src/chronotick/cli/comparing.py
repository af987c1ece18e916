"""``chronotick compare``: models on the same traces, incompatible ones included."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from chronotick.cli.choosing import checkpoints_option, plugins_with, quieten_workers
from chronotick.cli.comparing_place import interruptible_once, place_of
from chronotick.cli.comparing_progress import progress
from chronotick.cli.durations import DURATION, DURATION_OR_NONE
from chronotick.cli.numbers import FROM_ZERO
from chronotick.cli.output import BAD_CONFIGURATION, fail, json_option, print_json
from chronotick.cli.results import baseline_option, metric_option
from chronotick.cli.run import comma_list, parse_checkpoints

if TYPE_CHECKING:
    from chronotick.lab.comparing import Comparison, Settings
    from chronotick.lab.traces import Traces
    from chronotick.plugin.registry import Plugins

INTERRUPTED = 130  # what shells say of a program that Ctrl-C ended


def durations(text: str) -> tuple[float, ...]:
    """Read lengths of time, separated by commas, in s."""
    parts = [part for part in text.split(",") if part.strip()]
    if not parts:
        raise click.BadParameter("at least one time is needed, such as 64s")
    return tuple(sorted({DURATION.convert(part, None, None) for part in parts}))


@click.command()
@click.option(
    "--traces",
    "patterns",
    multiple=True,
    required=True,
    metavar="PATTERN",
    help="Files, directories or patterns ('DIR/*.csv*'). May be repeated.",
)
@click.option("--models", default="", help="Models, separated by commas. Yardsticks always run.")
@click.option(
    "--horizons",
    type=durations,
    default="64s,256s,1024s,1h",
    show_default=True,
    help="How far ahead forecasts are judged.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Where results go; what is there already is not computed again.",
)
@click.option(
    "--windows",
    type=click.IntRange(min=1),
    help="How many instants of each trace models forecast from, at most. [default: 100; with "
    "--every as many as there are]",
)
@click.option(
    "--every", type=DURATION, help="Time between these instants; default: spread over the trace."
)
@click.option(
    "--warm-up",
    type=DURATION_OR_NONE,
    default="2h",
    show_default=True,
    help="Beginning of each trace from which nobody forecasts.",
)
@click.option(
    "--origin",
    "origins",
    type=FROM_ZERO,
    multiple=True,
    metavar="SECONDS",
    help="Forecast from this instant instead (local time of the trace). May be repeated.",
)
@click.option(
    "--context",
    type=click.IntRange(8, 8192),
    default=512,
    show_default=True,
    help="How many samples models are given.",
)
@click.option(
    "--kind",
    type=click.Choice(["clock", "series"]),
    help="What traces are that do not say it themselves.",
)
@click.option(
    "--value", metavar="COLUMN", help="Which column of a table holds the values of a series."
)
@click.option("--unit", help="Unit of series that state none.")
@click.option("--host", help="Host of traces that state none; default: each is of its own.")
@click.option("--season", type=DURATION, help="Length of the season of series.")
@baseline_option
@metric_option
@click.option(
    "--format",
    "formats",
    default="html",
    show_default=True,
    help="Format of the report: html, md, both (html,md) or none.",
)
@click.option(
    "--executor",
    "where",
    default="local",
    show_default=True,
    metavar="local|threads|dask://HOST:PORT",
    help="Where jobs run.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Jobs at once (default: 2, or the threads of Dask)."
)
@checkpoints_option
@click.option(
    "--device",
    default="auto",
    show_default=True,
    help="Where models compute: auto, cpu, cuda or cuda:N.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 512),
    help="How many windows a model is asked at once, at most.",
)
@click.option(
    "--deadline",
    type=DURATION,
    default="4s",
    show_default=True,
    help="How long a daemon would wait for a forecast; misses are counted.",
)
@click.option(
    "--retry-failed", is_flag=True, help="Ask models again for windows they are known to fail on."
)
@click.option("--config", metavar="NAME|FILE", help="A ready-made configuration, or a file.")
@click.option("--offline", is_flag=True, default=None, help="Never let models use the network.")
@json_option
def compare(
    *,
    patterns: tuple[str, ...],
    models: str,
    out: Path,
    baseline: str,
    metric: str,
    formats: str,
    where: str,
    jobs: int | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - click's
) -> None:
    """Compare models on the same traces: a leaderboard, a report, and rows to go on with.

    What is computed is kept in --out, job by job: Ctrl-C or a crash loses at most what was being
    computed, the same command goes on from there, and a further model computes that model only.
    """
    from chronotick.lab.comparing import PlaceError, ResultsError, compare_traces
    from chronotick.lab.comparing.placing import check_place

    quieten_workers()
    wanted, names = _formats(formats), comma_list(models) or []
    if options["origins"] and (options["every"] or options["windows"]):
        raise click.UsageError("--origin says from when; --every and --windows have no say then")
    plugins = _plugins(names)
    _check_baseline(baseline, names)
    _check_checkpoints(options["checkpoints"], names)
    try:
        settings = _settings(options)
        check_place(out, patterns)
        traces = _traces(patterns, options)
        check_place(out, patterns, traces.traces)
        _check_season([*names, baseline], traces, given=options["season"] is not None)
        with ExitStack() as stack:
            stack.enter_context(interruptible_once())
            place = stack.enter_context(place_of(where, jobs))
            watch = stack.enter_context(progress())
            compared = compare_traces(
                names,
                traces,
                settings,
                out,
                plugins=plugins,
                command=["chronotick", *sys.argv[1:]],
                watch=watch,
                **place,
            )
        _finish(compared, wanted, baseline=baseline, metric=metric, as_json=as_json)
    except PlaceError as error:
        fail(f"--out {error}", BAD_CONFIGURATION)
    except ResultsError as error:
        fail(error)
    except KeyboardInterrupt:
        _end_interrupted()


def _plugins(names: list[str]) -> Plugins:
    from chronotick.lab.comparing.yardsticks import YARDSTICKS

    return plugins_with(*(name for name in names if name not in YARDSTICKS))


def _check_baseline(baseline: str, names: list[str]) -> None:
    from chronotick.lab.comparing.contestants import everyone

    known = everyone(names)
    if baseline not in known:
        told = f"{baseline!r} is not compared; {', '.join(known)} are"
        raise click.BadParameter(told, param_hint="--baseline")


def _check_checkpoints(given: tuple[str, ...], names: list[str]) -> None:
    from chronotick.plugin.weights import looks_like_path

    for model, weights in parse_checkpoints(given).items():
        if model not in names:
            told = f"{model!r} is not compared. Add it to --models: {','.join([*names, model])}"
            raise click.BadParameter(told, param_hint="--checkpoint")
        if looks_like_path(weights) and not Path(weights).is_dir():
            told = f"{weights}: there is no such directory"
            raise click.BadParameter(told, param_hint=f"--checkpoint {model}")


def _check_season(wanted: list[str], traces: Traces, *, given: bool) -> None:
    """Refuse ``seasonal`` where no trace has a season: it would be left out without a word."""
    if any(each.season > 1 for each in traces.traces):
        return
    notes = (note for each in traces.traces for note in each.notes if "season" in note)
    why = next(notes, "clocks have none")
    if "seasonal" not in wanted:
        if given:
            click.echo(f"--season: no trace has a season: {why}", err=True)
        return
    if not given:
        fail(
            "seasonal: no trace has a season. If these are series, say how long it is, such as "
            "--season 24h; clocks have none",
            BAD_CONFIGURATION,
        )
    fail(f"seasonal: no trace has a season in spite of --season: {why}", BAD_CONFIGURATION)


def _end_interrupted() -> NoReturn:
    click.echo("interrupted; the same command goes on from here", err=True)
    raise click.exceptions.Exit(INTERRUPTED)


def _formats(text: str) -> list[str]:
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [each for each in wanted if each not in {"html", "md", "none"}]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r}: html, md or none", param_hint="--format")
    return [each for each in wanted if each != "none"]


def _settings(options: dict[str, Any]) -> Settings:
    import os

    from chronotick.config import ConfigError, load
    from chronotick.config.shipped import named_file
    from chronotick.lab.comparing import Origins, Preparation, Settings
    from chronotick.lab.comparing.sessions import MOST_BATCH

    overrides: dict[str, object] = {
        "workers.checkpoints": parse_checkpoints(options["checkpoints"]),
        "workers.offline": options["offline"],
        "short_term.device": options["device"],  # its schema knows what a device is
    }
    try:
        loaded = load(named_file(options["config"]), os.environ, overrides)
    except ConfigError as error:
        fail(error, BAD_CONFIGURATION)
    origins = Origins(
        warm_up_s=options["warm_up"],
        every_s=options["every"],
        windows=options["windows"],
        exactly_s=options["origins"],
    )
    return Settings(
        preparation=Preparation(
            horizons_s=options["horizons"],
            context=options["context"],
            origins=origins,
            clock=loaded.config.clock,
        ),
        workers=loaded.config.workers,
        device=options["device"],
        most_batch=options["batch"] or MOST_BATCH,
        deadline_s=options["deadline"],
        retry_failed=options["retry_failed"],
        reading=tuple(_reading(options["config"])),
    )


def _reading(config: str | None) -> Iterator[str]:
    """The option of the configuration, for the results: they are read from anywhere."""
    if config is not None:
        yield from ("--config", str(Path(config).absolute()) if Path(config).is_file() else config)


def _traces(patterns: tuple[str, ...], options: dict[str, Any]) -> Traces:
    from chronotick.lab.traces import read_traces

    traces = read_traces(
        patterns,
        kind=options["kind"],
        value=options["value"],
        unit=options["unit"],
        host=options["host"],
        season_s=options["season"],
    )
    if not traces.traces:
        for problem in traces.problems:
            click.echo(f"left out: {problem.name or problem.path}: {problem.reason}", err=True)
        fail("no trace can be used", BAD_CONFIGURATION)
    return traces


def _finish(
    compared: Comparison, formats: list[str], *, baseline: str, metric: str, as_json: bool
) -> None:
    from chronotick.cli.results import show, show_problems, told, write_report

    interrupted = bool(compared.runs[-1].get("interrupted"))
    if compared.is_empty:
        show_problems(compared)
        if interrupted:
            _end_interrupted()
        fail("nothing was computed: no trace has a window with something to judge a forecast by")
    if as_json:
        print_json(told(compared, metric=metric, baseline=baseline))
    else:
        show(compared, metric=metric, baseline=baseline)
    for each in formats:
        write_report(compared, compared.directory / f"report.{each}", metric, baseline)
    if interrupted:
        _end_interrupted()
    silent = compared.silent()
    if silent:
        fail(f"no forecast at all from {', '.join(silent)}; the results hold the others'")
