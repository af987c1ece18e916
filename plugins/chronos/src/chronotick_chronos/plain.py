"""Chronos-Bolt without its own way of scaling, for contexts that have a scale already."""

from __future__ import annotations

import torch
from chronos.chronos_bolt import ChronosBoltModelForForecasting, InstanceNorm


def read_plainly(network: ChronosBoltModelForForecasting) -> None:
    """Let a network read its context, and answer, in the numbers that it is given.

    Anchored contexts (:mod:`chronotick.plugin.anchoring`) are counted from the tangent and begin
    with numbers that mean something by themselves; shifted and scaled anew with each context,
    they would not any more.
    """
    network.instance_norm = _Plain()


class _Plain(InstanceNorm):  # type: ignore[misc] # the library has no types
    """Location 0 and scale 1 for every context."""

    def forward(
        self, x: torch.Tensor, loc_scale: tuple[torch.Tensor, torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """Scale with what was given; by default with nothing."""
        nothing = torch.zeros_like(x[..., :1])
        found: tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]] = super().forward(
            x, (nothing, nothing + 1) if loc_scale is None else loc_scale
        )
        return found
