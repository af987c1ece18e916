"""``chronotick lab scenario``: the daemon's code through named disturbances, on a virtual host."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from chronotick.cli.numbers import SEED
from chronotick.cli.output import (
    FAILED,
    fail,
    interruptible,
    json_option,
    print_json,
    seconds,
    wrapped,
)

if TYPE_CHECKING:
    from chronotick.lab.scenarios import Outcome, Scenario

NAME_WIDTH = 15
HEADER = "SCENARIO         HELD  RECOVERY  ERROR     BOUND     OUTSIDE  STATUSES"


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--list", "listed", is_flag=True, help="Say what each scenario is, and run none.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Chance.")
@click.option(
    "--markdown", is_flag=True, help="Print the table of the documentation, with these figures."
)
@json_option
@interruptible
def scenario(
    *, names: tuple[str, ...], listed: bool, seed: int, markdown: bool, as_json: bool
) -> None:
    """Run the daemon through disturbances with known truth: all of them, or those NAMED.

    Steps of the system clock, suspend, lost and lying servers, leap seconds, the end of NTP's era:
    on a virtual clock and virtual sockets, so that an hour takes about a second. Ends with 1 if
    anything did not hold.
    """
    if markdown and (as_json or listed):
        raise click.UsageError("--markdown stands alone: leave out --json and --list.")
    chosen = _chosen(names)
    if listed:
        _list(chosen, as_json=as_json)
        return
    outcomes = _run(chosen, seed, quiet=as_json or markdown)
    if as_json:
        print_json({"seed": seed, "scenarios": [outcome.as_json() for outcome in outcomes]})
    if markdown:
        _print_markdown(chosen, outcomes)
    if not all(outcome.passed for outcome in outcomes):
        raise click.exceptions.Exit(FAILED)


def _chosen(names: Sequence[str]) -> list[Scenario]:
    from chronotick.lab.scenarios import SCENARIOS

    for name in names:
        if name not in SCENARIOS:
            near = difflib.get_close_matches(name, SCENARIOS, n=1)
            suggestion = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(
                f"there is no scenario {name!r}.{suggestion} `chronotick lab scenario --list` has "
                "them all."
            )
    return [SCENARIOS[name] for name in names or SCENARIOS]


def _list(scenarios: Sequence[Scenario], *, as_json: bool) -> None:
    if as_json:
        rows = [{"name": s.name, "happens": s.happens, "asserts": s.asserts} for s in scenarios]
        print_json({"scenarios": rows})
        return
    for each in scenarios:
        text = f"{each.name:{NAME_WIDTH}}  {each.happens}. Asserted: {each.asserts}."
        click.echo(wrapped(text, indent=NAME_WIDTH + 2))


def _run(scenarios: Sequence[Scenario], seed: int, *, quiet: bool) -> list[Outcome]:
    from chronotick.lab.scenarios import check_packages, run
    from chronotick.ntp.nts import KeyExchangeError

    try:
        check_packages(scenarios)
    except KeyExchangeError as error:
        fail(error)
    outcomes = []
    if not quiet:
        click.echo(HEADER)
    for each in scenarios:
        outcome = run(each, seed)
        outcomes.append(outcome)
        if not quiet:
            _print(outcome)
    return outcomes


def _print(outcome: Outcome) -> None:
    cells = (
        f"{outcome.name:{NAME_WIDTH}}",
        f"{'yes' if outcome.passed else 'NO':4}",
        f"{_recovery(outcome):8}",
        f"{seconds(outcome.error_s):8}",
        f"{seconds(outcome.bound_s):8}",
        f"{outcome.outside:7}",
        _statuses(outcome),
    )
    click.echo("  ".join(cells))
    for failure in outcome.failures:
        click.echo(wrapped(f"    {failure}", indent=6))


def _recovery(outcome: Outcome) -> str:
    return "never" if outcome.recovery_s is None else f"{outcome.recovery_s:.0f} s"


def _statuses(outcome: Outcome) -> str:
    return " > ".join(status.words for status in outcome.statuses)


def _print_markdown(scenarios: Sequence[Scenario], outcomes: Sequence[Outcome]) -> None:
    click.echo("| scenario | what happens | what is asserted | recovery | error | bound |")
    click.echo("|---|---|---|---|---|---|")
    for each, outcome in zip(scenarios, outcomes, strict=True):
        asserts = each.asserts if outcome.passed else f"{each.asserts} (**does not hold**)"
        figures = _recovery(outcome), seconds(outcome.error_s), seconds(outcome.bound_s)
        click.echo(f"| `{' | '.join((f'{each.name}`', each.happens, asserts, *figures))} |")
