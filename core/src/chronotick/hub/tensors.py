"""Whether a safetensors file is whole, by its header alone: no tensor is read.

Format: https://huggingface.co/docs/safetensors (eight bytes of header length, little-endian; a
header of JSON; the tensors' bytes without gaps).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

from chronotick.hub.errors import UnusableWeights

_LENGTH_BYTES: Final = 8
_LONGEST_HEADER: Final = 100_000_000  # the limit of the format's own library
_MOST_DIMENSIONS: Final = 64  # as numpy has
_LARGEST: Final = 1 << 63


def check_tensors(path: Path) -> int:
    """Check a safetensors file; returns its number of parameters.

    Raises:
        UnusableWeights: it is cut short, too long, or no such file at all.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if size < _LENGTH_BYTES or length > min(_LONGEST_HEADER, size - _LENGTH_BYTES):
            raise UnusableWeights(f"{path} is no safetensors file, or was cut short")
        header = _header(path, file.read(length))
    try:
        tensors = [_tensor(described) for described in header.values()]
    except (TypeError, KeyError, ValueError) as error:
        raise UnusableWeights(f"{path} describes its tensors wrongly: {error!r}") from error
    expected = _LENGTH_BYTES + length + max((end for end, _ in tensors), default=0)
    if size != expected:
        raise UnusableWeights(f"{path} has {size} bytes, and its header says {expected}")
    return sum(parameters for _, parameters in tensors)


def _tensor(described: dict[str, Any]) -> tuple[int, int]:
    """Where the bytes of a tensor end, and its number of parameters.

    Raises:
        KeyError, TypeError, ValueError: it is not described as a tensor is.
    """
    shape, (start, end) = described["shape"], described["data_offsets"]
    numbers = [start, end, *shape]
    if len(shape) > _MOST_DIMENSIONS or not all(map(_is_size, numbers)):
        raise ValueError("its shape or its place is none")
    return end, math.prod(shape)


def _is_size(number: object) -> bool:
    return type(number) is int and 0 <= number < _LARGEST


def _header(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableWeights(f"{path} is no safetensors file: {error}") from error
    if not isinstance(header, dict):
        raise UnusableWeights(f"{path} is no safetensors file: its header is no object")
    return {name: tensor for name, tensor in header.items() if name != "__metadata__"}
