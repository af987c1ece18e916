"""A file of weights: eight bytes of length, a header of JSON, and tensors."""

from __future__ import annotations

from chronotick.hub.errors import UnusableWeights
from chronotick.hub.tensors import check_tensors
from fuzz.oracle import require
from fuzz.places import written

_LENGTH_BYTES = 8


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Check a header, whose length stands before it unless the first byte is odd.

    Raises:
        Finding: what passes has no number of parameters.
    """
    how, content = (data[0] if data else 0), data[1:]
    if not how & 1:
        tail = how >> 1
        content = len(content).to_bytes(_LENGTH_BYTES, "little") + content + bytes(tail)
    path = written("model.safetensors", content)
    try:
        parameters = check_tensors(path)
    except UnusableWeights as error:
        require(str(path) in str(error), "a refusal names the file")
        return
    require(type(parameters) is int, "parameters can be counted")
    require(parameters >= 0, "and are not negative")


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    tensor = b'{"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}'
    return {
        "good": b"\x20" + tensor,
        "empty": b"\0{}",
        "metadata": b'\0{"__metadata__": {"format": "pt"}}',
        "short": b"\4" + tensor,
        "lists": b'\0{"w": {"shape": [[1], "a", -1, 1e99], "data_offsets": [0, "16"]}}',
        "text": b'\0{"w": {"shape": [], "data_offsets": ["a", "b"]}}',
        "raw": b"\1" + bytes(16),
        "nested": b"\0" + b"[" * 1500,
    }
