"""Comparisons: models on the same traces, incompatible ones included."""

from chronotick.lab.comparing.comparison import Comparison
from chronotick.lab.comparing.conducting import Stage, compare, compare_traces
from chronotick.lab.comparing.grids import Origins
from chronotick.lab.comparing.placing import PlaceError
from chronotick.lab.comparing.preparing import Preparation
from chronotick.lab.comparing.settings import Settings
from chronotick.lab.comparing.store import ResultsError

__all__ = [
    "Comparison",
    "Origins",
    "PlaceError",
    "Preparation",
    "ResultsError",
    "Settings",
    "Stage",
    "compare",
    "compare_traces",
]
