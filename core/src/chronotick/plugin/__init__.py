"""What plugin authors import.

A plugin is a distribution with an entry point in group ``chronotick_model`` that names a light
module; in it, a function marked with :data:`hookimpl` returns the models it provides::

    from chronotick.plugin import ModelSpec, hookimpl

    @hookimpl
    def chronotick_models():
        return [ModelSpec(name="last", title="Last value", worker="my_plugin:Last",
                          licence="MIT", output="point")]
"""

from chronotick.plugin.answers import InvalidForecast, check_forecast
from chronotick.plugin.contract import (
    CURRENT_INTERPRETER,
    Checkpoint,
    ContextBatch,
    Environment,
    Forecast,
    Model,
    ModelInfo,
    ModelSpec,
)
from chronotick.plugin.hooks import ENTRY_POINT_GROUP, hookimpl
from chronotick.plugin.quantiles import at_levels
from chronotick.plugin.registry import PluginProblem, Plugins, UnknownModel, load_plugins

__all__ = [
    "CURRENT_INTERPRETER",
    "ENTRY_POINT_GROUP",
    "Checkpoint",
    "ContextBatch",
    "Environment",
    "Forecast",
    "InvalidForecast",
    "Model",
    "ModelInfo",
    "ModelSpec",
    "PluginProblem",
    "Plugins",
    "UnknownModel",
    "at_levels",
    "check_forecast",
    "hookimpl",
    "load_plugins",
]
