"""What this plugin offers. Read in a process of its own, quickly: nothing heavy here."""

from chronotick.plugin import Environment, ModelSpec, hookimpl

STATSFORECAST = Environment(
    recipe="statsforecast",
    package="chronotick_example_statsforecast",
    python=">=3.11,<3.14",
    smoke_import="statsforecast.models",
)


@hookimpl
def chronotick_models() -> list[ModelSpec]:
    """Offer three models, which share one environment and run in a process each."""
    return [
        _model("auto-arima", "ARIMA, its orders chosen for each context", "AutoArima"),
        _model("auto-ets", "Exponential smoothing, its form chosen for each context", "AutoEts"),
        _model("theta", "The theta method: half the slope, and smoothing", "Theta"),
    ]


def _model(name: str, title: str, worker: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        title=title,
        worker=f"chronotick_example_statsforecast.worker:{worker}",
        licence="Apache-2.0",
        output="quantiles",
        environment=STATSFORECAST,
        min_context=10,
        max_context=512,
        max_horizon=1024,
    )
