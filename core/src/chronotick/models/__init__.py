"""Forecasting models: the built-in ones, and one way to ask any of them."""

from chronotick.models.forecast import LEVELS, Expectation, PathForecast, as_batch, as_path
from chronotick.models.inprocess import Baseline, InProcessModel, ModelFailedError

__all__ = [
    "LEVELS",
    "Baseline",
    "Expectation",
    "InProcessModel",
    "ModelFailedError",
    "PathForecast",
    "as_batch",
    "as_path",
]
