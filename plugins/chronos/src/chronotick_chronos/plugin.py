"""What this plugin offers. Imported in the daemon: nothing heavy here."""

from chronotick.plugin import Checkpoint, Environment, ModelSpec, hookimpl

CORE_MODELS = Environment(
    recipe="core-models",
    package="chronotick_chronos",
    python=">=3.11,<3.14",
    preinstall=("torch==2.13.*",),
    smoke_import="chronos",
)


def _published(repository: str, revision: str, size_mb: float, memory_mb: float) -> Checkpoint:
    return Checkpoint(
        repository=repository,
        revision=revision,
        licence="Apache-2.0",
        size_mb=size_mb,
        memory_mb=memory_mb,
    )


# Trained by ``chronotick lab train chronos``, and part of this package.
_CLOCKS = Checkpoint(
    repository="chronotick_chronos:clocks", licence="Apache-2.0", size_mb=4.9, memory_mb=395
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
            checkpoint=_CLOCKS,
            alternatives=(
                _published(
                    "amazon/chronos-bolt-tiny", "a0e552de83495b5c28c14c71c374f3e33280b340", 35, 416
                ),
                _published(
                    "amazon/chronos-bolt-mini", "251268337516a88e253628c43e1d26ec577b376b", 85, 466
                ),
                _published(
                    "autogluon/chronos-2-small",
                    "ddec01313e50b6bc58ebaa92ede81bc24a3d9f9a",
                    112,
                    494,
                ),
                _published(
                    "amazon/chronos-bolt-small",
                    "772f3d25d38aec6d914c8949dab4462e2d46f5d8",
                    191,
                    568,
                ),
                _published(
                    "amazon/chronos-2", "29ec3766d36d6f73f0696f85560a422f50e8498c", 478, 845
                ),
                _published(
                    "amazon/chronos-bolt-base",
                    "5d9f166d69f47aef3401367a7b842e78fe97b121",
                    821,
                    1175,
                ),
            ),
            random_weights="chronotick_chronos.tiny:write",
            random_sizes=(
                "tiny-bolt",
                "tiny-2",
                "bolt-tiny",
                "bolt-mini",
                "chronos-2-small",
                "bolt-small",
                "chronos-2",
                "bolt-base",
            ),
            trainer="chronotick_chronos.training:ChronosBolt",
            min_context=3,
            max_context=8192,
            max_horizon=1024,
            covariates=("*",),  # Chronos-2 does; Bolt is univariate and leaves them aside
        )
    ]
