"""The configuration: one schema, four layers (defaults, file, environment, command line).

Names are loaded when they are first used: the schema needs pydantic, and ``chronotick --help``
must not wait for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from chronotick.config.errors import ConfigError, Origin, Problem

if TYPE_CHECKING:
    from chronotick.config.keys import json_schema
    from chronotick.config.loading import Loaded, load
    from chronotick.config.schema import Config
    from chronotick.config.text import show, template

__all__ = [
    "Config",
    "ConfigError",
    "Loaded",
    "Origin",
    "Problem",
    "json_schema",
    "load",
    "show",
    "template",
]

_HOMES = {
    "Config": "chronotick.config.schema",
    "Loaded": "chronotick.config.loading",
    "json_schema": "chronotick.config.keys",
    "load": "chronotick.config.loading",
    "show": "chronotick.config.text",
    "template": "chronotick.config.text",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
