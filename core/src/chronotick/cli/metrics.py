"""``chronotick metrics``: the daemon in numbers, for Prometheus."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from chronotick.cli.asking import socket_option
from chronotick.cli.numbers import PAUSE
from chronotick.cli.output import fail, interruptible
from chronotick.cli.reading import shm_option

if TYPE_CHECKING:
    from chronotick.views import Snapshot

INTERVAL_S = 15.0  # between scrapes of most Prometheus servers


@click.command()
@click.option(
    "--textfile",
    type=click.Path(path_type=Path),
    metavar="FILE.prom",
    help="Write into this file of node_exporter's textfile directory, again and again, and remove "
    "it when stopped.",
)
@click.option(
    "--interval", type=PAUSE, help=f"Seconds between writing the file.  [default: {INTERVAL_S:g}]"
)
@click.option("--once", is_flag=True, help="Write the file once, and leave it there.")
@shm_option
@socket_option
@interruptible
def metrics(
    *,
    textfile: Path | None,
    interval: float | None,
    once: bool,
    shm: Path | None,
    socket_path: Path | None,
) -> None:
    """Print the daemon's metrics for Prometheus, or write them into a file.

    Without a daemon they say so (chronotick_up is 0), and the exit code is 0 all the same.
    """
    _require_packages()
    _check(textfile, interval, once=once)
    from chronotick.views import Snapshot

    snapshot = Snapshot(shm, socket_path)
    if textfile is None:
        from chronotick.metrics import exposition

        click.echo(exposition(snapshot)[0], nl=False)
    elif once:
        _write(textfile, snapshot)
    else:
        _keep_writing(textfile, snapshot, interval or INTERVAL_S)


def _check(textfile: Path | None, interval: float | None, *, once: bool) -> None:
    from chronotick.metrics.textfile import SUFFIX

    if textfile is None and (once or interval is not None):
        raise click.UsageError("--once and --interval are for a file: name --textfile too.")
    if once and interval is not None:
        raise click.UsageError("--once writes once: leave out --interval.")
    if textfile is not None and textfile.suffix != SUFFIX:
        raise click.UsageError(
            f"--textfile: node_exporter reads files whose names end in {SUFFIX}."
        )


def _write(path: Path, snapshot: Snapshot) -> None:
    """Write the file, or end with what is wrong with it."""
    from chronotick.metrics import exposition
    from chronotick.metrics.textfile import replace_file

    try:
        replace_file(path, exposition(snapshot)[0])
    except OSError as error:
        fail(f"{path}: cannot be written ({error.strerror or error})")


def _keep_writing(path: Path, snapshot: Snapshot, interval_s: float) -> NoReturn:
    """Write the file until a signal, and then remove it: it would go on saying what was.

    A failure ends it too: a supervisor starts it again, and the age of the file tells of it.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while True:
            _write(path, snapshot)
            time.sleep(interval_s)
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _require_packages() -> None:
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        fail("this needs more packages. Run: pip install 'chronotick[metrics]'")
