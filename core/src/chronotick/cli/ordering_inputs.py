"""What ``chronotick lab order`` is asked: nodes, methods and settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.output import BAD_CONFIGURATION, fail
from chronotick.cli.replaying import configured
from chronotick.cli.run import comma_list

if TYPE_CHECKING:
    from chronotick.lab.ordering import Method, Node, Settings

METHODS = ("raw", "last", "line", "kalman", "zoo")


def settings_of(options: dict[str, Any]) -> Settings:
    from chronotick.lab.ordering import Settings
    from chronotick.lab.ordering.emulating import TRUTH_ERROR_S

    error_s = options["truth_error"]
    if error_s is None:
        error_s = TRUTH_ERROR_S if options["over"] else 0.0
    try:
        made = Settings(
            events=options["events"],
            waits=min(options["waits"], options["events"]),
            confidences=_confidences(options["confidence"]),
            warm_up_s=options["warm_up"],
            seed=options["seed"],
            bootstrap=options["bootstrap"],
        )
        return replace(made, least_s=max(made.least_s, 2.0 * error_s))
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _confidences(told: str) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in told.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{told!r} is no list of numbers such as 0.95,0.999.", param_hint="--confidence"
        ) from None


def methods_of(told: str, options: dict[str, Any]) -> dict[str, Method]:
    """The methods that are asked for, in that order, without starting any."""
    from chronotick.config import ConfigError
    from chronotick.lab.ordering import BASELINES, Daemon

    names = comma_list(told) or []
    unknown = [name for name in names if name not in METHODS]
    if unknown or not names:
        raise click.BadParameter(
            f"{', '.join(unknown) or 'nothing'} is none of {', '.join(METHODS)}.",
            param_hint="--methods",
        )
    models = {"kalman": "kalman", "zoo": options["models"]}
    try:
        return {
            name: BASELINES.get(name) or Daemon(*configured({**options, "models": models[name]}))
            for name in names
        }
    except ConfigError as error:
        fail(error, BAD_CONFIGURATION)


def nodes_of(
    told: Sequence[str], options: dict[str, Any], place: Path, *, force: bool
) -> list[Node]:
    from chronotick.lab.ordering import open_node

    if options["simulate"] is None and (options["worlds"] or options["duration"]):
        raise click.UsageError("--worlds and --duration are for nodes that --simulate makes.")
    if options["over"] is not None:
        if not told:
            raise click.UsageError("--over measures NODEs anew. Name some.")
        return [*_emulated(told, options), *_simulated(options, place, force=force)]
    return [*map(open_node, told), *_simulated(options, place, force=force)]


def _emulated(told: Sequence[str], options: dict[str, Any]) -> list[Node]:
    from chronotick.lab.ordering import emulated_node

    networks = comma_list(options["over"]) or []
    if not networks:
        raise click.BadParameter("name a network, e.g. dc.", param_hint="--over")
    try:
        return [
            emulated_node(path, networks[number % len(networks)], seed=options["seed"] + number)
            for number, path in enumerate(told)
        ]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--over") from None


def _simulated(options: dict[str, Any], place: Path, *, force: bool) -> list[Node]:
    from chronotick.lab.ordering import simulated_nodes
    from chronotick.lab.ordering.simulating import DURATION_S, WORLDS

    if options["simulate"] is None:
        return []
    try:
        return simulated_nodes(
            options["simulate"],
            place,
            worlds=comma_list(options["worlds"]) or WORLDS,
            duration_s=options["duration"] or DURATION_S,
            seed=options["seed"],
            force=force,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        fail(f"--out: {f'{error.filename}: {error.strerror}.' if error.errno else error}")
