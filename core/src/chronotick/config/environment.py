"""Environment variables: ``CHRONOTICK_<SECTION>__<KEY>`` for every key, and a few short names."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chronotick.config.errors import Origin, Problem
from chronotick.config.layer import Layer, nested
from chronotick.config.yaml12 import YamlError, parse

PREFIX = "CHRONOTICK_"


def _text(value: str) -> object:
    return value


def _comma_list(value: str) -> object:
    return [part.strip() for part in value.split(",") if part.strip()]


def _yaml(value: str) -> object:
    return parse(value).value


@dataclass(frozen=True, slots=True)
class Short:
    """A variable with a short name.

    Attributes:
        keys: dotted keys it sets.
        read: turns its text into their value.
        form: what it takes, for documents.
    """

    keys: tuple[str, ...]
    read: Callable[[str], object]
    form: str


SHORT: Mapping[str, Short] = {
    "CHRONOTICK_MODEL": Short(
        ("short_term.models", "long_term.models"), _comma_list, "names, by commas"
    ),
    "CHRONOTICK_DEVICE": Short(("short_term.device", "long_term.device"), _text, "a device"),
    "CHRONOTICK_NTP_SERVERS": Short(
        ("clock_measurement.ntp.servers",), _comma_list, "servers, by commas"
    ),
    "CHRONOTICK_WARMUP": Short(
        ("clock_measurement.timing.warm_up.duration_seconds",), _yaml, "seconds"
    ),
    "CHRONOTICK_LOG_LEVEL": Short(("logging.level",), _text, "a level"),
    "CHRONOTICK_SHM": Short(("shm.path",), _text, "a path"),
    "CHRONOTICK_CONTROL": Short(("control.socket",), _text, "a path"),
}
OTHERS = ("CHRONOTICK_CONFIG", "CHRONOTICK_TRACES", "CHRONOTICK_TEST_ENVS")  # not configuration


def read(environ: Mapping[str, str]) -> Layer:
    """The layer of the environment. Empty variables count as not set.

    The long name of a key wins over a short one that also sets it.
    """
    layer = Layer()
    for name, short in SHORT.items():
        if environ.get(name):
            for dotted in short.keys:
                _add(layer, name, tuple(dotted.split(".")), short.read, environ[name])
    for name in sorted(environ):
        if environ[name] and name.startswith(PREFIX) and name not in SHORT and "__" in name:
            path = tuple(name.removeprefix(PREFIX).lower().split("__"))
            _add(layer, name, path, _yaml, environ[name])
    return layer


def doubtful(environ: Mapping[str, str]) -> list[str]:
    """Remarks on variables that look like a misspelt short name: they have no effect."""
    remarks = []
    for name in sorted(environ):
        if name in SHORT or name in OTHERS or "__" in name or not name.startswith(PREFIX):
            continue
        near = difflib.get_close_matches(name, SHORT, n=1, cutoff=0.85)
        if near:
            remarks.append(f"{name} has no effect: there is no such variable. Meant: {near[0]}?")
    return remarks


def _add(
    layer: Layer, name: str, path: tuple[str, ...], read_text: Callable[[str], object], text: str
) -> None:
    origin = Origin("environment", name)
    try:
        value = read_text(text)
    except YamlError as problem:
        message = f"got {text!r}, which is not valid YAML: {problem}"
        layer.problems.append(Problem(message, ".".join(path), origin))
        return
    layer.add(nested(path, value), lambda _: origin)
