"""Messages to frames and back: a msgpack head, then one frame of raw bytes per array.

Nothing received is trusted: sizes are bounded, every field is checked, shapes must fit the bytes
that came, and nothing is ever unpickled. ``docs/protocol.md`` describes the format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final

import msgpack  # type: ignore[import-untyped] # has neither stubs nor a marker
import numpy as np
from numpy.typing import NDArray

from chronotick.workers.messages import MESSAGES, Arrays, Message

MAX_FRAME_BYTES: Final = 64 * 2**20
"""Largest frame sent or accepted (also ``ZMQ_MAXMSGSIZE``)."""

LARGE_FRAME_BYTES: Final = 64 * 2**10
"""Frames from this size on are not copied: that would cost more than keeping track of them."""

MAX_ANSWER_BYTES: Final = 4 * 2**20
"""Largest frame accepted from a server on another machine; an answer is a few kilobytes."""

DTYPES: Final = frozenset({"<f4", "<f8", "<i8", "|b1"})
"""The only array types on the wire."""

_DTYPES: Final = {code: np.dtype(code) for code in DTYPES}
_CODES: Final = {dtype: code for code, dtype in _DTYPES.items()}
_ARRAY_ENTRY: Final = [str, str, list]
_MAX_HEAD_BYTES = 2**20
_MAX_ARRAYS = 64
_MAX_DIMENSIONS = 4

MAX_FRAMES: Final = 1 + _MAX_ARRAYS
"""Most frames of a message, without the identity."""


class WireError(ValueError):
    """Raised when received frames are no message of this protocol."""


class UnknownMessage(WireError):  # noqa: N818 - says what the frames are
    """Raised for a well-formed message with a tag not known here: ignore and count it."""


def encode(message: Message) -> list[bytes | memoryview]:
    """Turn a message into frames (without the identity).

    Frames of large arrays are views of them, for ZeroMQ to read until they are sent.

    Raises:
        WireError: an array has a type that is not on the wire, or is too large.
    """
    head: dict[str, Any] = {"t": message.TAG}
    frames: list[bytes | memoryview] = []
    for name in _LAYOUTS[message.TAG].names:
        value = getattr(message, name)
        if name == "arrays":
            value, frames = _encode_arrays(value)
        head[name] = value
    return [msgpack.packb(head), *frames]


def decode(frames: Sequence[bytes | memoryview]) -> Message:
    """Turn frames (without the identity) into a message.

    Arrays are read-only views of the frames: nothing is copied.

    Raises:
        UnknownMessage: well formed, but of a kind this version does not know.
        WireError: anything else that is wrong with it.
    """
    head = _decode_head(frames)
    tag = head.get("t")
    layout = _LAYOUTS.get(tag) if isinstance(tag, str) else None
    if layout is None:
        raise UnknownMessage(f"unknown message {tag!r:.40}")
    values = layout.read(head)
    if layout.arrays:
        values["arrays"] = _decode_arrays(head.get("arrays", []), frames)
    elif len(frames) > 1:
        raise WireError(f"{tag} carries no arrays, but {len(frames) - 1} came")
    return layout.kind(**values)


def _encode_arrays(arrays: Arrays) -> tuple[list[Any], list[bytes | memoryview]]:
    described: list[Any] = []
    frames: list[bytes | memoryview] = []
    for name, array in arrays.items():
        code = _CODES.get(array.dtype)
        sent = array if code else array.astype(array.dtype.newbyteorder("<"), copy=False)
        code = code or _CODES.get(sent.dtype)
        if code is None or sent.nbytes > MAX_FRAME_BYTES:
            raise WireError(f"array {name!r} cannot be sent: {sent.dtype.str}, {sent.nbytes} bytes")
        described.append((name, code, sent.shape))
        large = sent.nbytes >= LARGE_FRAME_BYTES and sent.flags.c_contiguous
        frames.append(sent.data.cast("B") if large else sent.tobytes())
    return described, frames


def _decode_head(frames: Sequence[bytes | memoryview]) -> dict[str, Any]:
    if not frames:
        raise WireError("no frames")
    if len(frames[0]) > _MAX_HEAD_BYTES:
        raise WireError(f"head of {len(frames[0])} bytes, at most {_MAX_HEAD_BYTES} are accepted")
    try:
        head = msgpack.unpackb(frames[0], ext_hook=_no_extensions)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise WireError(f"head is not msgpack: {error}") from error
    if not isinstance(head, dict):
        raise WireError(f"head is {type(head).__name__}, not a map")
    return head


def _no_extensions(code: int, _data: bytes) -> object:
    raise ValueError(f"msgpack extension {code} is not part of this protocol")


def _decode_arrays(described: object, frames: Sequence[bytes | memoryview]) -> Arrays:
    if not isinstance(described, list) or len(described) > _MAX_ARRAYS:
        raise WireError(f"arrays must be a list of at most {_MAX_ARRAYS}")
    if len(described) != len(frames) - 1:
        raise WireError(f"{len(described)} arrays described, {len(frames) - 1} frames came")
    arrays = {}
    for index, entry in enumerate(described, start=1):
        if not isinstance(entry, list) or list(map(type, entry)) != _ARRAY_ENTRY:
            raise WireError(f"array described as {entry!r:.80}, not [name, dtype, shape]")
        name, code, shape = entry
        arrays[name] = _decode_array(name, code, shape, frames[index])
    if len(arrays) != len(described):
        raise WireError("two arrays have the same name")
    return arrays


def _decode_array(
    name: str, code: str, shape: list[Any], frame: bytes | memoryview
) -> NDArray[Any]:
    dtype = _DTYPES.get(code)
    if dtype is None or len(shape) > _MAX_DIMENSIONS:
        raise WireError(f"array {name!r} has type {code!r:.10} and shape {shape!r:.80}")
    expected = dtype.itemsize
    for size in shape:
        if type(size) is not int or not 0 <= size <= MAX_FRAME_BYTES:
            raise WireError(f"array {name!r} has type {code!r:.10} and shape {shape!r:.80}")
        expected *= size  # Python's integers cannot overflow here, as a product of numpy's could
    if expected != len(frame):
        raise WireError(f"array {name!r} needs {expected} bytes, {len(frame)} came")
    try:
        array: NDArray[Any] = np.ndarray(shape, dtype, frame)
    except ValueError as error:  # nothing times far too much is still too much for numpy
        raise WireError(f"array {name!r} cannot have shape {shape!r:.80}") from error
    return array


def _number(value: object) -> float:
    if type(value) is not int:
        raise TypeError
    return float(value)


def _pair(value: object) -> tuple[int, int]:
    match value:
        case [low, high] if type(low) is int and type(high) is int:
            return low, high
    raise TypeError


def _numbers(value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or not _NUMBER_TYPES.issuperset(map(type, value)):
        raise TypeError
    return tuple(map(float, value))


# Annotations are strings here (PEP 563), so a field's type is looked up by its spelling. msgpack
# makes plain values only: the exact type is the type, and a boolean is no integer.
_EXACT: Final[dict[str, type]] = {"str": str, "bool": bool, "int": int, "float": float}
_CONVERT: Final[dict[str, Callable[[object], object]]] = {
    "float": _number,
    "tuple[int, int]": _pair,
    "tuple[float, ...]": _numbers,
}
_NUMBER_TYPES: Final = frozenset({int, float})
_REQUIRED: Final = object()


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the fields of a message look like, worked out once.

    Attributes:
        kind: class of the message.
        names: of all its fields, in order.
        plain: name, type and default of the fields in the head.
        spellings: of the types of those fields.
    """

    kind: type[Message]
    names: tuple[str, ...]
    plain: tuple[tuple[str, type, object], ...]
    spellings: Mapping[str, str]
    arrays: bool

    def read(self, head: Mapping[str, object]) -> dict[str, Any]:
        """Return the checked fields of a head, ``arrays`` excepted."""
        values: dict[str, Any] = {}
        for name, exact, default in self.plain:
            value = head.get(name, default)
            values[name] = value if type(value) is exact else self._convert(name, head)
        return values

    def _convert(self, name: str, head: Mapping[str, object]) -> object:
        if name not in head:
            required = {name for name, _, default in self.plain if default is _REQUIRED}
            missing = ", ".join(sorted(required - head.keys()))
            raise WireError(f"{self.kind.TAG} lacks {missing}")
        spelling = self.spellings[name]
        try:
            return _CONVERT[spelling](head[name])
        except (KeyError, TypeError) as error:
            raise WireError(f"{name} must be {spelling}, not {head[name]!r:.80}") from error


def _layout(kind: type[Message]) -> _Layout:
    names = tuple(item.name for item in fields(kind))
    plain = [item for item in fields(kind) if item.name != "arrays"]
    spellings = {item.name: str(item.type) for item in plain}
    return _Layout(
        kind=kind,
        names=names,
        plain=tuple(
            (
                item.name,
                _EXACT.get(spellings[item.name], tuple),  # msgpack makes lists, never tuples
                _REQUIRED if item.default is MISSING else item.default,
            )
            for item in plain
        ),
        spellings=spellings,
        arrays="arrays" in names,
    )


_LAYOUTS: Final = {kind.TAG: _layout(kind) for kind in MESSAGES}
