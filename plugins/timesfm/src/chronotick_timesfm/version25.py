"""TimesFM 2.5: univariate, one decoder pass for up to 128 steps, quantiles by a head of their own.

The library knows one size only, a class attribute. Here the size follows from the file, so that
small random checkpoints of the same architecture take the same way as the published one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from timesfm import ForecastConfig, TimesFM_2p5_200M_torch
from timesfm.timesfm_2p5.timesfm_2p5_torch import TimesFM_2p5_200M_torch_module

from chronotick.plugin.covariates import PastCovariates
from chronotick.plugin.pytorch import check_fits, parameters
from chronotick.plugin.weights import Weights

MARK: Final = "tokenizer.hidden_layer.weight"
"""A tensor that only this version has."""

_SPARE: Final = 0.01  # what was trained on may have left buffers in the file; a layer is more

Shapes = Mapping[str, Sequence[int]]
Definition = Any  # TimesFM_2p5_200M_Definition: the library is not typed

_PUBLISHED: Final[Definition] = TimesFM_2p5_200M_torch_module.config


class Version25:
    """Loaded weights of TimesFM 2.5.

    Args:
        weights: where they are.
        shapes: of the stored tensors.
        device: ``"cpu"`` or ``"cuda:n"``.

    Raises:
        ValueError: tensors are missing, too many, or of other shapes.
    """

    def __init__(self, weights: Weights, shapes: Shapes, device: str) -> None:
        with weights.blamed("its tensors do not make a model"):
            definition = define(shapes)
        check_fits(weights, lambda: build(definition).model, shapes, spare=_SPARE)
        with torch.device("meta"):  # nothing is allocated that the file brings anyway
            self._model = build(definition)
        module = self._model.model
        for file in weights.files():
            module.load_state_dict(load_file(file, device=device), strict=False, assign=True)
        module.eval().float()
        # The library would take the first GPU, and split batches over all of them.
        module.device, module.device_count = torch.device(device), 1
        self.device = device
        self._patch = int(definition.input_patch_len)
        self.levels = [float(level) for level in definition.quantiles]
        self.max_horizon = int(definition.output_quantile_len)
        self.max_context = int(definition.context_limit) - self.max_horizon
        self.parameters = parameters(module)

    def ask(
        self,
        series: NDArray[np.float32],
        covariates: Sequence[PastCovariates],  # noqa: ARG002 - this version is univariate
        horizon: int,
    ) -> NDArray[np.float32]:
        """Return ``[series, horizon, level]``; every series ends with a measurement.

        The library drops missing values at the start and interpolates the others linearly.
        """
        self._model.compile(self._settings(len(series), series.shape[1], horizon))
        with torch.inference_mode():
            _median, answer = self._model.forecast(horizon=horizon, inputs=list(series))
        quantiles: NDArray[np.float32] = answer[:, :, 1:]  # the first column is the mean
        return quantiles

    def _settings(self, series: int, length: int, horizon: int) -> ForecastConfig:
        """Say how to forecast; uncompiled (``torch_compile=False``) that costs nothing.

        All series in one pass, padded no further than to whole patches: the library pads to
        ``max_context`` and computes what it padded.
        """
        return ForecastConfig(
            max_context=-(-length // self._patch) * self._patch,
            max_horizon=horizon,
            per_core_batch_size=series,
            normalize_inputs=True,
            use_continuous_quantile_head=True,
            fix_quantile_crossing=True,
            force_flip_invariance=False,  # a second pass, over the negated series
            infer_is_positive=False,  # residuals are not counts: zero is no floor
        )


def build(definition: Definition) -> TimesFM_2p5_200M_torch:
    """Make a model of a given size, with the library's random weights."""
    with torch.device("meta"):  # makes the published size first, which is replaced
        model = TimesFM_2p5_200M_torch(torch_compile=False)
    model.model = type("Sized", (TimesFM_2p5_200M_torch_module,), {"config": definition})()
    return model


def define(shapes: Shapes) -> Definition:
    """Read the size off the tensors; those of the published file give the published definition.

    Raises:
        KeyError: a tensor is missing that says something of the size.
    """
    columns = len(_PUBLISHED.quantiles) + 1  # the mean comes first
    width, inner = shapes["tokenizer.output_layer.weight"]
    head = shapes["stacked_xf.0.attn.query_ln.scale"][0]
    transformer = replace(
        _PUBLISHED.stacked_transformers.transformer,
        model_dims=width,
        hidden_dims=shapes["stacked_xf.0.ff0.weight"][0],
        num_heads=width // head,
    )
    layers = {name.split(".")[1] for name in shapes if name.startswith("stacked_xf.")}
    patch = shapes[MARK][1] // 2  # values and their mask
    point = shapes["output_projection_point.output_layer.weight"]
    spread = shapes["output_projection_quantiles.output_layer.weight"]
    return replace(
        _PUBLISHED,
        input_patch_len=patch,
        output_patch_len=point[0] // columns,
        output_quantile_len=spread[0] // columns,
        tokenizer=_block(_PUBLISHED.tokenizer, 2 * patch, inner, width),
        stacked_transformers=replace(
            _PUBLISHED.stacked_transformers, num_layers=len(layers), transformer=transformer
        ),
        output_projection_point=_block(
            _PUBLISHED.output_projection_point, width, point[1], point[0]
        ),
        output_projection_quantiles=_block(
            _PUBLISHED.output_projection_quantiles, width, spread[1], spread[0]
        ),
    )


def _block(published: Any, inputs: int, hidden: int, outputs: int) -> Any:  # noqa: ANN401 - untyped
    return replace(published, input_dims=inputs, hidden_dims=hidden, output_dims=outputs)
