"""Is a model specification one? Found when plugins are loaded, not when a model is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import get_args

from chronotick.plugin.contract import Checkpoint, Environment, ModelSpec, Output

_NAME = re.compile(r"[a-z0-9](-?[a-z0-9])*")
_PLACE = re.compile(r"(?P<top>[A-Za-z_]\w*)(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class BadSpecification(ValueError):  # noqa: N818 - says what the value is
    """Raised when a plugin describes a model in a way that cannot be used."""


def check_specification(spec: object, taken: Mapping[str, str]) -> None:
    """Check one model a plugin describes, without importing its worker.

    Args:
        spec: what the hook returned.
        taken: origins of the models known already, by name.

    Raises:
        BadSpecification: with what is wrong.
    """
    if not isinstance(spec, ModelSpec):
        raise BadSpecification(f"it returned {spec!r:.80} where a ModelSpec belongs")
    for name in ("name", "title", "worker", "licence"):
        value = getattr(spec, name)
        if not isinstance(value, str) or not value:
            raise BadSpecification(f"{name} of a model must be text, not {value!r:.80}")
    if not _NAME.fullmatch(spec.name):
        raise BadSpecification(
            f"model name {spec.name!r} must be lower-case letters, digits and single hyphens"
        )
    if spec.name in taken:
        raise BadSpecification(f"model {spec.name!r} exists already, from {taken[spec.name]}")
    _check_kinds(spec)
    _check_texts(spec)
    _check_place(spec, "worker", spec.worker)
    _check_random_weights(spec)
    _check_trainer(spec)
    _check_limits(spec)


def _check_place(spec: ModelSpec, field: str, place: str) -> None:
    match = _PLACE.fullmatch(place)
    if match is None:
        raise BadSpecification(
            f"{spec.name}: {field} {place!r} is not of the form package.module:name"
        )
    # Only the top-level name: finding a submodule would import its package.
    if find_spec(match["top"]) is None:
        raise BadSpecification(f"{spec.name}: {field} {place!r}: no module {match['top']!r}")


def _check_random_weights(spec: ModelSpec) -> None:
    if bool(spec.random_weights) != bool(spec.random_sizes):
        raise BadSpecification(f"{spec.name}: random_weights and random_sizes belong together")
    if not isinstance(spec.random_weights, str):
        raise BadSpecification(f"{spec.name}: random_weights must be text")
    if spec.random_weights:
        _check_place(spec, "random_weights", spec.random_weights)


def _check_trainer(spec: ModelSpec) -> None:
    if not isinstance(spec.trainer, str):
        raise BadSpecification(f"{spec.name}: trainer must be text")
    if spec.trainer:
        _check_place(spec, "trainer", spec.trainer)


def _check_kinds(spec: ModelSpec) -> None:
    if spec.output not in get_args(Output):
        kinds = ", ".join(get_args(Output))
        raise BadSpecification(f"{spec.name}: output {spec.output!r} is none of {kinds}")
    if not isinstance(spec.environment, (Environment, type(None))):
        raise BadSpecification(f"{spec.name}: environment must be an Environment or None")
    if not isinstance(spec.checkpoint, (Checkpoint, type(None))):
        raise BadSpecification(f"{spec.name}: checkpoint must be a Checkpoint or None")
    if not _are(spec.alternatives, Checkpoint):
        raise BadSpecification(f"{spec.name}: alternatives must be Checkpoints")


def _check_texts(spec: ModelSpec) -> None:
    for name in ("random_sizes", "covariates", "trained_on"):
        if not _are(getattr(spec, name), str):
            raise BadSpecification(f"{spec.name}: {name} must be a tuple of texts")
    if spec.environment is not None and not _are(spec.environment.preinstall, str):
        raise BadSpecification(f"{spec.name}: preinstall of its environment: a tuple of texts")


def _are(values: object, kind: type) -> bool:
    """Tell whether values are a tuple or list of one kind; a text is neither."""
    return isinstance(values, (tuple, list)) and all(isinstance(item, kind) for item in values)


def _check_limits(spec: ModelSpec) -> None:
    for name in ("min_context", "max_context", "max_horizon"):
        value = getattr(spec, name)
        if not isinstance(value, int) or value < 1:
            raise BadSpecification(f"{spec.name}: {name} must be a whole number above 0")
    if spec.min_context > spec.max_context:
        raise BadSpecification(f"{spec.name}: min_context is above max_context")
