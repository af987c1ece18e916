"""What all rows of a comparison say together, from going through them once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Final, Protocol

import pandas as pd

from chronotick.lab.reporting.amounts import Counts
from chronotick.lab.reporting.calibrating import Calibration
from chronotick.lab.reporting.compared import TARGETS, Choices, Compared, ReportError, Target
from chronotick.lab.reporting.failing import Failures
from chronotick.lab.reporting.judging import OF_POINTS, Standing, in_words, seen_traces, stand
from chronotick.lab.reporting.latencies import Calls
from chronotick.lab.reporting.reading import Rows
from chronotick.lab.scoring.metrics import Scoring
from chronotick.lab.scoring.windows import Common

_UNKNOWN: Final[dict[Target, str]] = {
    "truth": "no trace knows the truth: judge by what was measured",
    "measured": "nothing was measured at any horizon: judge by the truth",
}


class _Gathering(Protocol):
    def add(self, rows: pd.DataFrame) -> None: ...


class Survey:
    """Goes through the rows once; a second time for scores of the windows in common.

    Args:
        compared: a comparison.
        choices: whose baseline must be among the models.

    Attributes:
        rows: in parts.
        leaked: model to the traces it has seen.
        counts: how much there is of what.
        failures: forecasts that there are not.
        calls: what forecasts cost in time.
        calibration: by target.

    Raises:
        ReportError: there are no rows, or the baseline is not among the models.
    """

    def __init__(self, compared: Compared, choices: Choices) -> None:
        self.rows, self._choices = Rows(compared), choices
        self.leaked = seen_traces(compared)
        self.counts, self.failures, self.calls = Counts(), Failures(), Calls()
        self.calibration = {target: Calibration(target) for target in TARGETS}
        self._scoring, self._common = self._scorings(TARGETS), Common()
        gathering: list[_Gathering] = [self.counts, self.failures, self.calls, self._common]
        gathering += [*self._scoring.values(), *self.calibration.values()]
        for part in self.rows:
            for each in gathering:
                each.add(part)
        check_models(self.counts, choices)

    @property
    def targets(self) -> list[Target]:
        """What forecasts can be judged by: what was asked for first, or else the truth.

        Raises:
            ReportError: nothing, or not by what was asked for.
        """
        found = [target for target, scoring in self._scoring.items() if scoring.has_any]
        if not found:
            raise ReportError(
                "no forecast can be judged: no target was measured and no trace knows the truth. "
                "Shorten --horizons, or take longer traces"
            )
        wanted = self._choices.target
        if wanted is not None and wanted not in found:
            raise ReportError(_UNKNOWN[wanted])
        return sorted(found, key=lambda target: target != wanted)

    def scores(self, target: Target, metric: str = "mae") -> pd.DataFrame:
        """Return scores of all windows, or for metrics of quantiles of those in common.

        Raises:
            ScoringError: there are none.
        """
        scoring = self._scoring if metric in OF_POINTS else self._in_common
        return in_words(scoring[target].table())

    @cached_property
    def _in_common(self) -> dict[Target, Scoring]:
        if self._common.has_all:
            return self._scoring
        found = self._scorings(self.targets)
        for part in self.rows:
            kept = self._common.of(part)
            for scoring in found.values() if len(kept) else ():
                scoring.add(kept)
        return found

    def _scorings(self, targets: Iterable[Target]) -> dict[Target, Scoring]:
        return {target: Scoring(target, leaked=self.leaked) for target in targets}


def check_models(counts: Counts, choices: Choices) -> None:
    """Refuse what cannot be reported.

    Raises:
        ReportError: there are no rows, or the baseline is not among the models.
    """
    if not counts.rows:
        raise ReportError(
            "there is nothing to report: no window was computed. The results' problems say why"
        )
    if choices.baseline not in counts.models:
        raise ReportError(
            f"the baseline {choices.baseline} is not among the models "
            f"({', '.join(sorted(counts.models))}). Name one of them, or compare again with it"
        )


def standing_of(compared: Compared, target: Target, metric: str, choices: Choices) -> Standing:
    """Compare models by one metric; see :func:`chronotick.lab.reporting.judging.stand`.

    Raises:
        ReportError: there are no rows, or the baseline is not among the models.
        ScoringError: models cannot be compared by that metric.
    """
    rows, counts, common = Rows(compared), Counts(), Common()
    scoring = Scoring(target, leaked=seen_traces(compared))
    of_points = metric in OF_POINTS
    for part in rows:
        counts.add(part)
        (scoring if of_points else common).add(part)
    check_models(counts, choices)
    for part in () if of_points else rows:
        kept = common.of(part)
        if len(kept):
            scoring.add(kept)
    return stand(in_words(scoring.table()), metric, choices)
