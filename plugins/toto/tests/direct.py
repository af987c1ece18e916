"""Runs in the model's environment: the library asked directly.

Its functions are called by ``answering.py`` (``plugins/tests``), arguments and answers in JSON.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from toto.data.util.dataset import MaskedTimeseries, pad_array
from toto.inference.forecaster import TotoForecaster
from toto.model.toto import Toto as TotoModel

from chronotick.plugin import ContextBatch
from chronotick_toto.mixture import Mixture, quantiles
from chronotick_toto.tiny import write as write_random
from chronotick_toto.worker import Toto


def write(directory: str, size: str) -> list[int]:
    """A random checkpoint; the size of its file, then what it says once it is loaded."""
    Path(directory).mkdir()
    write_random(Path(directory), size)
    info = Toto().load(directory, "cpu", 1)
    stored = Path(directory, "model.safetensors").stat().st_size
    return [stored, info.max_context, info.max_horizon, info.parameters]


def probabilities(checkpoint: str, values: list, mask: list, at: list) -> list:
    """What the library's own distribution of the next patch says is below ``at`` ``[step][n]``."""
    model = TotoModel.from_pretrained(checkpoint, strict=True).model.eval()
    inputs = pad_array(torch.tensor(values, dtype=torch.float32)[None, None], 64)
    measured = pad_array(torch.tensor(mask)[None, None], 64)
    steps = slice(inputs.shape[-1] - 64, inputs.shape[-1] - 64 + len(at))
    with torch.inference_mode():
        base, location, scale = model(inputs, measured, torch.zeros_like(inputs))
        whole = TotoForecaster.create_affine_transformed(base, location, scale)
        asked = torch.zeros((len(at[0]), 1, 1, inputs.shape[-1]))
        asked[:, 0, 0, steps] = torch.tensor(at).T
        return whole.cdf(asked)[:, 0, 0, steps].T.tolist()


def certain(source: str, target: str) -> list:
    """A checkpoint whose distributions are points: sampling and averaging are the same thing."""
    tensors = load_file(Path(source, "model.safetensors"))
    head = "model.output_distribution."
    tensors[head + "scale_proj.weight"].zero_()
    tensors[head + "scale_proj.bias"].fill_(-30.0)
    tensors[head + "mixture_weights.weight"].zero_()
    tensors[head + "mixture_weights.bias"] = torch.tensor([90.0, 0.0, 0.0, 0.0])
    return _save(tensors, source, target)


def means(checkpoint: str, values: list, horizon: int) -> list:
    """The library's own way without samples: ``[horizon]``."""
    forecaster = TotoForecaster(TotoModel.from_pretrained(checkpoint, strict=True).model)
    return forecaster.forecast(_series(values), horizon).mean[0, 0].tolist()


def samples(checkpoint: str, values: list, horizon: int, count: int, levels: list) -> list:
    """Quantiles of the library's own samples: ``[horizon][level]``."""
    torch.manual_seed(1)
    forecaster = TotoForecaster(TotoModel.from_pretrained(checkpoint, strict=True).model)
    answer = forecaster.forecast(
        _series(values), horizon, num_samples=count, samples_per_batch=count
    )
    return np.quantile(answer.samples[0, 0].numpy(), levels, axis=1).T.tolist()


def state(checkpoint: str, values: list, horizon: int) -> list[bool]:
    """Whether a forecast that samples leaves torch's own random numbers alone."""
    model = Toto()
    model.load(checkpoint, "cpu", 1)
    before = torch.random.get_rng_state()
    model.forecast(_batch(values), horizon, [0.5])
    return [torch.equal(before, torch.random.get_rng_state())]


def inversion(rows: int, components: int, levels: list) -> list[list[float]]:
    """Per kind of mixture: worst error of a probability, and the least step between quantiles."""
    draw = np.random.default_rng(0)
    shape = (rows, components)
    usual = {"location": draw.normal(size=shape), "scale": np.exp(draw.normal(size=shape) - 2)}
    kinds = [
        usual,
        {"location": 1e3 * draw.normal(size=shape), "scale": np.full(shape, 1e-3)},  # far apart
        {"location": np.zeros(shape), "scale": 10.0 ** draw.uniform(-6, 3, size=shape)},
    ]
    report = []
    for kind in kinds:
        weight = draw.dirichlet(np.full(components, 0.3), rows)
        mixture = Mixture(weight=weight, freedom=2 + draw.gamma(1, 3, size=shape), **kind)
        found = quantiles(mixture, levels)
        errors = [
            mixture.probability_below(at) - level for at, level in zip(found.T, levels, strict=True)
        ]
        report.append([float(np.abs(errors).max()), float(np.diff(found).min())])
    return report


def spoiled(source: str, root: str) -> list[str]:
    """Checkpoints with a tensor less, one more, and one of another shape."""
    tensors = load_file(Path(source, "model.safetensors"))
    less = {name: tensor for name, tensor in tensors.items() if "norm2" not in name}
    more = tensors | {"model.target_variate_label": torch.zeros(32)}
    other = tensors | {"model.unembed.bias": torch.zeros(3)}
    for name, changed in (("less", less), ("more", more), ("other", other)):
        _save(changed, source, f"{root}/{name}")
    return [f"{root}/{name}" for name in ("less", "more", "other")]


def _save(tensors: dict[str, torch.Tensor], source: str, target: str) -> list:
    Path(target).mkdir()
    save_file(tensors, Path(target, "model.safetensors"))
    shutil.copy(Path(source, "config.json"), target)
    return []


def _series(values: list) -> MaskedTimeseries:
    """One series as the library's documentation hands it over."""
    series = torch.tensor(values, dtype=torch.float32)[None]
    return MaskedTimeseries(
        series=series,
        padding_mask=torch.ones_like(series, dtype=torch.bool),
        id_mask=torch.zeros_like(series),
        timestamp_seconds=torch.zeros_like(series),
        time_interval_seconds=torch.ones(1),
    )


def _batch(values: list) -> ContextBatch:
    context = np.array(values)
    return ContextBatch(
        values=context,
        noise=np.full(context.shape, 1e-7),
        step_s=1.0,
        trend_covariance=np.zeros((len(context), 4)),
    )
