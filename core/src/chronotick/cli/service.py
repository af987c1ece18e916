"""``chronotick service``: run by the host itself, from its start on."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from chronotick.cli.output import FAILED, NO_DAEMON, fail, json_option, print_json
from chronotick.cli.settings import config_option

if TYPE_CHECKING:
    from chronotick.service import Plan
    from chronotick.service.systemd import Place, Scope

Command = TypeVar("Command", bound=Callable[..., object])

MAC = sys.platform == "darwin"


def _scope_option(command: Command) -> Command:
    system = click.option(
        "--system",
        "scope",
        flag_value="system",
        help="For the whole host, as a user of its own (the default for root).",
    )
    user = click.option("--user", "scope", flag_value="user", help="For this user.")
    return system(user(command))


def _plan_options(command: Command) -> Command:
    root = click.option(
        "--root",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        metavar="DIR",
        help="Work on the image of a system below DIR, and start nothing.",
    )
    force = click.option(
        "--force", is_flag=True, help="Also replace files that somebody else wrote or changed."
    )
    dry = click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
    return _scope_option(root(force(dry(command))))


@click.group()
def service() -> None:
    """Install the daemon as a service of systemd (macOS: launchd)."""


@service.command()
@_plan_options
@click.option(
    "--with",
    "companions",
    type=click.Choice(("http", "neighbours", "worker")),
    multiple=True,
    help="Also a service of its own for this. May be repeated; --system only.",
)
@click.option("--models", is_flag=True, help="Let the daemon start models of torch; --system only.")
@click.option("--gpu", is_flag=True, help="Let these models use GPUs; --system only.")
@config_option
@click.option(
    "--program",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What is run (default: the chronotick that this is).",
)
@click.option("--no-start", is_flag=True, help="Only from the next start of the host on.")
def install(
    *,
    scope: Scope | None,
    root: Path | None,
    force: bool,
    dry_run: bool,
    companions: tuple[str, ...],
    models: bool,
    gpu: bool,
    config_path: Path | None,
    program: Path | None,
    no_start: bool,
) -> None:
    """Write the service's files, let it start with the host, and start it.

    A configuration that is wrong is refused before anything is written. To be said again after an
    update, or to add a part: what is there is written anew.
    """
    from chronotick.service import launchd, systemd

    place = _place(scope, root)
    _require_root(place, dry_run=dry_run)
    if place.scope == "user" and (companions or models or gpu):
        raise click.UsageError(
            "--with, --models and --gpu are for --system: a user's service may start models as it "
            "is, and HTTP server and neighbours by its configuration (http, neighbours)."
        )
    variants = [name for name, wanted in (("models", models), ("gpu", gpu)) if wanted]
    config = config_path.absolute() if config_path else None
    with _told():
        runs = _checked(place, program, config)
        if MAC:
            plan = launchd.to_install(runs, config, start=not no_start)
        else:
            plan = systemd.to_install(
                place,
                runs,
                companions=companions,
                variants=variants,
                config=config,
                start=not no_start,
            )
        _do(plan, force=force, dry_run=dry_run)
    for remark in _remarks(place):
        click.echo(remark)


@service.command()
@_plan_options
def uninstall(*, scope: Scope | None, root: Path | None, force: bool, dry_run: bool) -> None:
    """End the service and remove its files. What it learnt, and its user, stay."""
    from chronotick.service import launchd, systemd

    place = _place(scope, root)
    _require_root(place, dry_run=dry_run)
    with _told():
        plan = launchd.to_uninstall() if MAC else systemd.to_uninstall(place)
        if not plan:
            click.echo("nothing to do: no service of ChronoTick is installed here")
            return
        _do(plan, force=force, dry_run=dry_run)
    if place.scope == "system" and not MAC:
        click.echo(
            "kept: user chronotick, /etc/chronotick, /var/lib/chronotick and /var/cache/chronotick"
        )


@service.command()
@_scope_option
@json_option
def status(*, scope: Scope | None, as_json: bool) -> None:
    """Tell what the host says of the service, and which line to mend.

    Exit code 3 if the daemon's service does not run.
    """
    from chronotick.service import health

    place = _place(scope, None)
    with _told():
        if MAC:
            _show_agent()
            return
        units = [health.ask(place, name) for name in place.installed()]
    if as_json:
        print_json([asdict(unit) for unit in units])
    else:
        if not units:
            click.echo(f"not installed. {_elsewhere(scope, place)}")
        for unit in units:
            click.echo(f"{unit.name}: {unit.state}{f': {unit.says}' if unit.says else ''}")
            for problem in unit.problems:
                click.echo(f"  {problem}")
    if not units or not units[0].active:
        raise click.exceptions.Exit(NO_DAEMON)


def _elsewhere(scope: Scope | None, place: Place) -> str:
    """What to do where there is no service, if the one that is there was not asked for by name."""
    from chronotick.service.systemd import Place

    other = Place("user" if place.scope == "system" else "system")
    if scope is None and any(other.installed()):
        whose = "This user has one" if other.scope == "user" else "The host has one"
        return f"{whose}. Run: chronotick service status --{other.scope}"
    return "Run: chronotick service install"


def _show_agent() -> None:
    import subprocess

    from chronotick.service import launchd

    done = subprocess.run(launchd.question(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        fail("not loaded. Run: chronotick service install", NO_DAEMON)
    click.echo(done.stdout)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """End the command with the sentence of a ServiceError."""
    from chronotick.service import ServiceError

    try:
        yield
    except ServiceError as error:
        fail(error, FAILED)


def _place(scope: Scope | None, root: Path | None) -> Place:
    from chronotick.service.systemd import Place

    if root is not None and scope == "user":
        raise click.UsageError("--root is for --system: an image has no user that is logged in.")
    if MAC and (scope == "system" or root):
        raise click.UsageError("On macOS there is --user only, and no --root.")
    usual: Scope = "system" if not MAC and (root or os.geteuid() == 0) else "user"
    return Place(scope or usual, root.absolute() if root else None)


def _require_root(place: Place, *, dry_run: bool) -> None:
    if place.scope == "system" and place.root is None and os.geteuid() != 0 and not dry_run:
        fail("--system needs root: run it with sudo, or say --user or --dry-run")


def _do(plan: Plan, *, force: bool, dry_run: bool) -> None:
    from chronotick.service.plan import Write, carry_out, check_ours

    if not force:
        check_ours(plan)
    if dry_run:
        for step in plan:
            click.echo(step)
            if isinstance(step, Write):
                click.echo(
                    "".join(f"      | {line}\n" for line in step.text.splitlines()), nl=False
                )
        return
    carry_out(plan, click.echo)


def _checked(place: Place, program: Path | None, config: Path | None) -> Path:
    """Return the program to run, once it and its configuration are known to work here.

    Raises:
        ServiceError: the service could not run it.
    """
    from chronotick.service import check_reachable, this_program

    runs = program.absolute() if program else this_program()
    if place.root is None:
        _check_configuration(config)
        if place.scope == "system":
            check_reachable(runs)
    return runs


def _check_configuration(path: Path | None) -> None:
    """End with code 2 where the service would. Variables of this shell are not the service's."""
    from chronotick.cli.output import BAD_CONFIGURATION
    from chronotick.config import ConfigError, load

    kept = {name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME") if name in os.environ}
    try:
        load(path, kept, {})
    except ConfigError as error:
        fail(error, BAD_CONFIGURATION)


def _remarks(place: Place) -> Iterator[str]:
    if place.scope == "system" and not MAC:
        yield "readers need: CHRONOTICK_SHM=/run/chronotick/record"
        yield "who may ask for status: usermod -aG chronotick USER"
        yield "status: CHRONOTICK_CONTROL=/run/chronotick/control.sock chronotick status"
    elif not MAC:
        yield "to keep it while you are not logged in: loginctl enable-linger"
    mine = sorted(name for name in os.environ if name.startswith("CHRONOTICK_"))
    if mine:
        yield f"the service does not see {', '.join(mine)} of this shell: use the configuration"
