"""Commands that read the published record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.asking import socket_option
from chronotick.cli.numbers import ABOVE_ZERO, COUNT, FROM_ZERO, PAUSE
from chronotick.cli.output import (
    BAD_CONFIGURATION,
    NO_DAEMON,
    NOT_SYNCHRONISED,
    fail,
    interruptible,
    json_option,
    print_json,
    seconds,
)

if TYPE_CHECKING:
    from chronotick.client import DetailedTime, Now

shm_option = click.option(
    "--shm",
    type=click.Path(path_type=Path),
    help="The record (default: $CHRONOTICK_SHM or /dev/shm).",
)


def _take(shm: Path | None) -> tuple[DetailedTime, Now]:
    """One reading, both halves of the same instant; raises what the client raises."""
    from chronotick.client.detailed import detailed_at
    from chronotick.client.served import ServedClock
    from chronotick.shm.record import interval_at

    record, raw_ns = ServedClock(shm).read()
    detailed = detailed_at(record, raw_ns)
    return detailed, interval_at(record, raw_ns)._replace(status=detailed.status)


def _reading(shm: Path | None) -> tuple[DetailedTime, Now]:
    """One reading, or the end with the exit code that says why there is none."""
    from chronotick.client import ClockUnsynchronised, DaemonUnavailable

    try:
        return _take(shm)
    except DaemonUnavailable as error:
        fail(error, NO_DAEMON)
    except ClockUnsynchronised as error:
        fail(error, NOT_SYNCHRONISED)


def _fields(detailed: DetailedTime, now: Now) -> dict[str, Any]:
    return {
        "time_ns": now.estimate_ns,
        "earliest_ns": now.earliest_ns,
        "latest_ns": now.latest_ns,
        "sigma_ns": now.sigma_ns,
        "utc": _utc(now.estimate_ns),
        "system_time": detailed.raw_timestamp,
        "offset_correction_s": detailed.offset_correction,
        "confidence": detailed.confidence,
        "source": detailed.source,
        "status": now.status.words,
    }


def _utc(time_ns: int) -> str:
    from chronotick.client.instants import iso8601

    return iso8601(time_ns, "Z")


def _exit_unless_synchronised(now: Now) -> None:
    from chronotick.shm.record import READY

    if now.status not in READY:
        raise click.exceptions.Exit(NOT_SYNCHRONISED)


@click.command()
@shm_option
@json_option
def read(shm: Path | None, *, as_json: bool) -> None:
    """Read the time once."""
    detailed, now = _reading(shm)
    if as_json:
        print_json(_fields(detailed, now))
    else:
        width_s = (now.latest_ns - now.earliest_ns) / 2e9
        click.echo(f"time      {_utc(now.estimate_ns)}  ({now.estimate_ns / 1e9:.6f})")
        click.echo(f"bound     +-{seconds(width_s)}: true time is inside")
        click.echo(f"sigma     {seconds(now.sigma_ns * 1e-9)} standard uncertainty")
        click.echo(f"system    {seconds(-detailed.offset_correction, signed=True)} from it")
        click.echo(
            f"status    {now.status.words}, source {detailed.source}, "
            f"confidence {detailed.confidence:.2f}"
        )
    _exit_unless_synchronised(now)


@click.command("json")
@shm_option
@click.option("--pretty", is_flag=True, help="Indent.")
def json_command(shm: Path | None, *, pretty: bool) -> None:
    """Print one reading as JSON."""
    detailed, now = _reading(shm)
    print_json(_fields(detailed, now), pretty=pretty)
    _exit_unless_synchronised(now)


@click.command()
@shm_option
@click.option(
    "--interval", type=PAUSE, default=1.0, show_default=True, help="Seconds between lines."
)
@click.option("--count", type=COUNT, help="Stop after this many lines (default: never).")
@click.option("as_json", "--json", is_flag=True, help="Print JSON lines.")
@click.option(
    "--tui", is_flag=True, help="Show sources, models and courses on the whole terminal instead."
)
@socket_option
@interruptible
def monitor(
    shm: Path | None,
    *,
    interval: float,
    count: int | None,
    as_json: bool,
    tui: bool,
    socket_path: Path | None,
) -> None:
    """Print the time, its bound and its state, one line per interval.

    With --tui a screen that says what the daemon does: q ends it, p holds it still, s and m go to
    sources and models, z gives them the whole screen, t is for light terminals.
    """
    import itertools
    import time

    if tui:
        if as_json or count is not None:
            raise click.UsageError("--tui shows a screen: leave --json and --count out.")
        _show_screen(shm, socket_path, interval)
        return
    try:
        for number in itertools.count(1):
            _print_line(shm, as_json=as_json)
            if number == count:
                return
            time.sleep(interval)
    except BrokenPipeError:  # the reader has seen enough: that is no failure
        _print_nowhere()


def _print_nowhere() -> None:
    """Let what is still to be written go nowhere, or the interpreter would complain at its end."""
    import os
    import sys

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_screen(shm: Path | None, socket_path: Path | None, interval: float) -> None:
    import sys

    try:
        from chronotick.tui.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        fail("this needs more packages. Run: pip install 'chronotick[tui]'")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        fail("--tui needs a terminal. Leave it out to print lines", BAD_CONFIGURATION)
    run(shm, socket_path, interval)


def _print_line(shm: Path | None, *, as_json: bool) -> None:
    from chronotick.client import ChronoTickError

    try:
        detailed, now = _take(shm)
    except ChronoTickError as error:
        # The monitor goes on: a daemon that is restarted is what it is watched for.
        if as_json:
            print_json({"error": str(error)}, pretty=False)
        else:
            click.echo(f"no time: {error}")
        return
    if as_json:
        print_json(_fields(detailed, now), pretty=False)
        return
    width_s = (now.latest_ns - now.earliest_ns) / 2e9
    click.echo(
        f"{_utc(now.estimate_ns)}  +-{seconds(width_s):<9}  sigma {seconds(now.sigma_ns * 1e-9):<9}"
        f"  system {seconds(-detailed.offset_correction, signed=True):<10}"
        f"  {now.status.words} ({detailed.source})"
    )


@click.command()
@shm_option
@click.option(
    "--timeout",
    type=FROM_ZERO,
    default=60.0,
    show_default=True,
    help="Give up after this time (s); 0: look once.",
)
@click.option(
    "--max-error", type=ABOVE_ZERO, help="Also wait until the hard bound is below this (s)."
)
@click.option("as_json", "--json", is_flag=True, help="Print the reading as JSON.")
@interruptible
def waitsync(shm: Path | None, *, timeout: float, max_error: float | None, as_json: bool) -> None:
    """Wait until the clock is synchronised; exit code 3 or 4 if it is not in time."""
    import time

    from chronotick.client import ClockUnsynchronised, DaemonUnavailable
    from chronotick.shm.record import READY

    deadline, why, code = time.monotonic() + timeout, "the bound is wider", NOT_SYNCHRONISED
    while True:
        try:
            detailed, now = _take(shm)
            bound_s = (now.latest_ns - now.earliest_ns) / 2e9
            if now.status in READY and (max_error is None or bound_s <= max_error):
                if as_json:
                    print_json(_fields(detailed, now))
                return
            wanted = "" if max_error is None else f", {seconds(max_error)} was asked for"
            why, code = f"{now.status.words}, bound {seconds(bound_s)}{wanted}", NOT_SYNCHRONISED
        except DaemonUnavailable as error:
            why, code = str(error), NO_DAEMON
        except ClockUnsynchronised as error:
            why, code = str(error), NOT_SYNCHRONISED
        if time.monotonic() >= deadline:
            fail(f"not good enough within {timeout:g} s: {why}", code)
        time.sleep(0.05)
