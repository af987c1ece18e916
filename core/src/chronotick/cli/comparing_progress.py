"""How far ``chronotick compare`` is: bars on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.bars import bars

if TYPE_CHECKING:
    from chronotick.lab.comparing import Stage

ASKED = "asked"  # the stage in which models are


@contextmanager
def progress() -> Iterator[Callable[[Stage], None]]:
    """Bars with the time left on a terminal; elsewhere a line now and then."""
    with bars("{task.description:12}") as shown:
        if shown is None:
            yield _lines()
            return
        tasks: dict[str, Any] = {}

        def show(stage: Stage) -> None:
            done, total = _sums(stage)
            if stage.name == ASKED and done and not tasks.keys() & stage.done.keys():
                shown.console.print(f"{stage.name}: {_there(done, total)}", highlight=False)
            for name, (done, total) in stage.done.items():
                if name not in tasks:  # what is there already took no time of this run
                    tasks[name] = shown.add_task(name, total=total, completed=done)
                shown.update(tasks[name], completed=done, total=total)

        yield show


def _lines() -> Callable[[Stage], None]:
    """Say it when a tenth more is done."""
    told = ("", -1)

    def show(stage: Stage) -> None:
        nonlocal told
        done, total = _sums(stage)
        tenth = 10 * done // total if total else 10
        if (stage.name, tenth) != told:
            begins = stage.name != told[0]
            told = (stage.name, tenth)
            there = begins and stage.name == ASKED and done > 0
            words = _there(done, total) if there else f"{done} of {total}"
            click.echo(f"{stage.name}: {words}", err=True)

    return show


def _sums(stage: Stage) -> tuple[int, int]:
    """How much is done of all."""
    return sum(done for done, _ in stage.done.values()), sum(of for _, of in stage.done.values())


def _there(done: int, total: int) -> str:
    """What earlier runs have left in the directory of results."""
    if done == total:
        return f"nothing to compute, all {total} are there"
    return f"{done} of {total} are there already"
