"""What every model must do, as checks that run against a real worker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from chronotick.plugin.contract import ContextBatch, Forecast, ModelInfo, ModelSpec
from chronotick.testing.contexts import CONTEXTS, batch_of, scaled, walk
from chronotick.workers.errors import ForecastFailed
from chronotick.workers.state import Phase

if TYPE_CHECKING:
    from chronotick.workers.interface import AnyWorker

LEVELS: Final = (0.01, 0.1, 0.5, 0.9, 0.99)
_HORIZON: Final = 16
_PATIENCE_S: Final = 120.0
_LONGEST_CONTEXT: Final = 4096
_LONGEST_HORIZON: Final = 256
_WARM_UP: Final = 20  # forecasts after which libraries have what they keep
_QUESTIONS: Final = 100
_GROWTH_MB: Final = 32.0  # a third of a MiB each; less is lost among what allocators keep
_TOLERANCE: Final = 2e-3  # of the context's spread: float32 models on data of any scale


class Violation(AssertionError):  # noqa: N818 - says what the model did
    """Raised when a model does not do what the contract asks; the message says what and where."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A loaded model under test."""

    spec: ModelSpec
    worker: AnyWorker

    @property
    def info(self) -> ModelInfo:
        """What the model said of itself."""
        info = self.worker.state.info
        if info is None:
            raise Violation(f"{self.spec.name} is not loaded: {self.worker.state.last_error}")
        return info

    async def ask(self, values: NDArray[np.float64], horizon: int = _HORIZON) -> Forecast:
        """Forecast from residuals ``[series, length]``; shapes and values are checked.

        Raises:
            Violation: the model failed.
        """
        return await self.ask_batch(batch_of(values), horizon)

    async def ask_batch(self, batch: ContextBatch, horizon: int = _HORIZON) -> Forecast:
        """Forecast from a batch; shapes and values are checked.

        Raises:
            Violation: the model failed.
        """
        try:
            return await self.worker.forecast(batch, horizon, LEVELS, _PATIENCE_S)
        except ForecastFailed as error:
            raise Violation(str(error)) from error


@dataclass(frozen=True, slots=True)
class Check:
    """One thing every model must do.

    Attributes:
        name: one or two words, with hyphens.
        demand: a sentence for people.
        run: raises :class:`Violation` when the model does not do it.
    """

    name: str
    demand: str
    run: Callable[[Subject], Awaitable[None]]

    def __str__(self) -> str:
        return self.name

    async def __call__(self, subject: Subject) -> None:
        """Run the check.

        Raises:
            Violation: the model does not do it.
        """
        await self.run(subject)


async def _limits(subject: Subject) -> None:
    info, spec = subject.info, subject.spec
    if info.max_context < spec.min_context or info.max_horizon < 1:
        raise Violation(
            f"the loaded weights allow {info.max_context} samples and {info.max_horizon} steps; "
            f"the specification promises at least {spec.min_context} and 1"
        )


async def _contexts(subject: Subject) -> None:
    for name, values in CONTEXTS.items():
        measured = np.isfinite(values).sum(axis=1).min()
        if measured < subject.spec.min_context or values.shape[1] > subject.info.max_context:
            continue
        try:
            forecast = await subject.ask(values)
        except Violation as error:
            raise Violation(f"context {name!r}: {error}") from error
        if subject.spec.output == "quantiles" and forecast.quantiles is None:
            raise Violation(f"context {name!r}: no quantiles, but the specification promises them")


async def _shortest_and_longest(subject: Subject) -> None:
    longest = min(subject.info.max_context, _LONGEST_CONTEXT)
    for length in (subject.spec.min_context, longest):
        await subject.ask(walk(length))


async def _horizons(subject: Subject) -> None:
    for horizon in (1, min(subject.info.max_horizon, _LONGEST_HORIZON)):
        await subject.ask(walk(128), horizon)


