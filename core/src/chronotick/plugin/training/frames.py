"""Training examples on their way through a pipe: one header, then batches.

The header is one line of JSON. A batch is four bytes (big-endian: the length of what follows), an
object of JSON that names its arrays with type and shape, then their bytes in that order. The end
of the stream between two batches is the end of the examples.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

FORMAT: Final = 1
_LENGTH_BYTES: Final = 4
_LONGEST_LINE: Final = 1_000_000  # bytes of a header, or of a batch's description
_OF_A_TREND: Final = 4  # numbers
_LARGEST_ARRAY: Final = 1 << 30  # bytes: far above any batch

_TYPES: Final[Mapping[str, tuple[str, str]]] = {
    "values": ("<f4", "context"),
    "noise": ("<f4", "context"),
    "target": ("<f4", "reach"),
    "expected": ("<f4", "reach"),
    "sigma": ("<f4", "reach"),
    "step_s": ("<f8", ""),
    "trend": ("<f8", "trend"),
    "kind": ("<i4", ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a trainer is told before the first example.

    Where a run is resumed, the validation batches come first all the same.

    Attributes:
        model: name of the model.
        recipe: sections ``model`` and ``training`` are read; all of it goes into ``training.json``
            and the model card.
        out: directory the weights are written to.
        resume: go on where an interrupted run in ``out`` stopped.
        device: ``auto``, ``cpu`` or ``cuda[:n]``.
        threads: how many CPU threads may be used.
        context: steps of a context.
        reach: steps of a target.
        validation: number of batches for validation, which come first.
        command: the exact command that reproduces the run, for the model card.
        kinds: names of the kinds of worlds, by number.
        card: further text of the model card by heading, e.g. of the data.
    """

    model: str
    recipe: Mapping[str, Any]
    out: str
    resume: bool = False
    device: str = "auto"
    threads: int = 1
    context: int = 512
    reach: int = 64
    validation: int = 0
    command: str = ""
    kinds: tuple[str, ...] = ()
    card: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Examples: what a model may know, and what came of it.

    Attributes:
        values: ``[n, context]`` residuals in seconds, NaN where nothing was measured.
        noise: ``[n, context]`` their standard uncertainty in seconds, NaN as there.
        target: ``[n, reach]`` what the residuals truly became, in seconds; NaN where unknown.
        expected: ``[n, reach]`` what the filter expects there, in seconds.
        sigma: ``[n, reach]`` the standard uncertainty it gives that, in seconds.
        step_s: ``[n]`` sampling step in seconds.
        trend: ``[n, 4]`` covariance of the trend that was removed; see ``trend_covariance`` of
            :class:`~chronotick.plugin.contract.ContextBatch`.
        kind: ``[n]`` number of the kind of world.
        validation: whether it is for validation only.
    """

    values: NDArray[np.float32]
    noise: NDArray[np.float32]
    target: NDArray[np.float32]
    expected: NDArray[np.float32]
    sigma: NDArray[np.float32]
    step_s: NDArray[np.float64]
    trend: NDArray[np.float64]
    kind: NDArray[np.int32]
    validation: bool = False

    def __len__(self) -> int:
        return len(self.values)


def write_header(stream: BinaryIO, header: Header) -> None:
    """Begin a stream."""
    line = json.dumps({"format": FORMAT, **asdict(header)})
    stream.write(line.encode() + b"\n")
    stream.flush()


def write_batch(stream: BinaryIO, batch: Batch) -> None:
    """Write a batch; its arrays may have any floating type."""
    arrays = {
        name: np.ascontiguousarray(getattr(batch, name), dtype=kind)
        for name, (kind, _) in _TYPES.items()
    }
    about = {
        name: {"dtype": array.dtype.str, "shape": array.shape} for name, array in arrays.items()
    }
    text = json.dumps({"arrays": about, "validation": batch.validation}).encode()
    stream.write(len(text).to_bytes(_LENGTH_BYTES, "big") + text)
    stream.writelines(array.tobytes() for array in arrays.values())
    stream.flush()


def read_header(stream: BinaryIO) -> Header:
    """Read the beginning of a stream.

    Raises:
        ValueError: it is none, or of another format.
    """
    line = stream.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise ValueError("the examples have no header: the stream ended, or is something else")
    said = _object(line, "the header of the examples")
    if said.pop("format", None) != FORMAT:
        raise ValueError(f"the header of the examples is not of format {FORMAT}")
    return _header(said)


def read_batches(stream: BinaryIO, header: Header) -> Iterator[Batch]:
    """Read batches until the stream ends.

    Raises:
        ValueError: what comes is no batch of this stream, or the stream was cut within one.
    """
    number = 0
    while start := stream.read(_LENGTH_BYTES):
        what = f"batch {number} of the examples"
        length = int.from_bytes(_rest(stream, start, _LENGTH_BYTES, what), "big")
        if length > _LONGEST_LINE:
            raise ValueError(f"{what} is no batch: its description would have {length} bytes")
        about = _object(_rest(stream, b"", length, what), what)
        yield _batch(stream, about, header, what)
        number += 1


def _header(said: dict[str, Any]) -> Header:
    known = {each.name: each for each in fields(Header)}
    if wrong := sorted(set(said) - set(known)):
        raise ValueError(f"the header of the examples has unknown entries: {', '.join(wrong)}")
    if missing := sorted({"model", "recipe", "out"} - set(said)):
        raise ValueError(f"the header of the examples lacks {', '.join(missing)}")
    header = Header(**(said | {"kinds": tuple(said.get("kinds", ()))}))
    numbers = (header.threads, header.context, header.reach)
    if not all(type(number) is int and number > 0 for number in numbers):
        raise ValueError("the header of the examples: threads, context, reach must be above 0")
    if type(header.validation) is not int or header.validation < 0:
        raise ValueError("the header of the examples: validation is a number of batches")
    if not isinstance(header.recipe, dict):
        raise ValueError("the header of the examples: recipe is no object")  # noqa: TRY004 - of what is read
    return header


def _batch(stream: BinaryIO, about: dict[str, Any], header: Header, what: str) -> Batch:
    described = about.get("arrays")
    if not isinstance(described, dict) or set(described) != set(_TYPES):
        raise ValueError(f"{what} must hold the arrays {', '.join(_TYPES)}")
    sizes = {"context": header.context, "reach": header.reach, "trend": _OF_A_TREND}
    arrays: dict[str, Any] = {}
    examples: int | None = None
    for name, one in described.items():
        kind, width = _TYPES[name]
        shape = _shape(one, kind, f"{what}: {name}")
        examples = shape[0] if examples is None else examples
        expected = (examples, sizes[width]) if width else (examples,)
        if shape != expected:
            raise ValueError(f"{what}: {name} has shape {shape}, not {expected}")
        content = _rest(stream, b"", math.prod(shape) * np.dtype(kind).itemsize, what)
        arrays[name] = np.frombuffer(content, dtype=kind).reshape(shape)
    if not examples:
        raise ValueError(f"{what} is empty")
    return Batch(**arrays, validation=bool(about.get("validation", False)))


def _shape(about: object, kind: str, what: str) -> tuple[int, ...]:
    if not isinstance(about, dict) or about.get("dtype") != kind:
        raise ValueError(f"{what} must be of type {kind}")
    shape = about.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"{what} has no shape")
    if not shape or math.prod(shape) * np.dtype(kind).itemsize > _LARGEST_ARRAY:
        raise ValueError(f"{what} has an impossible shape: {shape}")
    return tuple(shape)


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what}: no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{what}: no object of JSON")  # noqa: TRY004 - of what is read
    return found


def _rest(stream: BinaryIO, start: bytes, length: int, what: str) -> bytes:
    """Read until ``length`` bytes are there: a pipe gives what it has."""
    parts, have = [start], len(start)
    while have < length:
        part = stream.read(length - have)
        if not part:
            raise ValueError(f"{what} was cut: {have} of {length} bytes came")
        parts.append(part)
        have += len(part)
    return b"".join(parts)
