"""Messages to frames and back: a msgpack head, then one frame of raw bytes per array.

Nothing received is trusted: sizes are bounded, every field is checked, shapes must fit the bytes
that came, and nothing is ever unpickled. ``docs/protocol.md`` describes the format.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, Final

import msgpack  # type: ignore[import-untyped] # has neither stubs nor a marker
import numpy as np
from numpy.typing import NDArray

from chronotick.workers.messages import MESSAGES, Arrays, Message

MAX_FRAME_BYTES: Final = 64 * 2**20
"""Largest frame sent or accepted (also ``ZMQ_MAXMSGSIZE``)."""

DTYPES: Final = frozenset({"<f4", "<f8", "<i8", "|b1"})
"""The only array types on the wire."""

_MAX_HEAD_BYTES = 2**20
_MAX_ARRAYS = 64
_MAX_DIMENSIONS = 4
_BY_TAG: Final = {message.TAG: message for message in MESSAGES}


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
    tag = head.get("t")
    kind = _BY_TAG.get(tag) if isinstance(tag, str) else None
    if kind is None:
        raise UnknownMessage(f"unknown message {tag!r:.40}")
    values: dict[str, Any] = {
        item.name: _field(item, head)
        for item in fields(kind)
        if item.name in head and item.name != "arrays"
    }
    if any(item.name == "arrays" for item in fields(kind)):
        values["arrays"] = _decode_arrays(head.get("arrays", []), frames[1:])
    elif len(frames) > 1:
        raise WireError(f"{tag} carries no arrays, but {len(frames) - 1} came")
    missing = [item.name for item in fields(kind) if _required(item) and item.name not in values]
    if missing:
        raise WireError(f"{tag} lacks {', '.join(missing)}")
    return kind(**values)


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
    match entry:
        case [str(name), str(dtype), list(shape)] if dtype in DTYPES:
            pass
        case _:
            raise WireError(f"array described as {entry!r:.80}, not [name, dtype, shape]")
    if len(shape) > _MAX_DIMENSIONS or not all(map(_is_size, shape)):
        raise WireError(f"array {name!r} has shape {shape!r:.80}")
    # Python's integers cannot overflow here, as a product of numpy's could.
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    if expected != len(frame):
        raise WireError(f"array {name!r} needs {expected} bytes, {len(frame)} came")
    try:
        array = np.frombuffer(frame, dtype=dtype).reshape(shape)
    except ValueError as error:  # nothing times far too much is still too much for numpy
        raise WireError(f"array {name!r} has shape {shape!r:.80}") from error
    array.flags.writeable = False
    return name, array


def _required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _field(item: Field[Any], head: Mapping[str, Any]) -> object:
    value = head[item.name]
    try:
        return _READ[str(item.type)](value)
    except TypeError as error:
        raise WireError(f"{item.name} must be {item.type}, not {value!r:.80}") from error


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
