"""Chronos-Bolt of a small size, trained with the library's own loss; in the environment only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Final

import torch
from chronos.chronos_bolt import ChronosBoltModelForForecasting
from transformers import T5Config

from chronotick.plugin.anchoring import KEY, NAME, TOLD
from chronotick.plugin.training.frames import Batch, Header
from chronotick.plugin.training.settings import Training, section
from chronotick.plugin.training.trainee import Inputs, anchored_inputs, anchored_target
from chronotick_chronos.plain import read_plainly

_MEDIAN: Final = 0.5
# The tails are there so that the model's own 95 and 98 % intervals need no extrapolation.
_LEVELS: Final = (0.01, 0.025, 0.05, *(tenth / 10 for tenth in range(1, 10)), 0.95, 0.975, 0.99)

_FARTHEST: Final = 200  # tokens: beyond all contexts
_STEEPEST: Final = 2.0  # per token
_FIRST_WIDTH: Final = 0.5  # of the quantiles at the beginning, in sigmas


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Section ``model`` of a recipe: the library's names; by default of 2.4 million weights.

    Attributes:
        d_model: width.
        d_ff: width within blocks.
        num_layers: of the encoder.
        num_decoder_layers: of the decoder, which reads one token.
        num_heads: of attention.
        d_kv: width of a head.
        input_patch_size: steps that make a token.
        dropout_rate: share of activations left out while learning. No example comes twice, and with
            0.1 nothing was learnt in the time in which without the loss had halved.
        quantiles: levels it learns, ascending around 0.5.
    """

    d_model: int = 192
    d_ff: int = 512
    num_layers: int = 3
    num_decoder_layers: int = 1
    num_heads: int = 4
    d_kv: int = 48
    input_patch_size: int = 32
    dropout_rate: float = 0.0
    quantiles: tuple[float, ...] = _LEVELS

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, int) and value < 1:
                raise ValueError(f"model.{name} must be above 0, not {value}")
        if not 0 <= self.dropout_rate < 1:
            raise ValueError("model.dropout_rate lies in [0, 1)")
        inside = all(0 < level < 1 for level in self.quantiles) and _MEDIAN in self.quantiles
        if not inside or list(self.quantiles) != sorted(set(self.quantiles)):
            raise ValueError("model.quantiles must ascend within (0, 1), with 0.5 among them")


class ChronosBolt:
    """See :class:`chronotick.plugin.training.trainee.Trainee`."""

    title = "Chronos-Bolt for clocks"
    library = "chronos-forecasting"

    def __init__(self, size: Mapping[str, Any], header: Header, training: Training) -> None:
        self._limit, self._reach = training.target_limit, header.reach
        settings = section(Size, {"model": size}, "model")
        self.levels = settings.quantiles
        self.network = ChronosBoltModelForForecasting(_config(settings, header))
        _begin(self.network)
        read_plainly(self.network)

    def prepare(self, batch: Batch) -> Inputs:
        """Anchor contexts and targets; gaps stay gaps."""
        context = anchored_inputs(batch)
        tensors = {
            "context": torch.from_numpy(context.values.astype("float32")),
            "target": torch.from_numpy(anchored_target(batch, context, self._limit)),
        }
        return Inputs(tensors, context)

    def answer(self, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the library's quantile loss, per step, and quantiles."""
        given = inputs.tensors
        answer = self.network(context=given["context"], target=given["target"])
        return answer.loss / self._reach, answer.quantile_preds.transpose(1, 2)


def _begin(network: ChronosBoltModelForForecasting) -> None:
    """Give random weights a start they can learn from."""
    _begin_reading(network.input_patch_embedding)
    _begin_as_the_filter(network)
    _begin_looking_back(network.encoder.block[0].layer[0].SelfAttention)


def _begin_reading(block: torch.nn.Module) -> None:
    """Give the block before the transformer weights of a sensible size.

    The library means to, but transformers 5 has filled its layers with numbers of deviation 1 by
    then, and skips what is filled.
    """
    for layer in (block.hidden_layer, block.output_layer, block.residual_layer):
        torch.nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        torch.nn.init.zeros_(layer.bias)


def _begin_as_the_filter(network: ChronosBoltModelForForecasting) -> None:
    """Let the block after the transformer repeat the filter, whatever it reads, within a normal.

    What is learnt is what the filter does not know, and weight decay leads back to the filter.
    """
    block = network.output_patch_embedding
    torch.nn.init.normal_(block.hidden_layer.weight, std=block.hidden_layer.in_features**-0.5)
    torch.nn.init.zeros_(block.hidden_layer.bias)
    for layer in (block.output_layer, block.residual_layer):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    normal = NormalDist(sigma=_FIRST_WIDTH)
    around = torch.tensor([normal.inv_cdf(level) for level in network.quantiles.tolist()])
    steps = network.chronos_config.prediction_length
    with torch.no_grad():
        block.output_layer.bias.copy_(around.repeat_interleave(steps))


def _begin_looking_back(attention: Any) -> None:  # noqa: ANN401 - the library's
    """Let heads look at what is near first, each over another distance.

    With the library's random biases a token tells hardly what came when, and forecasts stay at
    the mean for thousands of batches: after 400 of 64 sines the loss was 0.34, with this 0.16.
    The slopes halve from head to head (Press et al., "Train short, test long", 2022).
    """
    bias = attention.relative_attention_bias.weight
    buckets, heads = bias.shape
    distances = torch.arange(-_FARTHEST, _FARTHEST + 1)
    places = attention._relative_position_bucket(  # noqa: SLF001 - the only way from distance to weight
        distances,
        bidirectional=True,
        num_buckets=buckets,
        max_distance=attention.relative_attention_max_distance,
    )
    total, count = torch.zeros(buckets), torch.zeros(buckets)
    total.index_add_(0, places, distances.abs().float())
    count.index_add_(0, places, torch.ones(len(distances)))
    slopes = _STEEPEST * 0.5 ** torch.arange(heads)
    with torch.no_grad():
        bias.copy_(-(total / count.clamp(min=1))[:, None] * slopes)


def _config(size: Size, header: Header) -> T5Config:
    bolt = {
        "context_length": TOLD + header.context,
        "prediction_length": header.reach,
        "input_patch_size": size.input_patch_size,
        "input_patch_stride": size.input_patch_size,
        "quantiles": list(size.quantiles),
        "use_reg_token": True,
    }
    return T5Config(
        d_model=size.d_model,
        d_ff=size.d_ff,
        d_kv=size.d_kv,
        num_layers=size.num_layers,
        num_decoder_layers=size.num_decoder_layers,
        num_heads=size.num_heads,
        dropout_rate=size.dropout_rate,
        feed_forward_proj="relu",
        vocab_size=2,
        decoder_start_token_id=0,
        architectures=["ChronosBoltModelForForecasting"],
        chronos_pipeline_class="ChronosBoltPipeline",
        chronos_config=bolt,
        **{KEY: NAME},
    )
