"""What each part of the estimator is worth: the same worlds without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType

from chronotick.clock import BankOptions
from chronotick.lab.recordings import Recording

WHOLE = "whole bank"
PARTS = MappingProxyType(
    {
        WHOLE: BankOptions(),
        "no periods": BankOptions(periods_s=()),
        "no forgotten drift": BankOptions(drift_constants_s=()),
        "one wander, 1e-9": BankOptions(wanders=(1e-9,), drift_constants_s=(), periods_s=()),
        "no route biases": BankOptions(route_asymmetry=0.0),
        "no delay slope": BankOptions(delay_slope=0.0),
        "noise not learnt": BankOptions(learn_noise=False),
        "nor a slope": BankOptions(learn_noise=False, delay_slope=0.0),
        "outliers believed": BankOptions(outlier_sigmas=1e6),
    }
)
DELAY_BLIND = "delays ignored"


@dataclass(frozen=True, slots=True)
class Ablation:
    """A bank without one of its parts, or recordings without their delays."""

    name: str
    options: BankOptions
    prepare: Callable[[Recording], Recording]


def ablations() -> list[Ablation]:
    """Everything that is left out, one at a time."""
    parts = [Ablation(name, options, as_they_are) for name, options in PARTS.items()]
    return [*parts, Ablation(DELAY_BLIND, BankOptions(), without_delays)]


def as_they_are(recording: Recording) -> Recording:
    """The measurements, unchanged."""
    return recording


def without_delays(recording: Recording) -> Recording:
    """The same measurements, their delays unknown to the estimator."""
    blind = tuple(
        replace(a, measurement=replace(a.measurement, delay_known=False))
        for a in recording.arrivals
    )
    return replace(recording, arrivals=blind)
