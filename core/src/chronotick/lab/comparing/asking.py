"""A model asked for all windows of a job: in batches, and where one fails, window by window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.comparing.contestants import Contestant
from chronotick.lab.comparing.grids import Grid
from chronotick.lab.comparing.journal import Journal
from chronotick.lab.comparing.rows import Answers
from chronotick.lab.comparing.sessions import BatchSize, Session, reason_of, timed
from chronotick.lab.comparing.windows import Windows
from chronotick.lab.counting import often
from chronotick.models.inprocess import ModelFailedError
from chronotick.plugin.contract import Forecast
from chronotick.workers import (
    DeadlineMissed,
    ForecastFailed,
    Superseded,
    WorkerError,
    WorkerUnavailable,
)

LASTING = {"exception", "invalid"}  # kinds of failure that the same question leads to again

Places = NDArray[np.intp]


class Inquiry:
    """Asks a model for the windows of a job.

    Args:
        contestant: the model.
        session: it, loaded.
        size: how large batches are; it learns from them.
        journal: of the job.
    """

    def __init__(
        self, contestant: Contestant, session: Session, size: BatchSize, journal: Journal
    ) -> None:
        assert contestant.spec is not None  # noqa: S101 - yardsticks are not asked
        self._spec = contestant.spec
        self._session = session
        self._size = size
        self._journal = journal

    def fill(self, answers: Answers, windows: Windows, grid: Grid) -> int:
        """Ask for the windows that are judged and not answered yet.

        The first is asked alone, to know how long one takes.

        Returns:
            Of how many windows the model has failed.

        Raises:
            SessionError: the model is gone for good; what it answered before is there.
        """
        most = self._session.info.max_horizon
        answers.beyond[:] = [
            f"a horizon of {steps} steps; it forecasts {most}" if steps > most else ""
            for steps in grid.steps
        ]
        wanted = self._worth_asking(windows, answers)
        places = np.flatnonzero(wanted & ~answers.settled)
        if len(places) and not all(answers.beyond):
            self._ask_all(windows, grid, places, answers)
        return int((wanted & answers.failed).sum())

    def _ask_all(self, windows: Windows, grid: Grid, places: Places, answers: Answers) -> None:
        try:
            self._ask(windows, grid, places[:1], answers)
            answers.alone_s[places[0]] = answers.latency_s[places[0]]
            rest = places[1:]
            while len(rest):
                self._journal.note(answers)
                batch, rest = rest[: self._size.size], rest[self._size.size :]
                self._ask(windows, grid, batch, answers)
        finally:  # of a model that is gone for good, too
            self._journal.note(answers)

    def _worth_asking(self, windows: Windows, answers: Answers) -> NDArray[np.bool_]:
        """Windows that hold as many measurements as the model needs; the others are told so."""
        known = np.nan_to_num(windows.table["context"])
        fewest = max(self._spec.min_context, 1)
        for number in np.flatnonzero(known < fewest):
            found = often(int(known[number]), "measurement")
            answers.status[number] = f"{found} in the context, not {fewest}"
        return np.asarray((known >= fewest) & windows.judged.any(axis=1))

    def _ask(self, windows: Windows, grid: Grid, places: Places, answers: Answers) -> bool:
        """Ask for one batch; if it fails, for its halves, until those that fail are alone.

        Returns:
            Whether all windows were answered.
        """
        info = self._session.info
        batch = windows.chosen(places, min(grid.context, info.max_context))
        try:
            ahead = min(grid.reach, info.max_horizon)
            forecast, seconds = timed(lambda: self._session.forecast(batch, ahead))
        except (WorkerError, ModelFailedError) as error:
            if len(places) == 1:
                answers.status[places[0]] = reason_of(error)
                answers.passing[places[0]] = is_passing(error)
                return False
            middle = len(places) // 2
            halves = places[:middle], places[middle:]
            answered = [self._ask(windows, grid, half, answers) for half in halves]
            if all(answered):  # it was not a window, but how many there were
                self._size.limit(len(halves[1]))
            return all(answered)
        self._size.learn(len(places), seconds, self._session.peak_memory_bytes)
        answers.latency_s[places] = seconds / len(places)
        _fill(answers, windows, grid, places, forecast)
        return True


def _fill(
    answers: Answers, windows: Windows, grid: Grid, places: Places, forecast: Forecast
) -> None:
    """Put a model's residuals back on the trend that they are residuals of."""
    reached = [steps - 1 for steps in grid.steps if steps <= forecast.mean.shape[1]]
    offset_s, frequency = windows.table["trend"][places, :2].T
    ahead_s = np.array(grid.horizons_s[: len(reached)])
    tangent = offset_s[:, np.newaxis] + frequency[:, np.newaxis] * ahead_s
    answers.mean[places, : len(reached)] = tangent + forecast.mean[:, reached]
    if forecast.quantiles is not None:
        quantiles = forecast.quantiles[:, reached]
        answers.quantiles[places, : len(reached)] = tangent[:, :, np.newaxis] + quantiles


def is_passing(error: WorkerError | ModelFailedError) -> bool:
    """Whether a failure says something of the machine or the way to it, not of the model."""
    match error:
        case DeadlineMissed() | Superseded():
            return True
        case WorkerUnavailable(crashed=crashed):
            return not crashed
        case ForecastFailed(kind=kind):
            return kind not in LASTING
        case _:
            return False
