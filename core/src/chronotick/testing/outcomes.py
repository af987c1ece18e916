"""The conformance checks of one model, one after the other, as values."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from chronotick.config.schema import Workers
from chronotick.plugin.contract import ModelSpec
from chronotick.testing.checks import CHECKS, Violation
from chronotick.testing.loaded import LoadedModel, loaded
from chronotick.testing.running import NotReady


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one check went.

    Attributes:
        subject: what was checked: a model or a distribution.
        check: its name.
        demand: what it asks for, in a sentence.
        failure: what was wrong; empty when nothing was.
        duration_s: how long it took.
    """

    subject: str
    check: str
    demand: str
    failure: str = ""
    duration_s: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the model does what is asked of it."""
        return not self.failure


def outcomes(
    spec: ModelSpec, config: Workers, *, checkpoint: str = "", device: str = "cpu"
) -> Iterator[Outcome]:
    """Load a model and run every check; yields as it goes.

    The first outcome is that of loading. When it fails there are no others.
    """
    began = time.monotonic()
    demand = "The environment is built and the model loads in a process of its own."
    try:
        with loaded(spec, config, checkpoint=checkpoint, device=device) as model:
            yield Outcome(spec.name, "load", demand, duration_s=time.monotonic() - began)
            yield from _checked(model, spec.name)
    except NotReady as error:
        yield Outcome(spec.name, "load", demand, str(error), time.monotonic() - began)


def _checked(model: LoadedModel, name: str) -> Iterator[Outcome]:
    for check in CHECKS:
        began = time.monotonic()
        failure = ""
        try:
            model.check(check)
        except Violation as violation:
            failure = str(violation)
        except Exception as error:  # noqa: BLE001 - the worker died, or answers no more
            failure = f"{type(error).__name__}: {error}"
        yield Outcome(name, check.name, check.demand, failure, time.monotonic() - began)
