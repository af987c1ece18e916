"""Messages to frames and back: a msgpack head, then one frame of raw bytes per array.

Nothing received is trusted: sizes are bounded, every field is checked, shapes must fit the bytes
that came, and nothing is ever unpickled. ``docs/protocol.md`` describes the format.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final

import msgpack  # type: ignore[import-untyped] # has neither stubs nor a marker
import numpy as np
from numpy.typing import NDArray

from chronotick.workers.messages import MESSAGES, Arrays, Message

MAX_FRAME_BYTES: Final = 64 * 2**20
"""Largest frame sent or accepted (also ``ZMQ_MAXMSGSIZE``)."""

DTYPES: Final = frozenset({"<f4", "<f8", "<i8", "|b1"})
"""The only array types on the wire."""

_DTYPES: Final = {code: np.dtype(code) for code in DTYPES}
_MAX_HEAD_BYTES = 2**20
_MAX_ARRAYS = 64
_MAX_DIMENSIONS = 4


class WireError(ValueError):
    """Raised when received frames are no message of this protocol."""


class UnknownMessage(WireError):  # noqa: N818 - says what the frames are
    """Raised for a well-formed message with a tag not known here: ignore and count it."""


def encode(message: Message) -> list[bytes]:
    """Turn a message into frames (without the identity).

    Raises:
        WireError: an array has a type that is not on the wire, or is too large.
    """
    head: dict[str, Any] = {"t": message.TAG}
    frames: list[bytes] = []
    for item in fields(message):
        value = getattr(message, item.name)
        if item.name == "arrays":
            head["arrays"], frames = _encode_arrays(value)
        else:
            head[item.name] = value
    return [msgpack.packb(head), *frames]


def decode(frames: Sequence[bytes]) -> Message:
    """Turn frames (without the identity) into a message.

    Arrays are read-only views of the frames: nothing is copied.

    Raises:
        UnknownMessage: well formed, but of a kind this version does not know.
        WireError: anything else that is wrong with it.
    """
    head = _decode_head(frames)
    tag = head.pop("t", None)
    layout = _LAYOUTS.get(tag) if isinstance(tag, str) else None
    if layout is None:
        raise UnknownMessage(f"unknown message {tag!r:.40}")
    described = head.pop("arrays", [])
    values = {
        name: layout.read(name, value) for name, value in head.items() if name in layout.types
    }
    if layout.arrays:
        values["arrays"] = _decode_arrays(described, frames[1:])
    elif len(frames) > 1:
        raise WireError(f"{tag} carries no arrays, but {len(frames) - 1} came")
    if not layout.required <= values.keys():
        missing = sorted(layout.required - values.keys())
        raise WireError(f"{tag} lacks {', '.join(missing)}")
    return layout.kind(**values)


def _encode_arrays(arrays: Arrays) -> tuple[list[Any], list[bytes]]:
    described, frames = [], []
    for name, array in arrays.items():
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if little.dtype.str not in DTYPES or array.nbytes > MAX_FRAME_BYTES:
            raise WireError(
                f"array {name!r} cannot be sent: {little.dtype.str}, {array.nbytes} bytes"
            )
        described.append([name, little.dtype.str, list(array.shape)])
        frames.append(little.tobytes(order="C"))
    return described, frames


def _decode_head(frames: Sequence[bytes]) -> dict[str, Any]:
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


def _decode_arrays(described: object, frames: Sequence[bytes]) -> Arrays:
    if not isinstance(described, list) or len(described) > _MAX_ARRAYS:
        raise WireError(f"arrays must be a list of at most {_MAX_ARRAYS}")
    if len(described) != len(frames):
        raise WireError(f"{len(described)} arrays described, {len(frames)} frames came")
    arrays = dict(
        _decode_array(entry, frame) for entry, frame in zip(described, frames, strict=True)
    )
    if len(arrays) != len(described):
        raise WireError("two arrays have the same name")
    return arrays


def _decode_array(entry: object, frame: bytes) -> tuple[str, NDArray[Any]]:
    if not (isinstance(entry, list) and [type(part) for part in entry] == [str, str, list]):
        raise WireError(f"array described as {entry!r:.80}, not [name, dtype, shape]")
    name, code, shape = entry
    dtype = _DTYPES.get(code)
    if dtype is None or len(shape) > _MAX_DIMENSIONS or not all(map(_is_size, shape)):
        raise WireError(f"array {name!r} has type {code!r:.10} and shape {shape!r:.80}")
    # Python's integers cannot overflow here, as a product of numpy's could.
    expected = math.prod(shape) * dtype.itemsize
    if expected != len(frame):
        raise WireError(f"array {name!r} needs {expected} bytes, {len(frame)} came")
    try:
        return name, np.frombuffer(frame, dtype).reshape(shape)
    except ValueError as error:  # nothing times far too much is still too much for numpy
        raise WireError(f"array {name!r} cannot have shape {shape!r:.80}") from error


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_FRAME_BYTES


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _number(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError
    return float(value)


def _pair(value: object) -> tuple[int, int]:
    match value:
        case [low, high]:
            return _integer(low), _integer(high)
    raise TypeError


def _numbers(value: object) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(_number(item) for item in value)


# Annotations are strings here (PEP 563), so a field's type is looked up by its spelling.
_READ: Final[dict[str, Callable[[object], object]]] = {
    "str": _text,
    "bool": _truth,
    "int": _integer,
    "float": _number,
    "tuple[int, int]": _pair,
    "tuple[float, ...]": _numbers,
}


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the fields of a message look like, worked out once."""

    kind: type[Message]
    types: Mapping[str, str]
    required: frozenset[str]
    arrays: bool

    def read(self, name: str, value: object) -> Any:  # noqa: ANN401 - as the field's type says
        try:
            return _READ[self.types[name]](value)
        except TypeError as error:
            raise WireError(f"{name} must be {self.types[name]}, not {value!r:.80}") from error


def _layout(kind: type[Message]) -> _Layout:
    plain = {item.name: item for item in fields(kind) if item.name != "arrays"}
    return _Layout(
        kind=kind,
        types={name: str(item.type) for name, item in plain.items()},
        required=frozenset(name for name, item in plain.items() if item.default is MISSING),
        arrays=len(plain) < len(fields(kind)),
    )


_LAYOUTS: Final = {kind.TAG: _layout(kind) for kind in MESSAGES}