async def _nothing_measured(subject: Subject) -> None:
    values = walk(64, series=2)
    values[1] = np.nan
    try:
        await subject.worker.forecast(batch_of(values), _HORIZON, LEVELS, _PATIENCE_S)
    except ForecastFailed:
        if subject.worker.state.phase is Phase.READY:
            return
        raise Violation("a series without any measurement ended the worker") from None
    raise Violation("a series without any measurement got a forecast; it must be refused")


async def _same_answer(subject: Subject) -> None:
    first, second = [await subject.ask(walk(256)) for _ in range(2)]
    if not np.array_equal(first.mean, second.mean):
        raise Violation(
            f"the same question got answers that differ by up to "
            f"{np.abs(first.mean - second.mean).max():.3g} s: seed what is random"
        )


async def _any_scale(subject: Subject) -> None:
    """Clock residuals span nanoseconds to seconds: answers scale and move with the data.

    A model that heeds what the estimator expects answers about its tangent, which is zero: it need
    not move with data that have left that far behind.
    """
    batch = batch_of(walk(256))
    expected = (await subject.ask_batch(batch)).mean
    doubtful = replace(batch, expected_sigma=2 * batch.expected_sigma)
    heeds_estimator = not np.array_equal((await subject.ask_batch(doubtful)).mean, expected)
    moves = () if heeds_estimator else ((1.0, 1e-3),)
    for factor, shift in ((1e3, 0.0), (1e-3, 0.0), *moves):
        answer = (await subject.ask_batch(scaled(batch, factor, shift))).mean
        told = f"x {factor:g} + {shift:g} s"
        _compare((answer - shift) / factor, expected, batch.values, told)


def _compare(
    found: NDArray[np.float64], expected: NDArray[np.float64], values: NDArray[np.float64], of: str
) -> None:
    error = np.abs(found - expected).max() / np.nanstd(values)
    if error > _TOLERANCE:
        raise Violation(f"{of}: the forecast differs by {error:.3g} of the context's spread")


async def _independent_series(subject: Subject) -> None:
    values = walk(256, series=2)
    together = (await subject.ask(values)).mean[1:]
    alone = (await subject.ask(values[1:])).mean
    _compare(together, alone, values[1:], "beside another series")


async def _memory(subject: Subject) -> None:
    from chronotick.workers.procfs import resident_bytes

    pid = subject.worker.state.pid
    for seed in range(_WARM_UP):
        await subject.ask(walk(128, seed=seed))
    before = resident_bytes(pid) if pid else None
    for seed in range(_QUESTIONS):
        await subject.ask(walk(128, seed=seed))
    after = resident_bytes(pid) if pid else None
    if before and after and (after - before) / 2**20 > _GROWTH_MB:
        raise Violation(f"{_QUESTIONS} forecasts took {(after - before) / 2**20:.0f} MiB of memory")


CHECKS: Final = (
    Check("limits", "The loaded weights keep what the specification promises.", _limits),
    Check("contexts", "Gaps, constants and batches get finite forecasts.", _contexts),
    Check(
        "lengths",
        f"The shortest and the longest context (up to {_LONGEST_CONTEXT} samples) work.",
        _shortest_and_longest,
    ),
    Check(
        "horizons",
        f"One step and the longest horizon (up to {_LONGEST_HORIZON} steps) work.",
        _horizons,
    ),
    Check("nothing-measured", "A series without measurements is refused.", _nothing_measured),
    Check("same-answer", "The same question gets the same answer.", _same_answer),
    Check("any-scale", "Forecasts scale and move with the data.", _any_scale),
    Check("independent-series", "Series of a batch do not change each other.", _independent_series),
    Check(
        "memory",
        f"Once warm, {_QUESTIONS} forecasts take no more than {_GROWTH_MB:g} MiB of memory.",
        _memory,
    ),
)
"""In the order in which ``chronotick models check`` runs them."""
