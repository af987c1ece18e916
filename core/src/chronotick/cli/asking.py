"""Commands that ask a running daemon over its control socket."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from chronotick.cli.output import NO_DAEMON, fail, json_option, print_json, seconds, table

HOLDOVER_S = 64.0  # horizons from which on coverage is told one by one
ENOUGH = 20.0  # judgements below which a coverage says nothing: one miss would be 5 %

socket_option = click.option(
    "--socket",
    "socket_path",
    type=click.Path(path_type=Path),
    help="Control socket of the daemon (default: $CHRONOTICK_CONTROL or the runtime directory).",
)


def ask_daemon(method: str, socket_path: Path | None) -> Any:  # noqa: ANN401 - any JSON type
    """Ask the daemon, or end with code 3 if none answers."""
    from chronotick.client.control import ask
    from chronotick.client.errors import ChronoTickError

    try:
        return ask(method, socket_path=socket_path)
    except ChronoTickError as error:
        fail(error, NO_DAEMON)


@click.command()
@json_option
@socket_option
def status(*, as_json: bool, socket_path: Path | None) -> None:
    """Show what the daemon is doing and what the time is worth."""
    answer = ask_daemon("status", socket_path)
    if as_json:
        print_json(answer)
        return
    click.echo("\n".join(_status_lines(answer)))


def _status_lines(answer: dict[str, Any]) -> list[str]:
    clock = answer["clock"]
    since = seconds(answer["status_since_s"])
    lines = [f"status      {answer['status']} for {since} ({answer['reason']})"]
    if clock:
        age = clock["last_measurement_age_s"]
        lines += [
            f"bound       {seconds(clock['bound_s'])} hard, sigma {seconds(clock['sigma_s'])}",
            f"system      {seconds(clock['system_minus_utc_s'], signed=True)} from served time",
            f"frequency   {clock['frequency_ppm']:+.4f} ppm (CLOCK_MONOTONIC_RAW to UTC)",
            f"measured    {clock['measurements']} times, last {seconds(age)} ago",
            f"coverage    {clock['coverage']:.1%} of 95 % intervals{_by_horizon(clock)}",
        ]
    believed = ", ".join(answer["sources_believed"]) or "none"
    weights = ", ".join(f"{name} {w:.2f}" for name, w in answer["weights"].items()) or "none"
    states = ", ".join(f"{name} {state}" for name, state in answer["models"].items()) or "none"
    published = answer["publication"]
    lines += [
        f"sources     {believed}",
        f"weights     {weights}",
        f"models      {states}",
        f"published   {published['published']} records in {published['path']}",
        f"rate        {published['frequency_hz']:g} Hz, {published['missed']} ticks missed",
        f"daemon      {answer['version']}, pid {answer['pid']}, {answer['daemon_memory_mb']} MiB",
        f"up          {answer['daemon_uptime']:.0f} s",
    ]
    lines += [f"watchdog    {_watched(told)}"] if (told := answer.get("watchdog")) else []
    lines += [f"weightless  {name}: {why}" for name, why in answer.get("demoted", {}).items()]
    return lines + [f"problem     {problem}" for problem in answer["problems"]]


def _watched(told: dict[str, Any]) -> str:
    """What the watchdog found last."""
    pool = f"pool of {told['pool']}"
    if told["verdict"] is None:
        return f"has asked nobody yet, {pool}"
    answered = (
        f"{told['answered']} of {told['asked']} answered {seconds(told['age_s'])} ago, {pool}"
    )
    if told["offset_s"] is None:
        return f"{told['verdict']}: {answered}"
    apart = f"{seconds(told['offset_s'], signed=True)} from served time"
    return f"{told['verdict']}: {apart}, {seconds(told['allowed_s'])} allowed, {answered}"


def _by_horizon(clock: dict[str, Any]) -> str:
    """Coverage of forecasts a minute old and older, and how many judgements each comes from."""
    rows = [row for row in clock.get("coverage_by_horizon", ()) if row["horizon_s"] >= HOLDOVER_S]
    told = ", ".join(f"{_covered(row)} {seconds(row['horizon_s'])} ahead" for row in rows)
    return f"; {told}" if told else ""


def _covered(row: dict[str, Any]) -> str:
    """A coverage with the number of judgements behind it, if those are enough to say any."""
    judgements = math.floor(row["judgements"])
    figure = f"{row['coverage']:.1%}" if row["judgements"] >= ENOUGH else "too few"
    return f"{figure} ({judgements} judged)"


@click.command()
@json_option
@socket_option
def sources(*, as_json: bool, socket_path: Path | None) -> None:
    """Show every time server, and why it is used or not (one letter)."""
    answer = ask_daemon("sources", socket_path)
    if as_json:
        print_json(answer)
        return
    header = ("", "source", "st", "poll", "reach", "age", "system is", "delay", "bound", "why")
    click.echo(table([_source_row(source) for source in answer], header))


def _source_row(source: dict[str, Any]) -> list[object]:
    offset = source["system_offset_s"]
    failed = source["reach"] == "0" and source["last_error"]
    return [
        source["reason"],
        source["id"],
        source["stratum"] or "-",
        seconds(source["poll_s"]),
        source["reach"],
        seconds(source["age_s"]),
        seconds(None if offset is None else -offset, signed=True),
        seconds(source["delay_s"]),
        seconds(source["root_distance_s"]),
        f"{source['reason_words']}: {source['last_error']}" if failed else source["reason_words"],
    ]
