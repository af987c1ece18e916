"""The model card: what was trained on what, how good it is, and how to do it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chronotick.plugin.training.frames import Header
from chronotick.plugin.training.scoring import rows

LICENCE: Final = "Apache-2.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What ``training.json`` holds, and the card is made from.

    Attributes:
        model: name of the model.
        title: of the card.
        command: that trains it again.
        recipe: all of it.
        seed: of weights and dropout.
        parameters: number of weights.
        context, reach: steps.
        steps: batches learnt from.
        best_step: after which the weights were these.
        examples: learnt from, in all.
        finished: ``""`` while training, else why it ended.
        device, precision, stored: where and with which numbers.
        seconds: that the training took, in all its parts.
        versions: of the libraries.
        validation: loss and metrics of these weights.
        history: of losses, oldest first.
    """

    model: str
    title: str
    command: str
    recipe: Mapping[str, Any]
    seed: int
    parameters: int
    context: int
    reach: int
    steps: int
    best_step: int
    examples: int
    finished: str
    device: str
    precision: str
    stored: str
    seconds: float
    versions: Mapping[str, str]
    validation: Mapping[str, Any]
    history: list[dict[str, Any]] = field(default_factory=list)


def command_of(header: Header) -> str:
    """Return the command of a run; the usual one where the header does not say."""
    usual = ["chronotick", "lab", "train", header.model, "--out", Path(header.out).name]
    return header.command or shlex.join(usual)


def card(record: Record, sections: Mapping[str, str]) -> str:
    """Write the card in Markdown.

    Args:
        record: of the training.
        sections: further texts by heading, e.g. of the data.
    """
    return "\n".join([*_lines(record, sections), ""])


def _lines(record: Record, sections: Mapping[str, str]) -> Iterator[str]:
    yield from ("---", f"license: {LICENCE.lower()}", "pipeline_tag: time-series-forecasting")
    yield from ("tags: [time-series, clocks, chronotick]", "---", "")
    yield from (f"# {record.title}", "", _summary(record), "")
    if not record.finished:
        yield from ("**The training was not finished when this was written.**", "")
    yield from ("## Reproduce", "", "```", record.command, "```", "")
    yield (
        f"Seed {record.seed}, on {record.device} with {record.precision}; "
        f"{', '.join(f'{name} {version}' for name, version in record.versions.items())}. "
        "On a CPU the same weights come out with the same versions and number of threads."
    )
    yield from ("", "## Data", "", sections.get("Data", _DATA), "")
    for heading, text in sections.items():
        if heading != "Data":
            yield from (f"## {heading}", "", text, "")
    yield from ("## Recipe", "", "```json", json.dumps(record.recipe, indent=1), "```", "")
    yield from _metrics(record)
    yield from ("", "## Limits", "", _limits(record), "")
    yield from ("## Licence", "", f"{LICENCE}: code, recipe and weights.")


_DATA: Final = (
    "Residuals of simulated clocks as the daemon's filter leaves them, made while training: "
    "`chronotick lab train`. Targets are the simulator's truth, which no clock can measure."
)


def _summary(record: Record) -> str:
    return (
        f"{record.parameters:,} weights, stored as {record.stored}, of the library's own "
        "architecture, trained from random ones with the library's own loss. It reads "
        f"{record.context} evenly spaced residuals of a clock (offset minus the filter's trend), "
        "beside what the filter expects and how sure it is, and forecasts "
        f"{record.reach} steps in units of its uncertainty. {record.steps:,} batches were learnt "
        f"from, {record.examples:,} examples, in {record.seconds / 60:.0f} min; these weights are "
        f"those after {record.best_step:,}"
        f"{f'. The training ended: {record.finished}' if record.finished else ''}."
    )


def _metrics(record: Record) -> Iterator[str]:
    yield from ("## Validation", "")
    if not record.validation.get("metrics"):
        yield "There was none."
        return
    found = record.validation["metrics"]
    yield (
        "On worlds of other seeds, with the weights as they are stored: loss "
        f"{record.validation['loss']:.4g}. Errors over those of what the filter expects, both in "
        "units of its sigma, below 1 is better; geometric mean over kinds and steps: "
        f"{_number(found['ratio'])}. In brackets 95 % intervals of a bootstrap over validation "
        "batches. The step was chosen by these worlds: expect a little less of others."
    )
    covered = any("coverage_95" in numbers for *_rest, numbers in rows(found))
    last = " covered by raw 95 % intervals |" if covered else ""
    yield from ("", f"| world | steps ahead | examples | mean error | rms error |{last}")
    yield "|" + "---|" * (6 if covered else 5)
    for kind, step, numbers in rows(found):
        ratios = [_number(numbers[name]) for name in ("mae_ratio", "rms_ratio")]
        within = [_number(numbers["coverage_95"])] if covered else []
        cells = [kind, str(step), f"{numbers['examples']:,}", *ratios, *within]
        yield f"| {' | '.join(cells)} |"


def _number(value: list[float]) -> str:
    middle, low, high = value
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def _limits(record: Record) -> str:
    return (
        f"Simulated clocks only; one series, no covariates; {record.context} steps back and "
        f"{record.reach} ahead. It was trained on residuals of ChronoTick's filter: on anything "
        "else it forecasts nonsense. What was measured is above, and not that it helps on a clock "
        "of yours: `chronotick compare` measures that."
    )
