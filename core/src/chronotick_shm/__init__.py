"""The name under which the first ChronoTick's client was imported; see :mod:`chronotick`."""

from __future__ import annotations

from chronotick.client import ChronoTickClient, CorrectedTime

__all__ = ["ChronoTickClient", "CorrectedTime", "get_current_time"]


def get_current_time() -> CorrectedTime:
    """Return corrected time now, of the default record."""
    return ChronoTickClient().get_time()
