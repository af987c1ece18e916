"""Plugin of the models that need nothing: they run in the daemon."""

from __future__ import annotations

from collections.abc import Iterable

from chronotick.plugin import ModelSpec, hookimpl


@hookimpl
def chronotick_models() -> Iterable[ModelSpec]:
    """Return the built-in models."""
    return (
        ModelSpec(
            name="kalman",
            title="Kalman filter's own extrapolation: the baseline every model must beat",
            worker="chronotick.models.physical:Kalman",
            licence="Apache-2.0",
            output="quantiles",
        ),
        ModelSpec(
            name="hold",
            title="Last measured offset, held at the filter's frequency",
            worker="chronotick.models.physical:Hold",
            licence="Apache-2.0",
            output="point",
        ),
        ModelSpec(
            name="line",
            title="Delay-weighted straight line, its window chosen by its own skill",
            worker="chronotick.models.physical:Line",
            licence="Apache-2.0",
            output="point",
        ),
    )
