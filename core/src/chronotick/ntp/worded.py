"""Values that explain themselves."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11


class Worded(str, enum.Enum):
    """A text for programs, with the words for people beside it.

    Attributes:
        words: what it means, a phrase.
    """

    words: str

    def __new__(cls, value: str, words: str) -> Self:
        """Keep the explanation beside the value."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.words = words
        return member
