"""Writes the tables of metrics: ``python -m chronotick.metrics.document ROOT``.

ROOT is the repository; the section of ``docs/metrics.md`` between the marks is written anew. A test
holds it to the code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from chronotick.config.generated import begin, renewed
from chronotick.fusion.horizons import HORIZONS_S
from chronotick.metrics.collector import OWN, PARTS
from chronotick.metrics.metric import Metric
from chronotick.metrics.sources import SLUGS
from chronotick.ntp.checks import Drop
from chronotick.ntp.nts import NtsDrop
from chronotick.ntp.watchdog.verdict import Verdict
from chronotick.shm.layout import Status

PAGE: Final = "docs/metrics.md"
BEGIN: Final = begin("chronotick.metrics.document", "the metrics")

_HEADINGS: Final[Mapping[str, str]] = {
    "own": "The scrape itself",
    "clock": "The clock, from shared memory",
    "status": "The daemon",
    "sources": "Time servers",
    "models": "Models",
}


def documents(root: Path) -> dict[str, str]:
    """Every generated page's text, by path from the repository's root.

    Raises:
        ValueError: the page has no such marks.
    """
    return {PAGE: renewed(root, PAGE, BEGIN, section())}


def section() -> str:
    """All metrics in tables, and the values of their labels, as Markdown."""
    every = {"own": OWN} | {part.name: part.metrics for part in PARTS}
    tables = [_table(_HEADINGS[name], metrics) for name, metrics in every.items()]
    return "\n".join([*(line for table in tables for line in table), *_values()])


def _table(heading: str, metrics: Sequence[Metric]) -> Iterator[str]:
    yield from (f"### {heading}", "", "| metric | type | labels | |", "|---|---|---|---|")
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.words} |"
    yield ""


def _values() -> Iterator[str]:
    yield from ("### Values of labels", "", "| label | of | values |", "|---|---|---|")
    yield _row("state", "the clock", (status.words for status in Status))
    yield _row("reason", "a server", SLUGS.values())
    yield _row("reason", "a drop", (drop.value for drop in (*Drop, *NtsDrop)))
    yield _row("horizon_seconds", "a forecast", (f"{horizon_s:g}" for horizon_s in HORIZONS_S))
    yield _row("verdict", "a sample", (verdict.value for verdict in Verdict))
    yield _row("part", "a scrape", (part.name for part in PARTS))
    yield ""


def _row(label: str, of: str, values: Iterable[str]) -> str:
    return f"| `{label}` | {of} | {', '.join(f'`{value}`' for value in values)} |"


def main(root: Path) -> None:
    """Write the page and name it."""
    for name, text in documents(root).items():
        (root / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {name}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
