"""The hooks a plugin may implement (pluggy)."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from chronotick.plugin.contract import ModelSpec

PROJECT = "chronotick"
ENTRY_POINT_GROUP = "chronotick_model"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def chronotick_models() -> Iterable[ModelSpec]:
    """Return the models this plugin provides.

    Called once when the daemon or the command line starts. The module it stands in is imported
    in the daemon and must import nothing heavy (no torch, transformers, pandas or jax): the
    model's own class is named in the specification and imported in the worker only.
    """
    return ()
