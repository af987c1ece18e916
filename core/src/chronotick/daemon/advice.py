"""What to change for a model that cannot keep up, computed from what was measured."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from chronotick.config.schema import Predictor, Workers
from chronotick.daemon.ledger import Page, median, p90
from chronotick.plugin.contract import ModelInfo, ModelSpec

FEW: Final = 3  # answers from which on something is concluded from how long they took
HEADROOM: Final = 1.5  # a deadline should be so much longer than nine of ten answers take
BEHIND: Final = 1.25  # asked so much less often than configured is worth a word
SHORT_CONTEXT: Final = 128  # samples below which a shorter context is no advice


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One model in one loop.

    Attributes:
        spec: of the model.
        info: what it said when it was loaded; ``None`` before.
        loop: ``short_term`` or ``long_term``.
        terms: the loop as it is for this model.
        workers: the section ``workers`` as it is for this model.
        page: what asking it came to.
        elsewhere: whether another machine computes it: what is set here does not change how.
    """

    spec: ModelSpec
    info: ModelInfo | None
    loop: str
    terms: Predictor
    workers: Workers
    page: Page
    elsewhere: bool = False


def advice(case: Case) -> str:
    """Say that a model cannot meet its deadline or its interval, and what would help.

    Returns:
        One sentence or two; empty when it keeps up, or when too little is known yet.
    """
    return _about_deadline(case) or _about_interval(case)


def _about_deadline(case: Case) -> str:
    page, timeout_s = case.page, case.terms.timeout_seconds
    slow_s = p90(page.latencies_s)
    if page.misses and slow_s is None:
        return (
            f"{case.loop}: never answered within {timeout_s:g} s, nor later; {page.misses} "
            f"deadline(s) missed. Try: {_choice(case, [])}"
        )
    if slow_s is None or slow_s <= timeout_s or not page.misses:
        return ""
    key = f"{case.loop}.overrides.{case.spec.name}.timeout_seconds"
    longer = f"{key}: {round_up(slow_s * HEADROOM):g}"
    return (
        f"{case.loop}: too slow for its deadline of {timeout_s:g} s: one answer in ten takes "
        f"{slow_s:.3g} s or more, {page.misses} deadline(s) missed. Try: {_choice(case, [longer])}"
    )


def _about_interval(case: Case) -> str:
    wanted_s, workers = case.terms.inference_interval, case.workers
    typical_s = median(case.page.latencies_s)
    if case.terms.trigger == "measurement" or typical_s is None:
        return ""
    # What another machine computes needs no rest here.
    share = 1.0 if case.elsewhere else workers.max_duty / workers.threads
    needed_s = typical_s / min(1.0, share)
    if len(case.page.latencies_s) < FEW or needed_s <= wanted_s * BEHIND:
        return ""
    key = f"{case.loop}.overrides.{case.spec.name}.inference_interval"
    ways = [f"{key}: {round_up(needed_s):g}"]
    duty = round_up(typical_s * workers.threads / wanted_s)
    if share < 1.0 and duty <= workers.threads:
        ways.append(f"workers.overrides.{case.spec.name}.max_duty: {duty:g}")
    why = f" (workers.max_duty: {workers.max_duty:g} of a core)" if share < 1.0 else ""
    return (
        f"{case.loop}: too slow for its interval of {wanted_s:g} s: an answer takes "
        f"{typical_s:.3g} s, so it is asked every {needed_s:.3g} s{why}. "
        f"Try: {_choice(case, ways)}"
    )


def _choice(case: Case, ways: list[str]) -> str:
    return ", or ".join([*ways, *_cheaper(case)])


def _cheaper(case: Case) -> Iterator[str]:
    """What makes any model quicker, as far as this one has it."""
    name = case.spec.name
    smaller = "" if case.elsewhere else smaller_checkpoint(case.spec, case.info)
    if smaller:
        yield f"smaller weights, workers.checkpoints.{name}: {smaller}"
    if case.terms.context_length >= 2 * SHORT_CONTEXT:
        half = case.terms.context_length // 2
        yield f"a shorter context, {case.loop}.overrides.{name}.context_length: {half}"
    if case.elsewhere:
        yield "smaller weights or a faster device on the server"
    elif case.info is None or case.info.device == "cpu":
        yield f"a GPU, workers.overrides.{name}.device: cuda"


def smaller_checkpoint(spec: ModelSpec, info: ModelInfo | None) -> str:
    """The next smaller weights the model is known to load; empty: none, or it is not known."""
    known = [*spec.alternatives, *([spec.checkpoint] if spec.checkpoint else [])]
    sized = sorted((c for c in known if c.size_mb is not None), key=lambda c: c.size_mb or 0.0)
    loaded = info.checkpoint.partition("@")[0] if info is not None else ""
    here = next((c for c in sized if loaded == c.repository), None)
    if here is None or here.size_mb is None:
        return ""
    below = [c for c in sized if c.size_mb is not None and c.size_mb < here.size_mb]
    return below[-1].identifier if below else ""


def round_up(value: float) -> float:
    """A number with two digits, not below ``value``: what one would write into a file."""
    if value <= 0:
        return value
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(round(value / unit, 9)) * unit:.6g}")
