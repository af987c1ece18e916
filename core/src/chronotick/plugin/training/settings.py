"""Sections of a recipe: what a trainer can be told, checked before anything is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar

T = TypeVar("T")

_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "precision": ("auto", "float32", "bfloat16"),
    "stored": ("float16", "float32"),
    "best_by": ("loss", "ratio"),
}
_NOT_NEGATIVE: Final = (
    "warm_up_steps",
    "weight_decay",
    "clip_norm",
    "patience",
    "target_limit",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Section ``training`` of a recipe.

    Attributes:
        steps: batches that are learnt from at most.
        learning_rate: at the end of the warm-up.
        warm_up_steps: over which the rate rises from zero.
        final_rate: share of the rate that is left at the last step; a cosine leads there.
        weight_decay: of AdamW, on matrices only.
        clip_norm: gradients are cut to this norm; 0: not at all.
        average: share that the running average of the weights keeps per step; 0: no average.
        validate_every: steps between validations.
        patience: validations without improvement that end the training; 0: none do.
        precision: ``auto`` is bfloat16 on a GPU and float32 on a CPU.
        stored: type of the numbers in ``model.safetensors``. Validation is of rounded weights.
        target_limit: targets that are so many standard uncertainties from what the filter expects
            count as no further; 0: no limit. Quantiles within it are not changed by that.
        best_by: ``loss``; or ``ratio``, to the filter's error in units of its sigma, over all
            kinds of worlds and steps alike. Which weights are the best, and what patience waits
            for.
        seed: of weights and dropout.
    """

    steps: int
    learning_rate: float = 1e-3
    warm_up_steps: int = 200
    final_rate: float = 0.01
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    average: float = 0.0
    validate_every: int = 500
    patience: int = 0
    precision: str = "auto"
    stored: str = "float16"
    target_limit: float = 0.0
    best_by: str = "loss"
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "validate_every", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"training.{name} must be above 0, not {getattr(self, name)}")
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise ValueError(f"training.{name} must not be negative")
        if not (0 <= self.average < 1 and 0 <= self.final_rate <= 1):
            raise ValueError("training.average lies in [0, 1), training.final_rate in [0, 1]")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                found = getattr(self, name)
                raise ValueError(f"training.{name} is one of {', '.join(known)}, not {found!r}")

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        if step < self.warm_up_steps:
            return self.learning_rate * (step + 1) / self.warm_up_steps
        progress = (step - self.warm_up_steps) / max(1, self.steps - self.warm_up_steps)
        share = (1 + math.cos(math.pi * min(1.0, progress))) / 2
        return self.learning_rate * (self.final_rate + (1 - self.final_rate) * share)


def section(kind: type[T], recipe: Mapping[str, Any], name: str) -> T:
    """Read a section of a recipe into a dataclass of numbers, texts and lists.

    Raises:
        ValueError: the section is missing, has an unknown key, lacks one or holds another type.
    """
    given = recipe.get(name, {})
    if not isinstance(given, Mapping):
        raise ValueError(f"section {name} of the recipe must hold keys and values")  # noqa: TRY004 - of what is read
    known = {each.name: str(each.type) for each in fields(kind)}  # type: ignore[arg-type] # a dataclass
    if wrong := sorted(set(given) - set(known)):
        raise ValueError(
            f"section {name} of the recipe has no {', '.join(wrong)}: it knows {', '.join(known)}"
        )
    values = {key: _value(f"{name}.{key}", value, known[key]) for key, value in given.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"section {name} of the recipe: {error}") from error


def _value(key: str, value: object, kind: str) -> Any:  # noqa: ANN401 - a field's
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        if kind == "float":
            return float(value)
        if kind == "int" and value == int(value):
            return int(value)
    if (kind, type(value)) in {("str", str), ("bool", bool)}:
        return value
    if kind.startswith("tuple") and isinstance(value, (list, tuple)):
        return tuple(_value(key, one, "float") for one in value)
    raise ValueError(f"{key} of the recipe must be of type {kind}, not {value!r:.60}")
