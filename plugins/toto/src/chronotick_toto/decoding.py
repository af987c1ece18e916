"""Reading contexts once, and walking on from there along sampled paths."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.distributions import Distribution
from toto.data.util.dataset import replace_extreme_values
from toto.inference.forecaster import TotoForecaster
from toto.model.attention import AttentionAxis
from toto.model.backbone import TotoBackbone
from toto.model.util import KVCache

from chronotick_toto.mixture import Mixture

_SEED: Final = 20
_PATHS: Final = 128  # Toto's documentation recommends at least this many samples
_PATHS_AT_ONCE: Final = 64  # bounds memory: 350 MB of keys and values at the longest
_DRAWS: Final = 8  # of every path's distribution at each step; only the first one is walked on


@dataclass(frozen=True, slots=True)
class Reading:
    """A model having read the contexts of several series.

    Attributes:
        inputs: ``[series, 1, time]``.
        mask: same shape, true where something was measured.
        cache: the model's keys and values.
        features: ``[series, 1, patch, feature]``, from which the next patch's distribution follows.
        location, scale: ``[series, 1, time]`` that the model scales its output with.
    """

    inputs: torch.Tensor
    mask: torch.Tensor
    cache: KVCache
    features: torch.Tensor
    location: torch.Tensor
    scale: torch.Tensor


def patch_size(model: TotoBackbone) -> int:
    """Return how many steps follow from one pass of a model."""
    return int(model.patch_embed.patch_size)


def read(
    model: TotoBackbone, values: NDArray[np.float64], mask: NDArray[np.bool_], device: str
) -> Reading:
    """Let a model read contexts, one pass for all series.

    Args:
        model: Toto's, on that device.
        values: ``[series, time]`` of whole patches, standardised.
        mask: same shape, true where something was measured.
        device: ``cpu`` or ``cuda:n``.
    """
    inputs = torch.from_numpy(values.astype(np.float32))[:, None].to(device)
    measured = torch.from_numpy(mask)[:, None].to(device)
    steps = inputs.shape[-1]
    cache = _cache(model, inputs, steps)
    return Reading(inputs, measured, cache, *_advance(model, inputs, measured, cache, steps))


def next_patch(model: TotoBackbone, reading: Reading) -> Mixture:
    """Return the distributions of the patch after each context, ``[series * patch, component]``."""
    scaled = _distribution(model, reading.features, reading.location, reading.scale)
    mixture, location, scale = scaled.base_dist, scaled.loc[..., None], scaled.scale[..., None]
    parts = mixture.component_distribution
    return Mixture(
        weight=_rows(mixture.mixture_distribution.probs),
        freedom=_rows(parts.df),
        location=_rows(parts.loc.double() * scale + location),
        scale=_rows(parts.scale.double() * scale),
    )


def later_patches(
    model: TotoBackbone,
    reading: Reading,
    series: int,
    steps: int,
) -> NDArray[np.float64]:
    """Sample what follows the next patch of one series: ``[draw, steps]``, the same every time.

    The library lets every sampled path read the context anew. Here all paths share what was read
    once, and every path's distributions are drawn from several times.
    """
    patches = ceil(steps / patch_size(model))
    device = reading.inputs.device
    with torch.random.fork_rng([device.index] if device.type == "cuda" else []):
        torch.manual_seed(_SEED)
        walks = [_walk(model, reading, series, patches) for _ in range(_PATHS // _PATHS_AT_ONCE)]
    draws: NDArray[np.float64] = torch.cat(walks)[:, :steps].double().cpu().numpy()
    return draws


def _walk(model: TotoBackbone, reading: Reading, series: int, patches: int) -> torch.Tensor:
    """Walk some paths at once; returns ``[draw, patches * patch]``."""
    own = slice(series, series + 1)
    first = _distribution(model, reading.features[own], reading.location[own], reading.scale[own])
    patch = replace_extreme_values(first.sample((_PATHS_AT_ONCE,))[:, 0])
    inputs = reading.inputs[own].expand(_PATHS_AT_ONCE, -1, -1)
    mask = reading.mask[own].expand(_PATHS_AT_ONCE, -1, -1)
    read_steps = inputs.shape[-1]
    cache = _cache(model, inputs, read_steps + patches * patch.shape[-1])
    _copy(model, reading.cache, series, cache)
    drawn = []
    for _ in range(patches):
        inputs = torch.cat([inputs, patch], dim=-1)
        mask = torch.cat([mask, torch.ones_like(patch, dtype=torch.bool)], dim=-1)
        ahead = _distribution(model, *_advance(model, inputs, mask, cache, read_steps))
        draws = replace_extreme_values(ahead.sample((_DRAWS,)))
        drawn.append(draws.flatten(end_dim=2))
        patch = draws[0]
    return torch.cat(drawn, dim=-1)


def _advance(
    model: TotoBackbone,
    inputs: torch.Tensor,
    mask: torch.Tensor,
    cache: KVCache,
    read_steps: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pass the inputs the cache does not hold yet through the model; returns the last patch's."""
    one_group = torch.zeros_like(inputs, dtype=torch.int)
    features, location, scale = model.backbone(
        inputs, mask, one_group, cache, scaling_prefix_length=read_steps
    )
    return features[:, :, -patch_size(model) :], location, scale


def _distribution(
    model: TotoBackbone,
    features: torch.Tensor,
    location: torch.Tensor,
    scale: torch.Tensor,
) -> Distribution:
    base = model.output_distribution(features)
    return TotoForecaster.create_affine_transformed(base, location, scale)


def _cache(model: TotoBackbone, inputs: torch.Tensor, steps: int) -> KVCache:
    return model.allocate_kv_cache(
        batch_size=inputs.shape[0],
        num_variates=1,
        max_time_steps=steps,
        device=inputs.device,
        dtype=inputs.dtype,
    )


def _copy(model: TotoBackbone, source: KVCache, series: int, target: KVCache) -> None:
    """Give every path of ``target`` what the model read of one series."""
    for layer, block in enumerate(model.transformer.layers):
        if block.attention_axis is AttentionAxis.TIME:
            keys, values = (part[series : series + 1] for part in source[layer])
            shape = (target.batch_size, -1, -1, -1)
            target.append(layer, (keys.expand(shape), values.expand(shape)))


def _rows(tensor: torch.Tensor) -> NDArray[np.float64]:
    rows: NDArray[np.float64] = tensor.double().flatten(end_dim=-2).cpu().numpy()
    return rows
