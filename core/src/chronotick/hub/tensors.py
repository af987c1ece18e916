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
        end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        parameters: int = sum(math.prod(tensor["shape"]) for tensor in header.values())
    except (TypeError, KeyError, IndexError) as error:
        raise UnusableWeights(f"{path} describes its tensors wrongly: {error!r}") from error
    expected = _LENGTH_BYTES + length + end
    if size != expected:
        raise UnusableWeights(f"{path} has {size} bytes, and its header says {expected}")
    return parameters


def _header(path: Path, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except ValueError as error:
        raise UnusableWeights(f"{path} is no safetensors file: {error}") from error
    if not isinstance(header, dict):
        raise UnusableWeights(f"{path} is no safetensors file: its header is no object")
    return {name: tensor for name, tensor in header.items() if name != "__metadata__"}
