"""``chronotick lab order``: the order of events on several nodes."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.choosing import checkpoints_option, quieten_workers
from chronotick.cli.durations import DURATION, DURATION_OR_NONE
from chronotick.cli.numbers import COUNT, FROM_ZERO, SEED
from chronotick.cli.ordering_inputs import METHODS, methods_of, nodes_of, settings_of
from chronotick.cli.ordering_report import show
from chronotick.cli.output import fail, interruptible, json_option, print_json

if TYPE_CHECKING:
    from chronotick.lab.ordering import Method, Node, Settings, Study

NODES = "nodes"
"""Folder of the simulated nodes in ``--out``."""


@click.command(name="order")
@click.argument("nodes", nargs=-1, metavar="[NODE]...")
@click.option(
    "--simulate", type=COUNT, metavar="N", help="Simulate N nodes, with seeds of their own."
)
@click.option("--worlds", help="Their networks and clocks, in turn, separated by commas.")
@click.option("--duration", type=DURATION, help="How long they are simulated (default: 6h).")
@click.option(
    "--over",
    metavar="NETWORKS",
    help="NODEs are true offsets of clocks (GNSS), to be measured over these simulated networks in "
    "turn: dc,wan,wifi.",
)
@click.option(
    "--truth-error",
    type=FROM_ZERO,
    help="How wrong the truth may be, in s: no events closer than twice that (default: 0, with "
    "--over 2e-6).",
)
@click.option(
    "--methods", default=",".join(METHODS), show_default=True, help="How nodes know the time."
)
@click.option("--models", default="kalman,line,hold", show_default=True, help="Of the method zoo.")
@click.option("--config", metavar="NAME|FILE", help="A ready-made configuration, or a file.")
@checkpoints_option
@click.option("--device", help="Where models compute: auto, cpu, cuda or cuda:N.")
@click.option("--offline", is_flag=True, default=None, help="Never let models use the network.")
@click.option("--events", type=COUNT, default=10_000, show_default=True, help="Pairs of events.")
@click.option(
    "--waits", type=COUNT, default=2_000, show_default=True, help="Events that are waited for."
)
@click.option(
    "--confidence",
    default="0.95,0.99,0.999",
    show_default=True,
    help="Of the intervals, separated by commas; hard bounds come on top.",
)
@click.option(
    "--warm-up",
    type=DURATION_OR_NONE,
    default="1h",
    show_default=True,
    help="Beginning of each node without events.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Chance.")
@click.option(
    "--bootstrap",
    type=click.IntRange(min=0, max=100_000),
    default=1_000,
    show_default=True,
    help="Resamples of the node pairs.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Directory for rows, scores and the figure."
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@json_option
@interruptible
def order(
    nodes: tuple[str, ...],
    *,
    methods: str,
    out: Path | None,
    force: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - click's
) -> None:
    """Decide the order of events stamped on several NODEs, and count what is wrong.

    A NODE is a directory as `lab simulate` writes it, a file of measurements with truth.csv.gz
    beside it, or MEASUREMENTS=TRUTH. True times of all nodes count from the same origin.

    Pairs of events are drawn at random, 1 us to 100 ms apart. Each node stamps its event with what
    it knew then: by the raw clock, the last offset, a straight line, the daemon with its own filter
    (kalman) or with more models (zoo). From intervals of each confidence and from hard bounds
    follows before, after or unknown.
    """
    from chronotick.lab.ordering import OrderingError
    from chronotick.lab.recordings import RecordingError
    from chronotick.lab.replaying import ModelUnavailableError, NothingToReplayError

    quieten_workers()
    settings = settings_of(options)
    chosen = methods_of(methods, options)
    if out is not None:
        _check_out(out, force=force)
    try:
        with _place(out) as place:
            opened = nodes_of(nodes, options, place, force=force)
            study = _study(opened, chosen, settings)
    except (OrderingError, RecordingError, NothingToReplayError, ModelUnavailableError) as error:
        fail(error)
    if out is not None:
        _write(study, out)
    if as_json:
        print_json(study.as_dict())
    else:
        show(study)


def _check_out(out: Path, *, force: bool) -> None:
    """See, before anything is computed, that the results can be written."""
    try:
        from chronotick.lab.ordering.writing import FILES
    except ImportError as error:
        fail(f"--out needs {error.name}. Run: pip install 'chronotick[lab]'")
    there = [name for name in FILES if (out / name).exists()]
    if there and not force:
        fail(f"--out: {out} already holds {', '.join(there)}. Give another one, or --force.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"--out: {out}: {error.strerror}.")


@contextmanager
def _place(out: Path | None) -> Iterator[Path]:
    """Where simulated nodes are kept."""
    if out is not None:
        yield out / NODES
        return
    with tempfile.TemporaryDirectory(prefix="chronotick-order-") as directory:
        yield Path(directory)


def _study(nodes: Sequence[Node], methods: dict[str, Method], settings: Settings) -> Study:
    from chronotick.lab.ordering import order as decided

    with _progress(len(methods) * len(nodes)) as advance:
        return decided(nodes, methods, settings, advance)


def _write(study: Study, out: Path) -> None:
    from chronotick.lab.ordering.writing import write_study

    try:
        write_study(study, out, command=shlex.join(["chronotick", *sys.argv[1:]]))
    except OSError as error:
        fail(f"--out: {out} cannot be written: {error.strerror}.")


@contextmanager
def _progress(steps: int) -> Iterator[Callable[[str, str], object]]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _method, _node: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=steps)

        def advance(method: str, node: str) -> None:
            bar.update(task, description=f"{method} on {node}", advance=1)

        yield advance
