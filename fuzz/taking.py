"""Numbers and strings off the front of a fuzzer's bytes, without atheris: tests need it too."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
_DOUBLE = struct.Struct("<d")


class Taking:
    """Takes an input apart from its front; what is missing there is zeros.

    Args:
        data: the input.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._data)

    def some(self, count: int) -> bytes:
        """Take so many bytes, or those that are left."""
        self._at += count
        return self._data[self._at - count : self._at]

    def rest(self) -> bytes:
        """Take everything that is left."""
        return self.some(max(len(self._data) - self._at, 0))

    def number(self, count: int = 1, *, signed: bool = False) -> int:
        """Take an integer of so many bytes."""
        return int.from_bytes(self.some(count).ljust(count, b"\0"), "little", signed=signed)

    def double(self) -> float:
        """Take eight bytes as a float: any, NaN and infinities among them."""
        return float(_DOUBLE.unpack(self.some(_DOUBLE.size).ljust(_DOUBLE.size, b"\0"))[0])

    def one_of(self, choices: Sequence[T]) -> T:
        """Take a byte as a choice."""
        return choices[self.number() % len(choices)]
