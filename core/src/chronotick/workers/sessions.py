"""The clocks connected to a server of models, and whether what they ask for can be asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from chronotick.plugin.contract import ContextBatch, ModelInfo
from chronotick.workers import wire
from chronotick.workers.messages import ForecastRequest, batch_of

_MOST_LEVELS: Final = 99
_BYTES_OF_A_FLOAT: Final = 8


@dataclass(slots=True, eq=False)
class Session:
    """One clock's connection for one model.

    Attributes:
        client: its routing id, chosen by our socket, new for each connection.
        key: that it proved to hold.
        name: of the clock, for the log: what stands beside its key, and what it calls itself.
        model: that it asks.
        since_s: when it attached, on the event loop's clock.
        greeted: whether it has answered HELLO with WELCOME.
    """

    client: bytes
    key: str
    name: str
    model: str
    since_s: float
    greeted: bool = False


def checked_batch(request: ForecastRequest, info: ModelInfo) -> ContextBatch:
    """Take the context out of a clock's request that this model can answer.

    One clock must not make the model of all exhaust the memory.

    Raises:
        ValueError: it asks for more than the model has or a message holds, or makes no sense.
    """
    batch = batch_of(request)
    series, length = batch.values.shape
    levels = request.quantiles
    answer_bytes = series * request.horizon * max(1, len(levels)) * _BYTES_OF_A_FLOAT
    if series == 0 or not 0 < length <= info.max_context:
        raise ValueError(f"context [{series}, {length}]: 1 to {info.max_context} samples, please")
    if not 0 < request.horizon <= info.max_horizon:
        raise ValueError(f"horizon {request.horizon}: 1 to {info.max_horizon} steps, please")
    if len(levels) > _MOST_LEVELS or not all(0.0 < level < 1.0 for level in levels):
        raise ValueError(f"at most {_MOST_LEVELS} quantile levels between 0 and 1, please")
    if list(levels) != sorted(levels):
        raise ValueError("quantile levels must ascend")
    if not (math.isfinite(request.step_s) and request.step_s > 0.0):
        raise ValueError(f"step_s must be above 0, not {request.step_s}")
    if answer_bytes > wire.MAX_ANSWER_BYTES:
        raise ValueError(f"the answer would have {answer_bytes} bytes: ask for fewer series")
    return batch
