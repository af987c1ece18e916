"""``chronotick neighbours``: hand the served time on to NTP clients, chronyd and ClockBound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from chronotick.cli.beside import beside
from chronotick.cli.numbers import PAUSE, FiniteRange
from chronotick.cli.output import FAILED, fail
from chronotick.cli.settings import config_option, load_settings

if TYPE_CHECKING:
    from chronotick.neighbours.serving import Plan

HERE = ""  # --clockbound without a path
DIRECTORY_MODE = 0o755  # clients of other users map the segment
NTP_RATE = FiniteRange(min=0, min_open=True, max=1_000_000)
Command = TypeVar("Command", bound=Callable[..., object])


def _ntp_options(command: Command) -> Command:
    where = click.option(
        "--ntp",
        "ntp",
        multiple=True,
        metavar="HOST:PORT",
        help="Answer NTP clients here, e.g. 127.0.0.1:11223 or [::1]:123. May be repeated.",
    )
    rate = click.option(
        "--ntp-rate",
        type=NTP_RATE,
        default=20.0,
        show_default=True,
        help="Questions per second that one client address is answered.",
    )
    return where(rate(command))


def _sock_options(command: Command) -> Command:
    where = click.option(
        "--sock",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Feed the chronyd (`refclock SOCK`) or ntpd-rs that listens here. May be repeated.",
    )
    interval = click.option(
        "--sock-interval",
        type=PAUSE,
        default=1.0,
        show_default=True,
        help="Seconds between two samples.",
    )
    return where(interval(command))


def _source_options(command: Command) -> Command:
    record = click.option(
        "--shm",
        type=click.Path(path_type=Path),
        help="The record (default: shm.path of the configuration).",
    )
    control = click.option(
        "--socket",
        "control",
        type=click.Path(path_type=Path),
        help="The daemon's control socket (default: control.socket of the configuration).",
    )
    level = click.option("--log-level", help="DEBUG, INFO, WARNING or ERROR.")
    return config_option(record(control(level(command))))


@click.command()
@_ntp_options
@_sock_options
@click.option(
    "--clockbound",
    type=click.Path(path_type=Path),
    is_flag=False,
    flag_value=HERE,
    metavar="[PATH]",
    help="Write a ClockBound 2 segment, without PATH into clockbound.shm0 beside the control "
    "socket.",
)
@_source_options
def neighbours(
    *,
    ntp: tuple[str, ...],
    ntp_rate: float,
    sock: tuple[Path, ...],
    sock_interval: float,
    clockbound: Path | None,
    config_path: Path | None,
    shm: Path | None,
    control: Path | None,
    log_level: str | None,
) -> None:
    """Hand the served time on to other programs until stopped (SIGTERM, Ctrl-C).

    The daemon need not run yet, and may be restarted meanwhile: while nobody vouches for a time,
    NTP clients are told so, and chronyd and ClockBound clients too.
    """
    from chronotick.cli.lifeline import end_with_parent
    from chronotick.daemon.logs import configure_logging
    from chronotick.neighbours.serving import Plan

    if not (ntp or sock or clockbound is not None):
        raise click.UsageError("Nobody to give the time: use --ntp, --sock or --clockbound.")
    servers = [_address(text) for text in ntp]
    overrides = {
        "shm.path": str(shm) if shm else None,
        "control.socket": str(control) if control else None,
        "logging.level": log_level.upper() if log_level else None,
    }
    config = load_settings(config_path, overrides).config
    configure_logging(config.logging)
    end_with_parent()
    if clockbound == Path(HERE):
        clockbound = beside(config.control.socket, "clockbound.shm0", DIRECTORY_MODE)
    plan = Plan(
        record=config.shm.path,
        control=config.control.socket,
        ntp=servers,
        ntp_rate=ntp_rate,
        sock=sock,
        sock_interval_s=sock_interval,
        clockbound=clockbound,
    )
    _serve(plan)


def _serve(plan: Plan) -> None:
    import asyncio

    from chronotick.neighbours.problem import NeighbourError
    from chronotick.neighbours.serving import serve

    try:
        asyncio.run(serve(plan))
    except NeighbourError as error:
        fail(error, FAILED)


def _address(text: str) -> tuple[str, int]:
    from chronotick.config.tcp import parse_host_port

    try:
        address = parse_host_port(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--ntp") from None
    return address.host, address.port
