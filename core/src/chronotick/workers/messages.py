"""The messages between daemon and worker, as values. ``docs/protocol.md`` says what they mean.

Fields may be added with a default: an older peer ignores them. Anything else is a new protocol
version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from chronotick.plugin.contract import ContextBatch, Forecast, ModelInfo

PROTOCOL: Final = (1, 1)
"""Lowest and highest protocol version spoken here."""

LOAD_REQUEST: Final = 0
"""The request id under which a worker reports that loading failed; requests count from 1."""

Arrays = Mapping[str, NDArray[Any]]
_COVARIATE: Final = "covariate:"
_EXPECTED: Final = ("expected", "expected_sigma")
_FLOAT64: Final = np.dtype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """Daemon to a server of models, first: what I want and which protocol versions I speak.

    The server's HELLO repeats ``token``; ``clock`` names the asking machine in the server's log.
    """

    TAG: ClassVar[str] = "ATTACH"
    protocol: tuple[int, int]
    model: str
    token: str = field(repr=False)
    clock: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Worker to daemon, first: who I am and which protocol versions I speak."""

    TAG: ClassVar[str] = "HELLO"
    protocol: tuple[int, int]
    token: str = field(repr=False)
    pid: int
    runtime: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """Daemon to worker: the version to speak and the model to load."""

    TAG: ClassVar[str] = "WELCOME"
    protocol: int
    model: str
    checkpoint: str
    device: str
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Daemon to worker: not you; the worker exits."""

    TAG: ClassVar[str] = "REFUSE"
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """Worker to daemon: still loading. Each one restarts the start timeout."""

    TAG: ClassVar[str] = "LOADING"
    stage: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Worker to daemon: the model is loaded."""

    TAG: ClassVar[str] = "READY"
    checkpoint: str
    device: str
    max_context: int
    max_horizon: int
    parameters: int = 0
    load_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRequest:
    """Daemon to worker: forecast this context, within so many nanoseconds from now."""

    TAG: ClassVar[str] = "FORECAST"
    id: int
    deadline_ns: int
    horizon: int
    quantiles: tuple[float, ...]
    step_s: float
    arrays: Arrays = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Worker to daemon: the answer, and the time the model itself took."""

    TAG: ClassVar[str] = "RESULT"
    id: int
    compute_ns: int
    arrays: Arrays = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Worker to daemon: no answer to this request, and why.

    ``kind`` is ``load``, ``exception``, ``invalid`` (an answer no forecast can be), ``expired``,
    ``cancelled`` or, from a server only, ``superseded`` and ``unavailable``. ``retryable`` is false
    when trying again cannot help.
    """

    TAG: ClassVar[str] = "FAILED"
    id: int
    kind: str
    message: str
    traceback: str = ""
    retryable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Daemon to worker: drop this request unless it is being computed."""

    TAG: ClassVar[str] = "CANCEL"
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Daemon to worker: finish, say BYE and exit with status 0."""

    TAG: ClassVar[str] = "DRAIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bye:
    """Worker to daemon: the last message."""

    TAG: ClassVar[str] = "BYE"
    reason: str = ""


Message = (
    Attach
    | Hello
    | Welcome
    | Refuse
    | Loading
    | Ready
    | ForecastRequest
    | Result
    | Failed
    | Cancel
    | Drain
    | Bye
)
MESSAGES: Final[tuple[type[Message], ...]] = (
    Attach,
    Hello,
    Welcome,
    Refuse,
    Loading,
    Ready,
    ForecastRequest,
    Result,
    Failed,
    Cancel,
    Drain,
    Bye,
)


def common_version(theirs: tuple[int, int]) -> int | None:
    """The highest protocol version that they and we speak."""
    version = min(PROTOCOL[1], theirs[1])
    return version if version >= max(PROTOCOL[0], theirs[0]) else None


def request_of(
    batch: ContextBatch,
    *,
    request_id: int,
    deadline_ns: int,
    horizon: int,
    quantiles: Sequence[float],
) -> ForecastRequest:
    """Put a context into a request."""
    arrays = {
        "values": batch.values,
        "noise": batch.noise,
        "trend_covariance": batch.trend_covariance,
    }
    if batch.expected.size:
        arrays.update({name: getattr(batch, name) for name in _EXPECTED})
    arrays.update({_COVARIATE + name: array for name, array in batch.covariates.items()})
    return ForecastRequest(
        id=request_id,
        deadline_ns=deadline_ns,
        horizon=horizon,
        quantiles=tuple(map(float, quantiles)),
        step_s=float(batch.step_s),
        arrays=arrays,
    )


def batch_of(request: ForecastRequest) -> ContextBatch:
    """Take the context out of a request.

    Raises:
        ValueError: an array is missing, or their shapes do not belong together.
    """
    values, noise = _matrix(request.arrays, "values"), _matrix(request.arrays, "noise")
    trend = _matrix(request.arrays, "trend_covariance")
    covariates = {
        name.removeprefix(_COVARIATE): _matrix(request.arrays, name)
        for name in request.arrays
        if name.startswith(_COVARIATE)
    }
    if any(array.shape != values.shape for array in (noise, *covariates.values())):
        raise ValueError("noise and covariates must have the shape of values")
    if trend.shape != (values.shape[0], 4):
        raise ValueError(f"trend_covariance must be [series, 4], not {trend.shape}")
    told = {name: _matrix(request.arrays, name) for name in _EXPECTED if name in request.arrays}
    if told and {array.shape[0] for array in told.values()} != {len(values)}:
        raise ValueError(f"{' and '.join(_EXPECTED)} must be [series, steps]")
    return ContextBatch(
        values=values,
        noise=noise,
        step_s=request.step_s,
        trend_covariance=trend,
        covariates=covariates,
        **told,
    )


def info_of(ready: Ready) -> ModelInfo:
    """Take what a model says of itself out of READY.

    Raises:
        ValueError: with these limits it could be asked nothing.
    """
    if ready.max_context < 1 or ready.max_horizon < 1:
        raise ValueError(
            f"max_context {ready.max_context} and max_horizon {ready.max_horizon} "
            "in READY must be 1 or more"
        )
    return ModelInfo(
        checkpoint=ready.checkpoint,
        device=ready.device,
        max_context=ready.max_context,
        max_horizon=ready.max_horizon,
        parameters=ready.parameters,
    )


def result_of(forecast: Forecast, *, request_id: int, compute_ns: int) -> Result:
    """Put a forecast into a result."""
    arrays = {"mean": forecast.mean}
    if forecast.quantiles is not None:
        arrays["quantiles"] = forecast.quantiles
    return Result(id=request_id, compute_ns=compute_ns, arrays=arrays)


def forecast_of(result: Result) -> Forecast:
    """Take the forecast out of a result; whether it is one is for ``check_forecast`` to say.

    Raises:
        ValueError: there is no mean.
    """
    if "mean" not in result.arrays:
        raise ValueError("the result holds no array named mean")
    return Forecast(mean=result.arrays["mean"], quantiles=result.arrays.get("quantiles"))


def _matrix(arrays: Arrays, name: str) -> NDArray[np.float64]:
    array = arrays.get(name)
    if array is None or array.dtype != _FLOAT64 or array.ndim != 2:  # noqa: PLR2004 - [series, x]
        raise ValueError(f"the request needs a two-dimensional float64 array named {name}")
    return array
