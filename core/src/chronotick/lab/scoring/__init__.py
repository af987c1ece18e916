"""What forecasts are worth: scores of each model on each task, and models against each other.

Pure functions on pandas frames. Everything is defined on the page on scoring.
"""

from chronotick.lab.scoring.comparisons import leaderboard, pairwise
from chronotick.lab.scoring.errors import ScoringError
from chronotick.lab.scoring.leaks import leaks, names_of
from chronotick.lab.scoring.metrics import SCORES, scores
from chronotick.lab.scoring.paired import COMPARABLE
from chronotick.lab.scoring.residuals import intervals_of_points
from chronotick.lab.scoring.windows import common_windows

__all__ = [
    "COMPARABLE",
    "SCORES",
    "ScoringError",
    "common_windows",
    "intervals_of_points",
    "leaderboard",
    "leaks",
    "names_of",
    "pairwise",
    "scores",
]
