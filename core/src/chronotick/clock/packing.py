"""Arrays inside JSON: base64 of their bytes, a fifth of the size of decimal numbers, and exact."""

from __future__ import annotations

import base64
import binascii

import numpy as np
from numpy.typing import NDArray

_LITTLE_ENDIAN = np.dtype("<f8")


def packed(values: NDArray[np.float64]) -> str:
    """Return an array's elements as text."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=_LITTLE_ENDIAN).tobytes()).decode()


def unpacked(text: str, shape: tuple[int, ...] | None) -> NDArray[np.float64]:
    """Return the array again.

    Args:
        text: what :func:`packed` returned.
        shape: of the array; ``None``: one axis, as long as it is.

    Raises:
        ValueError: it is no such text, not of that shape, or not finite.
    """
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), dtype=_LITTLE_ENDIAN)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ValueError(f"an array cannot be read: {error}") from error
    if not np.isfinite(values).all():
        raise ValueError("an array holds numbers that are not finite")
    return (values if shape is None else values.reshape(shape)).astype(np.float64)
