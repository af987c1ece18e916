"""Where values of the configuration come from, and what is said when they cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value stands.

    Attributes:
        kind: the layer; each overrides those before it.
        name: the file or the variable; empty for defaults.
        line: line in the file, from 1.
    """

    kind: Literal["default", "file", "environment", "option"]
    name: str = ""
    line: int | None = None

    def __str__(self) -> str:
        if self.kind == "default":
            return "default"
        if self.kind == "option":
            return "command line"
        return self.name if self.line is None else f"{self.name}:{self.line}"


DEFAULT = Origin("default")
OPTION = Origin("option")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the configuration.

    Attributes:
        message: what is wrong, as half a sentence; what was given is part of it.
        path: dotted path of the key; empty when the file as a whole is meant.
        origin: where it stands, if that is known.
        accepted: what would be accepted, with its unit.
        advice: what to do: the key that was meant, or what replaced it.
    """

    message: str
    path: str = ""
    origin: Origin | None = None
    accepted: str = ""
    advice: str = ""

    def __str__(self) -> str:
        where = f"({self.origin})" if self.path and self.origin else str(self.origin or "")
        subject = " ".join(part for part in (self.path, where) if part)
        text = f"{subject}: {self.message}" if subject else self.message
        if self.accepted:
            text += f"; accepted: {self.accepted}"
        return f"{text}. {self.advice}" if self.advice else text


class ConfigError(Exception):
    """Raised when a configuration cannot be used; it lists everything that is wrong with it.

    Attributes:
        problems: all problems, in the order of the layers and their lines.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"configuration: {self.problems[0]}"
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        return f"configuration: {len(self.problems)} problems{lines}"
