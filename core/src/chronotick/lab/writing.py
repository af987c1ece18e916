"""The files of a simulation: what a client measured, what was true, and what makes both again."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from chronotick.lab.network import NS_PER_S
from chronotick.lab.polling import exchanges
from chronotick.lab.simulation import Simulation
from chronotick.lab.world import Exchange, LiveWorld

MEASUREMENTS = "measurements.csv.gz"
TRUTH = "truth.csv.gz"
DESCRIPTION = "world.json"
FILES = (MEASUREMENTS, TRUTH, DESCRIPTION)
MEASUREMENT_COLUMNS = (
    *("t_local_s", "source", "offset_s", "delay_s", "root_delay_s", "root_dispersion_s"),
    *("t1_s", "t2_s", "t3_s", "t4_s"),
)
TRUTH_COLUMNS = ("t_local_s", "offset_s")


@dataclass(frozen=True, slots=True)
class Written:
    """What a simulation came to.

    Attributes:
        directory: where its files are.
        measurements: exchanges with a reply.
        lost: questions without one.
        truths: times at which the truth is stated.
    """

    directory: Path
    measurements: int
    lost: int
    truths: int


def write(simulation: Simulation, directory: Path, *, force: bool = False) -> Written:
    """Simulate, and write the three files.

    The same simulation gives the same bytes with the same version of numpy.

    Args:
        simulation: what to simulate.
        directory: is made if it does not exist.
        force: replace files that are there.

    Raises:
        FileExistsError: one of the files is there, and not `force`.
        OSError: the directory cannot be made or written.
    """
    refuse_existing(directory, force=force)
    live = simulation.world.live()
    live.truth(live.world.start_raw_ns + round(simulation.duration_s * NS_PER_S))  # draws it once
    asked = [
        exchange
        for server in range(len(simulation.world.servers))
        for exchange in exchanges(live, server, simulation.polling, simulation.duration_s)
    ]
    answered = sorted(filter(None, asked), key=attrgetter("t4_ns"))
    truth = list(_truth_rows(live, simulation))
    directory.mkdir(parents=True, exist_ok=True)
    rows = (_measurement_row(live, exchange) for exchange in answered)
    _replace(directory / MEASUREMENTS, _csv_gz(MEASUREMENT_COLUMNS, rows))
    _replace(directory / TRUTH, _csv_gz(TRUTH_COLUMNS, truth))
    _replace(directory / DESCRIPTION, simulation.model_dump_json(indent=2).encode() + b"\n")
    return Written(directory, len(answered), len(asked) - len(answered), len(truth))


def refuse_existing(directory: Path, *, force: bool = False) -> None:
    """See that nothing would be lost.

    Raises:
        FileExistsError: one of the files is in the directory, and not `force`.
        NotADirectoryError: the directory is something else.
    """
    if directory.exists() and not directory.is_dir():
        raise NotADirectoryError(f"{directory} is not a directory. Give another one.")
    there = [name for name in FILES if (directory / name).exists()]
    if there and not force:
        raise FileExistsError(
            f"{directory} already holds {', '.join(there)}. Give another directory, or --force to "
            "replace them."
        )


def _measurement_row(live: LiveWorld, exchange: Exchange) -> tuple[str, ...]:
    start_ns = live.world.start_raw_ns
    utc_ns = live.world.start_utc_ns
    server = live.world.servers[exchange.server]
    middle_ns, offset_ns = live.seen(exchange)
    return (
        _seconds(middle_ns),
        str(exchange.server + 1),
        _seconds(offset_ns),
        _seconds(exchange.delay_ns),
        f"{server.root_delay_s:.9f}",
        f"{server.root_dispersion_s:.9f}",
        _seconds(exchange.t1_ns - start_ns),
        _seconds(exchange.t2_ns - utc_ns),
        _seconds(exchange.t3_ns - utc_ns),
        _seconds(exchange.t4_ns - start_ns),
    )


def _truth_rows(live: LiveWorld, simulation: Simulation) -> Iterator[tuple[str, str]]:
    start_ns, every_ns = live.world.start_raw_ns, round(simulation.every_s * NS_PER_S)
    for elapsed_ns in range(every_ns, round(simulation.duration_s * NS_PER_S) + 1, every_ns):
        raw_ns = start_ns + elapsed_ns
        offset_ns = live.truth(raw_ns) - raw_ns - live.start_offset_ns
        yield _seconds(elapsed_ns).rstrip("0").rstrip("."), _seconds(offset_ns)


def _seconds(value_ns: int) -> str:
    """Exactly, without floating point: nine decimals."""
    whole, rest = divmod(abs(value_ns), NS_PER_S)
    return f"{'-' if value_ns < 0 else ''}{whole}.{rest:09d}"


def _csv_gz(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> bytes:
    """Compressed without a name and a time, so that the same rows are the same bytes."""
    text = "".join(f"{','.join(row)}\n" for row in (columns, *rows))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:
        file.write(text.encode())
    return packed.getvalue()


def _replace(path: Path, content: bytes) -> None:
    """All of it or nothing, also when the disk is full."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
