"""What a plugin provides so that its model can be trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from chronotick.plugin.scaling import Standardised, standardise
from chronotick.plugin.training.frames import Batch


@dataclass(frozen=True, slots=True)
class Inputs:
    """A batch as a network reads it.

    Attributes:
        tensors: by name.
        context: how forecasts are brought back to seconds.
    """

    tensors: Mapping[str, torch.Tensor]
    context: Standardised

    def to(self, device: str) -> Inputs:
        """Return the same on a device."""
        moved = {name: each.to(device, non_blocking=True) for name, each in self.tensors.items()}
        return Inputs(moved, self.context)


class Trainee(Protocol):
    """The class a specification's ``trainer`` names: a network, and how it is asked.

    It is made with the recipe's section ``model``, the header of the examples and the section
    ``training``; the random weights are those of torch's seed at that moment.

    Attributes:
        network: the library's own model; it has ``save_pretrained``.
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
        """Return the library's own loss, and forecasts ``[n, reach, level]``, standardised.

        Of one level for a model of points; NaN where the network does not reach.
        """


def standardised(batch: Batch) -> Standardised:
    """Give every context location 0 and scale 1, as workers do."""
    return standardise(batch.values.astype(np.float64), batch.noise.astype(np.float64))


def standard_target(batch: Batch, context: Standardised, limit: float) -> NDArray[np.float32]:
    """Return targets on the scale of their contexts, NaN where they are not known."""
    target = batch.target.astype(np.float64) - context.location[:, np.newaxis]
    target /= context.scale[:, np.newaxis]
    if limit:
        target = np.clip(target, -limit, limit)
    return target.astype(np.float32)


def weights_of(batch: Batch, context: Standardised, floor: float) -> NDArray[np.float32]:
    """Return how much each step of each example counts, ``[n, reach]``, 1 in the mean.

    Args:
        batch: of the examples.
        context: their contexts.
        floor: see ``sigma_floor`` of :class:`~chronotick.plugin.training.settings.Training`.
    """
    if not floor:
        return np.ones(batch.sigma.shape, np.float32)
    sigma = batch.sigma.astype(np.float64) / context.scale[:, np.newaxis]
    weights = 1 / (np.where(np.isfinite(sigma), sigma, 1.0) + floor)
    weights /= weights.mean()
    return weights.astype(np.float32)


@contextmanager
def weighted(output: torch.nn.Module, weights: torch.Tensor) -> Iterator[None]:
    """Weight the errors of a loss that a library computes where it cannot be told weights.

    The loss is a mean of what each number of the forecast contributes, so weighting a contribution
    is weighting the gradient that comes back to that number. The value of the loss stays as it is.

    Args:
        output: module whose output is the forecast, perhaps scaled.
        weights: that can be multiplied with that output.
    """

    def weight(_module: torch.nn.Module, _given: object, found: torch.Tensor) -> None:
        if found.requires_grad:
            found.register_hook(lambda gradient: (gradient * weights).to(gradient.dtype))

    handle = output.register_forward_hook(weight)
    try:
        yield
    finally:
        handle.remove()
