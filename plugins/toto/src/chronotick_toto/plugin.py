"""What this plugin offers. Imported in the daemon: nothing heavy here."""

from chronotick.plugin import Checkpoint, Environment, ModelSpec, hookimpl

TOTO = Environment(
    recipe="toto",
    package="chronotick_toto",
    python=">=3.11,<3.13",  # numpy 1.26, which toto-ts pins, has no wheels for 3.13
    preinstall=("torch==2.13.*",),
    smoke_import="toto.model.toto",
)


@hookimpl
def chronotick_models() -> list[ModelSpec]:
    """Offer the model ``toto``."""
    return [
        ModelSpec(
            name="toto",
            title="Toto 1, a pretrained forecasting model for observability data by Datadog",
            worker="chronotick_toto.worker:Toto",
            licence="Apache-2.0",
            output="quantiles",
            environment=TOTO,
            checkpoint=Checkpoint(
                repository="Datadog/Toto-Open-Base-1.0",
                revision="0411ceb27bdf7fc3e4892e99edc8ad08192dc3c5",
                licence="Apache-2.0",
                size_mb=605,
                memory_mb=1581,
            ),
            random_weights="chronotick_toto.tiny:write",
            random_sizes=("tiny", "open-base"),
            max_context=4096,
            max_horizon=1024,
            # As the model card lists them; Datadog's own metrics are not public.
            trained_on=("Salesforce/GiftEvalPretrain", "autogluon/chronos_datasets"),
        )
    ]
