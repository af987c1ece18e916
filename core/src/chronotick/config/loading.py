"""Layers become one configuration: defaults < file < environment < command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from chronotick.config import environment, file
from chronotick.config.errors import DEFAULT, OPTION, ConfigError, Origin, Problem
from chronotick.config.keys import Key, keys
from chronotick.config.layer import Layer, Steps, nested
from chronotick.config.schema import Config
from chronotick.config.yaml12 import quoted

_SAME = ("models", "model_name")  # two names of one thing: the higher layer's replaces the other


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and where it comes from.

    Attributes:
        config: the validated configuration.
        origins: origin of every key, by dotted path.
        path: the file that was read, if any.
        remarks: what is no error but worth a line in the log.
    """

    config: Config
    origins: Mapping[str, Origin]
    path: Path | None
    remarks: tuple[str, ...] = ()

    def leaves(self) -> Iterator[tuple[str, Any, Origin]]:
        """Each key's dotted path, value and origin, in the order of the schema."""
        for key in keys():
            value: Any = self.config
            for name in key.path:
                value = getattr(value, name)
            if key.nested and value:
                for name, entry in value.items():
                    dotted = f"{key.dotted}.{name}"
                    yield dotted, _plain(entry), self.origins[dotted]
            else:
                yield key.dotted, value, self.origins.get(key.dotted, DEFAULT)


def _plain(entry: object) -> object:
    return entry.model_dump(exclude_none=True) if isinstance(entry, BaseModel) else entry


def load(path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object]) -> Loaded:
    """Load the configuration.

    Args:
        path: the file named on the command line; ``None`` searches (see
            :func:`chronotick.config.file.find`).
        environ: the environment, usually ``os.environ``.
        overrides: values of command-line options by dotted key; ``None``: not given.

    Raises:
        ConfigError: with everything that is wrong, in all layers at once.
    """
    found = file.find(path, environ)
    layers = [
        file.read(found) if found else Layer(),
        environment.read(environ),
        _options(overrides),
    ]
    merged = _merge(layers)
    config = _validate(merged)
    if merged.problems or config is None:
        raise ConfigError(merged.problems)
    return Loaded(config, _origins(config, merged), found, tuple(environment.doubtful(environ)))


def _options(overrides: Mapping[str, object]) -> Layer:
    layer = Layer()
    for dotted, value in overrides.items():
        if value is not None:
            layer.add(nested(tuple(dotted.split(".")), value), lambda _: OPTION)
    return layer


def _merge(layers: list[Layer]) -> Layer:
    merged = Layer()
    for layer in layers:
        for path in layer.values:
            for replaced in _replaced_by(path):
                merged.values.pop(replaced, None)
                _forget(merged.origins, replaced)
        merged.values |= layer.values
        merged.origins = layer.origins | merged.origins  # a section stands where it first stood
        merged.problems += layer.problems
    return merged


def _replaced_by(path: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [(*path[:-1], name) for name in _SAME] if path[-1] in _SAME else [path]


def _forget(origins: dict[Steps, Origin], path: Steps) -> None:
    for steps in [steps for steps in origins if steps[: len(path)] == path]:
        del origins[steps]


def _validate(merged: Layer) -> Config | None:
    try:
        return Config.model_validate(_tree(merged.values))
    except ValidationError as error:
        merged.problems += [_problem(detail, merged.origins) for detail in error.errors()]
    except RuntimeError as error:  # no home directory to put data into
        advice = "Set XDG_DATA_HOME, or history.path and workers.environments"
        merged.problems.append(Problem(str(error), advice=advice))
    return None


def _tree(values: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        section = tree
        for name in path[:-1]:
            section = section.setdefault(name, {})
        section[path[-1]] = value
    return tree


def _problem(detail: ErrorDetails, origins: Mapping[Steps, Origin]) -> Problem:
    steps: Steps = detail["loc"]
    key = _key_at(steps)
    said = detail.get("ctx", {}).get("error")
    message = str(said) if said is not None else ""
    if detail["type"] == "missing":
        message = "must be given"
    elif key is not None:
        message = f"got {quoted(detail['input'])}" + (f": {message}" if message else "")
    origin = _nearest(origins, steps)
    return Problem(message or detail["msg"], _dotted(steps), origin, key.accepted if key else "")


def _key_at(steps: Steps) -> Key | None:
    key = next((k for k in keys() if k.path == steps[: len(k.path)]), None)
    inside = steps[len(key.path) + 1 :] if key else ()
    if key and key.entry and inside:
        inner = key.entry.children.get(str(inside[0]))
        return inner if isinstance(inner, Key) else key
    return key


def _nearest(origins: Mapping[Steps, Origin], steps: Steps) -> Origin:
    """Where something stands, or what contains it: a missing item has no line of its own."""
    for end in range(len(steps), 0, -1):
        if steps[:end] in origins:
            return origins[steps[:end]]
    return DEFAULT


def _dotted(steps: Steps) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")


def _origins(config: Config, merged: Layer) -> dict[str, Origin]:
    origins = {key.dotted: merged.origins.get(key.path, DEFAULT) for key in keys()}
    origins |= {".".join(path): merged.origins[path] for path in merged.values}
    for loop in ("short_term", "long_term"):
        if getattr(config, loop).model_name is not None:
            origins[f"{loop}.models"] = origins[f"{loop}.model_name"]
    return origins
