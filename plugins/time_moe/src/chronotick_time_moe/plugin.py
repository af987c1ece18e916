"""What this plugin offers. Imported in the daemon: nothing heavy here."""

from chronotick.plugin import Checkpoint, Environment, ModelSpec, hookimpl

TIME_MOE = Environment(
    recipe="time-moe",
    package="chronotick_time_moe",
    python=">=3.11,<3.13",  # tokenizers 0.19 has no wheels for 3.13
    preinstall=("torch==2.13.*",),
    smoke_import="sktime.libs.timemoe",
)


@hookimpl
def chronotick_models() -> list[ModelSpec]:
    """Offer the model ``time-moe``."""
    return [
        ModelSpec(
            name="time-moe",
            title="Time-MoE, a mixture of experts pretrained on 300 billion time points",
            worker="chronotick_time_moe.worker:TimeMoe",
            licence="Apache-2.0",
            output="point",
            environment=TIME_MOE,
            checkpoint=Checkpoint(
                repository="Maple728/TimeMoE-50M",
                revision="446753ee48ff3726d0606a81d0092d54acee995e",
                licence="Apache-2.0",
                size_mb=227,
                memory_mb=1068,
            ),
            alternatives=(
                Checkpoint(
                    repository="Maple728/TimeMoE-200M",
                    revision="794591bfeb1225fdf742cec0f4c71f20c3f3b87e",
                    licence="Apache-2.0",
                    size_mb=906,
                    memory_mb=3026,
                ),
            ),
            random_weights="chronotick_time_moe.tiny:write",
            random_sizes=("tiny", "50M", "200M"),
            min_context=3,
            max_context=512,
            max_horizon=3584,
            trained_on=("Time-300B",),
        )
    ]
