"""Forecasting models: the built-in ones, and one way to ask any of them."""

from chronotick.models.forecast import LEVELS, PathForecast, as_batch, as_path
from chronotick.models.inprocess import InProcessModel, ModelFailedError

__all__ = ["LEVELS", "InProcessModel", "ModelFailedError", "PathForecast", "as_batch", "as_path"]
