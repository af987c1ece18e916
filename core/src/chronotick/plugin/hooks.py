"""The hooks a plugin may implement (pluggy)."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from chronotick.plugin.contract import ModelSpec

PROJECT = "chronotick"
ENTRY_POINT_GROUP = "chronotick_model"
"""Entry points of plugins stand in this group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def chronotick_models() -> Iterable[ModelSpec]:
    """Return the models this plugin provides.

    Called in a short-lived process on the daemon's interpreter, not in the daemon; the answer is
    kept until a file that was imported for it changes. The module it stands in must be imported
    within seconds, so it must import nothing heavy (no torch, transformers, pandas or jax): the
    model's own class is named in the specification and imported in the worker only.
    """
    return ()
