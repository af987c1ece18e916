"""What this plugin offers. Imported in the daemon: nothing heavy here."""

from chronotick.plugin import Checkpoint, Environment, ModelSpec, hookimpl

TTM = Environment(
    recipe="ttm",
    package="chronotick_ttm",
    python=">=3.11,<3.13",
    preinstall=("torch==2.13.*",),
    smoke_import="tsfm_public.models.tinytimemixer",
)

_REPOSITORY = "ibm-granite/granite-timeseries-ttm-r2"


def _published(revision: str, size_mb: float, memory_mb: float) -> Checkpoint:
    return Checkpoint(
        repository=_REPOSITORY,
        revision=revision,
        licence="Apache-2.0",
        size_mb=size_mb,
        memory_mb=memory_mb,
    )


# Trained by ``chronotick lab train ttm``, and part of this package.
_CLOCKS = Checkpoint(
    repository="chronotick_ttm:clocks", licence="Apache-2.0", size_mb=1.6, memory_mb=441
)


@hookimpl
def chronotick_models() -> list[ModelSpec]:
    """Offer the model ``ttm``; the checkpoint decides on context, horizon and covariates."""
    return [
        ModelSpec(
            name="ttm",
            title="TinyTimeMixer r2, small and fast pretrained forecasting models by IBM",
            worker="chronotick_ttm.worker:TinyTimeMixer",
            licence="Apache-2.0",
            output="point",
            environment=TTM,
            checkpoint=_CLOCKS,
            alternatives=(
                # The commit of branch main, which holds 512-96-r2: context 512, horizon 96.
                _published("d6a79570cac0f33d526601cd3a0fc7c80a8f9a2f", 3.2, 450),
                # Branches: their commits are not known to us.
                _published("1024-96-r2", 11.9, 468),
                _published("1536-96-r2", 12.3, 469),
            ),
            random_weights="chronotick_ttm.tiny:write",
            random_sizes=(
                "tiny",
                "tiny-covariates",
                "tiny-resolution",
                "512-96-r2",
                "1024-96-r2",
                "1536-96-r2",
            ),
            trainer="chronotick_ttm.training:TinyTimeMixer",
            max_context=1536,
            max_horizon=1536,
            # Weights take those they were fine-tuned with; the published ones take none.
            covariates=("*",),
        )
    ]
