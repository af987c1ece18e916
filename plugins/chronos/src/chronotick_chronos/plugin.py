"""What this plugin offers. Imported in the daemon: nothing heavy here."""

from chronotick.plugin import Checkpoint, Environment, ModelSpec, hookimpl

CORE_MODELS = Environment(
    recipe="core-models",
    package="chronotick_chronos",
    python=">=3.11,<3.14",
    preinstall=("torch==2.13.*",),
    smoke_import="chronos",
)


@hookimpl
def chronotick_models() -> list[ModelSpec]:
    """Offer the model ``chronos``; the checkpoint decides between Bolt and Chronos-2."""
    return [
        ModelSpec(
            name="chronos",
            title="Chronos-Bolt and Chronos-2, pretrained forecasting models by Amazon",
            worker="chronotick_chronos.worker:Chronos",
            licence="Apache-2.0",
            output="quantiles",
            environment=CORE_MODELS,
            checkpoint=Checkpoint(
                repository="amazon/chronos-bolt-small", licence="Apache-2.0", size_mb=191
            ),
            random_weights="chronotick_chronos.tiny:write",
            random_sizes=("tiny-bolt", "tiny-2"),
            min_context=3,
            max_context=8192,
            max_horizon=1024,
        )
    ]
