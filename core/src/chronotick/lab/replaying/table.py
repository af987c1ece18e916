"""Estimates as a table: exact decimals, packed where the name says so."""

from __future__ import annotations

import csv
import gzip
import io
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from chronotick.lab.recordings.decimals import exact_seconds
from chronotick.lab.replaying.estimate import Estimate, MemberEstimate

STDOUT = "-"
COLUMNS = (
    "t_local_s",
    "offset_s",
    "sigma_s",
    "bound_s",
    "status",
    "source",
    "served_offset_s",
)
MEMBER_COLUMNS = ("offset_s", "sigma_s", "weight")
UNBOUNDED = "inf"


class EstimateTable:
    """Writes one row for each estimate.

    Args:
        file: text, opened with ``newline=""``.
        models: whose estimates get columns of their own.
    """

    def __init__(self, file: IO[str], models: Sequence[str] = ()) -> None:
        self._models = models
        self._write = csv.writer(file, lineterminator="\n").writerow
        own = (f"{model}_{column}" for model in models for column in MEMBER_COLUMNS)
        self._write([*COLUMNS, *own])

    def add(self, estimate: Estimate) -> None:
        """Write a row."""
        served_ns, bound_ns = estimate.served_offset_ns, estimate.bound_ns
        row: list[object] = [
            exact_seconds(estimate.local_ns),
            exact_seconds(estimate.offset_ns),
            exact_seconds(estimate.sigma_ns),
            UNBOUNDED if bound_ns is None else exact_seconds(bound_ns),
            estimate.status.value,
            estimate.source.value,
            "" if served_ns is None else exact_seconds(served_ns),
        ]
        if self._models:
            by_name = {member.model: member for member in estimate.members}
            for model in self._models:
                row += _member(by_name.get(model))
        self._write(row)


@contextmanager
def writing(path: str) -> Iterator[IO[str]]:
    """Open a file for a table; it takes its name when it is complete.

    What was written before a failure stays in ``PATH.part``.

    Args:
        path: packed with gzip if it ends so; ``-`` is standard output.

    Raises:
        OSError: it cannot be written.
    """
    if path == STDOUT:
        yield sys.stdout
        sys.stdout.flush()  # a reader that has gone is noticed here, not when Python ends
        return
    part = Path(f"{path}.part")
    with part.open("wb") as raw:
        if path.endswith(".gz"):
            # Neither name nor time in the header: equal tables are equal files.
            with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed, _text(packed) as file:
                yield file
        else:
            with _text(raw) as file:
                yield file
    part.replace(path)


@contextmanager
def _text(binary: IO[bytes] | gzip.GzipFile) -> Iterator[IO[str]]:
    file = io.TextIOWrapper(binary, encoding="utf-8", newline="")
    try:
        yield file
    finally:
        file.flush()
        file.detach()


def _member(member: MemberEstimate | None) -> Sequence[str]:
    if member is None:
        return ("",) * len(MEMBER_COLUMNS)
    sigma = "" if math.isnan(member.sigma_s) else f"{member.sigma_s:.9f}"
    return exact_seconds(member.offset_ns), sigma, f"{member.weight:.6f}"
