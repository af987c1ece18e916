"""Messages between daemon and worker, as either end may get them: a head, and arrays.

The input says how many frames follow the head and how long each is; the rest of it is the head.
"""

from __future__ import annotations

import contextlib

import msgpack  # type: ignore[import-untyped] # has neither stubs nor a marker
import numpy as np

from chronotick.plugin.answers import InvalidForecast, check_forecast
from chronotick.workers import messages as m
from chronotick.workers.wire import WireError, decode, encode
from fuzz.oracle import require
from fuzz.taking import Taking

_MOST_FRAMES = 5
_LEVELS = 3


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Read frames, and do with the message what either end does first.

    Raises:
        Finding: it is not sent as it was read, or nonsense passes for a forecast.
    """
    taking = Taking(data)
    frames = [taking.some(taking.number(2)) for _ in range(taking.number() % _MOST_FRAMES)]
    try:
        message = decode([taking.rest(), *frames])
    except WireError as error:
        require(str(error), "a refusal has words")
        return
    sent = [bytes(frame) for frame in encode(message)]
    again = [bytes(frame) for frame in encode(decode(sent))]
    require(again == sent, "a message survives being sent")
    _use(message)


def _use(message: m.Message) -> None:
    match message:
        case m.ForecastRequest():
            with contextlib.suppress(ValueError):
                batch = m.batch_of(message)
                require(batch.values.shape == batch.noise.shape, "a context is of one shape")
        case m.Result():
            _judge(message)
        case m.Ready():
            with contextlib.suppress(ValueError):
                info = m.info_of(message)
                require(info.max_context > 0 < info.max_horizon, "a model can be asked something")
        case m.Hello() | m.Attach():
            version = m.common_version(message.protocol)
            low, high = m.PROTOCOL
            require(version is None or low <= version <= high, "a version is one of ours")
        case _:
            pass


def _judge(result: m.Result) -> None:
    with contextlib.suppress(ValueError):
        forecast = m.forecast_of(result)
        series, horizon = (*forecast.mean.shape, 1, 1)[:2]
        with contextlib.suppress(InvalidForecast):
            forecast = check_forecast(forecast, series, horizon, _LEVELS)
            require(np.isfinite(forecast.mean).all(), "a forecast is made of numbers")


def seeds() -> dict[str, bytes]:
    """What the corpus begins with: every message."""
    array = np.array([[1e-6, 2e-6]])
    context = {"values": array, "noise": array, "trend_covariance": np.zeros((1, 4))}
    answer = {"mean": array, "quantiles": np.array([[[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]]])}
    messages: list[m.Message] = [
        m.Attach(protocol=(1, 1), model="echo", token="", clock="here"),
        m.Hello(protocol=(1, 2), token="", pid=1),
        m.Welcome(protocol=1, model="echo", checkpoint="", device="cpu", threads=1),
        m.Refuse(reason="no"),
        m.Loading(stage="weights", done=1, total=2),
        m.Ready(checkpoint="", device="cpu", max_context=512, max_horizon=64),
        m.ForecastRequest(
            id=1, deadline_ns=10**9, horizon=2, quantiles=(0.1, 0.5), step_s=1.0, arrays=context
        ),
        m.Result(id=1, compute_ns=10**6, arrays=answer),
        m.Failed(id=1, kind="exception", message="?"),
        m.Cancel(id=1),
        m.Drain(),
        m.Bye(),
    ]
    nested = {"nested": b"\0" + b"\x81\xa1t" + b"\x91" * 1500, "extension": b"\0\xd4\5x"}
    strange = {"strange": b"\0" + msgpack.packb({"t": "NEWER", "id": 2**63})}
    return {message.TAG.lower(): _written(message) for message in messages} | nested | strange


def _written(message: m.Message) -> bytes:
    head, *frames = [bytes(frame) for frame in encode(message)]
    sized = b"".join(len(frame).to_bytes(2, "little") + frame for frame in frames)
    return bytes([len(frames)]) + sized + head
