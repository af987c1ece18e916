"""Runs in a model's environment: calls functions of a file, and says what loading refuses.

``answering.py WORKER [FILE]``. Reads ``[function, {argument: value}]`` in JSON, a line each, and
answers each with a line.
"""

from __future__ import annotations

import json
import resource
import runpy
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch

from chronotick.plugin import ContextBatch


def refusals(worker: Any, checkpoints: list[str]) -> list[list[str]]:  # noqa: ANN401 - any model class
    """Type and text of the error that loading each of them ends with; empty where it loads."""
    return [_refusal(worker, checkpoint) for checkpoint in checkpoints]


def _refusal(worker: Any, checkpoint: str) -> list[str]:  # noqa: ANN401 - any model class
    try:
        worker().load(checkpoint, "cpu", 1)
    except Exception as error:  # noqa: BLE001 - the test says which ones are right
        return [type(error).__name__, str(error)]
    return ["", ""]


def ours(
    worker: Any,  # noqa: ANN401 - any model class
    *,
    checkpoint: str,
    values: list,
    horizon: int = 16,
    levels: Sequence[float] = (),
    step_s: float = 1.0,
) -> list:
    """The worker's class called without a wire in between: quantiles, or means of a point model."""
    model = worker()
    model.load(checkpoint, "cpu", 1)
    context = np.array(values)
    batch = ContextBatch(
        values=context,
        noise=np.full(context.shape, 1e-7),
        step_s=step_s,
        trend_covariance=np.zeros((len(context), 4)),
        expected=np.zeros((len(context), 64)),
        expected_sigma=np.full((len(context), 64), 1e-7),
    )
    forecast = model.forecast(batch, horizon, levels)
    return (forecast.mean if forecast.quantiles is None else forecast.quantiles).tolist()


def peak_mb() -> float:
    """Return the most memory this process has taken."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Answer until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is no answer
    place, *file = sys.argv[1:]
    module, _, name = place.partition(":")
    worker = getattr(import_module(module), name)
    functions = {
        "refusals": partial(refusals, worker),
        "ours": partial(ours, worker),
        "peak": peak_mb,
        **(runpy.run_path(file[0]) if file else {}),
    }
    torch.set_num_threads(1)
    for line in sys.stdin:
        what, question = json.loads(line)
        print(json.dumps(functions[what](**question)), file=answers, flush=True)


if __name__ == "__main__":
    main()
