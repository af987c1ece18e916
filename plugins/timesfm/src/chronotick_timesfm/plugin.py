"""What this plugin offers. Imported in the daemon: nothing heavy here."""

from chronotick.plugin import Checkpoint, Environment, ModelSpec, hookimpl

# Chronos lives in the same environment: both packages carry the same lock.
CORE_MODELS = Environment(
    recipe="core-models",
    package="chronotick_timesfm",
    python=">=3.11,<3.14",
    preinstall=("torch==2.13.*",),
    smoke_import="timesfm",
)


@hookimpl
def chronotick_models() -> list[ModelSpec]:
    """Offer the model ``timesfm``; the checkpoint decides between versions 2.5 and 3."""
    return [
        ModelSpec(
            name="timesfm",
            title="TimesFM 2.5 and 3, pretrained forecasting models by Google",
            worker="chronotick_timesfm.worker:TimesFM",
            licence="Apache-2.0",
            output="quantiles",
            environment=CORE_MODELS,
            checkpoint=Checkpoint(
                repository="google/timesfm-2.5-200m-pytorch",
                revision="1d952420fba87f3c6dee4f240de0f1a0fbc790e3",
                licence="Apache-2.0",
                size_mb=925,
                memory_mb=1148,
            ),
            alternatives=(
                # Never a default: neither commercial nor production use is allowed.
                Checkpoint(
                    repository="google/timesfm-3.0-pytorch",
                    revision="43046b85ec22d584a13f8098c2ed39c889e129c2",
                    licence="LicenseRef-timesfm-non-commercial-license-v1.0",
                    size_mb=1323,
                    memory_mb=2763,
                ),
            ),
            random_weights="chronotick_timesfm.tiny:write",
            random_sizes=("tiny-2.5", "tiny-3", "timesfm-2.5-200m", "timesfm-3.0"),
            min_context=3,
            max_context=15_360,
            max_horizon=1024,
            covariates=("*",),  # version 3 does; 2.5 is univariate and leaves them aside
        )
    ]
