"""The echo model: answers with the last value it saw, and misbehaves when told to.

The shortest complete example of a plugin, and the faulty program the tests of supervision run.
Its checkpoint is a list of switches: ``chronotick run --models echo --checkpoint
echo=slow-start=2,hang``.

======================  =====================================================================
``crash-on-load``       abort() while loading
``missing-weights``     raise FileNotFoundError while loading
``slow-start=S``        take S seconds to load
``crash-on-forecast``   abort() while forecasting
``crash-after=N``       answer N times, then abort()
``crash-mid-reply``     abort() a moment after an answer was handed over, while it is sent
``exit0``               leave with status 0 while forecasting
``raise``               raise an exception while forecasting
``hang``                never answer
``hang-gil``            never answer, and hold the GIL
``late=S``              take S seconds for each answer
``busy=S``              keep a CPU busy for S seconds for each answer
``needs=NAME``          raise unless the covariate NAME is given
``nan``                 answer with NaN
``wrong-shape``         answer with one step too many
``wrong-type``          answer in float32
``unordered``           answer with quantiles that decrease
``warn``                log a warning for each answer
``stdout``              print while loading and forecasting
``stderr-flood``        write 1 MiB to standard error for each answer
``allocate=M``          take M MiB of memory with each answer, and keep them
======================  =====================================================================
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from chronotick.plugin.contract import (
    CURRENT_INTERPRETER,
    ContextBatch,
    Forecast,
    ModelInfo,
    ModelSpec,
)
from chronotick.plugin.hooks import hookimpl

_MIB = 2**20
_log = logging.getLogger(__name__)
_FOREVER_S = 3600
_MOMENT_S = 0.002  # a reply of megabytes is on its way for longer
_SWITCHES = frozenset(
    {
        "allocate",
        "busy",
        "crash-after",
        "crash-mid-reply",
        "crash-on-forecast",
        "crash-on-load",
        "exit0",
        "hang",
        "hang-gil",
        "late",
        "missing-weights",
        "nan",
        "needs",
        "raise",
        "slow-start",
        "stderr-flood",
        "stdout",
        "unordered",
        "warn",
        "wrong-shape",
        "wrong-type",
    }
)


@hookimpl
def chronotick_models() -> list[ModelSpec]:
    """Offer the model ``echo``, in a process of its own on this interpreter."""
    return [
        ModelSpec(
            name="echo",
            title="Last value, with faults on demand: for tests and plugin authors",
            worker="chronotick.plugin.echo:Echo",
            licence="Apache-2.0",
            output="quantiles",
            environment=CURRENT_INTERPRETER,
        )
    ]


class Echo:
    """Repeats the last measured value; the spread is that measurement's own noise."""

    def __init__(self) -> None:
        self._switches: dict[str, str] = {}
        self._answers = 0
        self._kept: list[NDArray[np.uint8]] = []

    def load(self, checkpoint: str, device: str, threads: int) -> ModelInfo:  # noqa: ARG002 - the contract
        """Read the switches; see the module's table.

        Raises:
            FileNotFoundError: when told to by ``missing-weights``.
            ValueError: unknown switch.
        """
        self._switches = _parse(checkpoint)
        if "stdout" in self._switches:
            print("echo: loading")  # noqa: T201 - the fault asked for
        time.sleep(float(self._switches.get("slow-start", 0)))
        if "crash-on-load" in self._switches:
            os.abort()
        if "missing-weights" in self._switches:
            raise FileNotFoundError("echo: no weights, as asked for")
        return ModelInfo(checkpoint=checkpoint, device="cpu", max_context=16384, max_horizon=16384)

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        """Answer, or do what the switches say.

        Raises:
            ValueError: a series without any measurement.
            RuntimeError: when told to by ``raise``.
        """
        self._misbehave(batch)
        self._answers += 1
        steps = horizon + 1 if "wrong-shape" in self._switches else horizon
        last, noise = _last_measured(batch.values), _last_measured(batch.noise)
        if "nan" in self._switches:
            last = np.full_like(last, np.nan)
        scores = np.array([NormalDist().inv_cdf(level) for level in quantiles])
        mean = np.repeat(last[:, np.newaxis], steps, axis=1)
        spread = noise[:, np.newaxis, np.newaxis] * scores
        return self._falsified(Forecast(mean=mean, quantiles=mean[:, :, np.newaxis] + spread))

    def close(self) -> None:
        """Let go of the memory taken by ``allocate``."""
        self._kept.clear()

    def _falsified(self, forecast: Forecast) -> Forecast:
        mean, quantiles = forecast.mean, forecast.quantiles
        if "wrong-type" in self._switches:
            mean = mean.astype(np.float32)
        if "unordered" in self._switches and quantiles is not None:
            quantiles = quantiles[..., ::-1]
        if "crash-mid-reply" in self._switches:
            threading.Timer(_MOMENT_S, os.abort).start()
        return Forecast(mean=mean, quantiles=quantiles)

    def _misbehave(self, batch: ContextBatch) -> None:
        switches = self._switches
        if "warn" in switches:
            _log.warning("echo: a warning, as asked for")
        if "stdout" in switches:
            print("echo: forecasting")  # noqa: T201 - the fault asked for
        if "stderr-flood" in switches:
            sys.stderr.write(("x" * 1023 + "\n") * 1024)
        if "allocate" in switches:
            self._kept.append(np.ones(int(switches["allocate"]) * _MIB, dtype=np.uint8))
        if "needs" in switches and switches["needs"] not in batch.covariates:
            raise RuntimeError(f"echo: no covariate {switches['needs']}")
        if "raise" in switches:
            raise RuntimeError("echo: an exception, as asked for")
        if "exit0" in switches:
            os._exit(0)
        crash_after = int(switches.get("crash-after", self._answers + 1))
        if "crash-on-forecast" in switches or self._answers >= crash_after:
            os.abort()
        self._stall()

    def _stall(self) -> None:
        if "hang" in self._switches:
            time.sleep(_FOREVER_S)
        if "hang-gil" in self._switches:
            ctypes.PyDLL(None).sleep(_FOREVER_S)  # unlike CDLL, PyDLL keeps the GIL
        time.sleep(float(self._switches.get("late", 0)))
        busy_until_s = time.monotonic() + float(self._switches.get("busy", 0))
        while time.monotonic() < busy_until_s:
            pass


def _parse(checkpoint: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in checkpoint.split(",") if item)
    switches = {name.strip(): value for name, _, value in pairs}
    unknown = switches.keys() - _SWITCHES
    if unknown:
        raise ValueError(f"echo has no switch {sorted(unknown)}; it has {sorted(_SWITCHES)}")
    return switches


def _last_measured(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(rows)
    if not known.any(axis=1).all():
        raise ValueError("a series holds no measurement: there is nothing to forecast from")
    last = rows.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    picked: NDArray[np.float64] = rows[np.arange(len(rows)), last]
    return picked
