"""What a plugin provides so that its model can be trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from chronotick.plugin.anchoring import TOLD, Anchored, anchored_series
from chronotick.plugin.contract import ContextBatch
from chronotick.plugin.training.frames import Batch


@dataclass(frozen=True, slots=True)
class Inputs:
    """A batch as a network reads it.

    Attributes:
        tensors: by name.
        context: how forecasts are brought back to seconds.
    """

    tensors: Mapping[str, torch.Tensor]
    context: Anchored

    def to(self, device: str) -> Inputs:
        """Return the same on a device."""
        moved = {name: each.to(device, non_blocking=True) for name, each in self.tensors.items()}
        return Inputs(moved, self.context)


class Trainee(Protocol):
    """The class a specification's ``trainer`` names: a network, and how it is asked.

    It is made with the recipe's section ``model``, the header of the examples and the section
    ``training``; the random weights are those of torch's seed at that moment.

    Attributes:
        network: the library's own model; it has ``save_pretrained``, and its settings say
            :data:`chronotick.plugin.anchoring.NAME`.
        levels: of the quantiles it gives; empty for a model of points.
        title: of the model card.
        library: what its environment is built around, ``name version``.
    """

    network: Any
    levels: tuple[float, ...]
    title: str
    library: str

    def prepare(self, batch: Batch) -> Inputs:
        """Make a batch what the network reads, exactly as the worker does; on the CPU."""

    def answer(self, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the library's own loss, and forecasts ``[n, reach, level]``, as anchored.

        Of one level for a model of points.
        """


def anchored_inputs(batch: Batch) -> Anchored:
    """Anchor the contexts of a batch, as workers do."""
    told = ContextBatch(
        values=batch.values.astype(np.float64),
        noise=batch.noise.astype(np.float64),
        step_s=np.nan,  # each has its own
        trend_covariance=batch.trend,
        expected=batch.expected.astype(np.float64),
        expected_sigma=batch.sigma.astype(np.float64),
    )
    return anchored_series(told, batch.step_s, TOLD + batch.values.shape[1])


def anchored_target(batch: Batch, context: Anchored, limit: float) -> NDArray[np.float32]:
    """Return targets as a network forecasts them, NaN where they are not known.

    Args:
        batch: of the examples.
        context: their contexts.
        limit: see ``target_limit`` of :class:`~chronotick.plugin.training.settings.Training`.
    """
    target = context.reduce(batch.target.astype(np.float64))
    if limit:
        target = np.clip(target, -limit, limit)
    return target.astype(np.float32)
