"""The configuration file: where it is looked for, and reading it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path

from chronotick.config.errors import ConfigError, Origin, Problem
from chronotick.config.layer import Layer, Steps
from chronotick.config.shipped import shipped
from chronotick.config.yaml12 import Document, YamlError, parse

SYSTEM_FILE = Path("/etc/chronotick/config.yaml")


def find(
    path: Path | None, environ: Mapping[str, str], system_file: Path = SYSTEM_FILE
) -> Path | None:
    """The file to read, or ``None`` for the defaults alone.

    The first of: ``path``, ``$CHRONOTICK_CONFIG``, ``$XDG_CONFIG_HOME/chronotick/config.yaml``
    (``~/.config`` without that variable), ``/etc/chronotick/config.yaml``. The first two must
    exist when they are given; reading them says so if they do not.

    These two may also name a configuration that comes with ChronoTick: ``cpu_only_ttm``.
    """
    if path is None and environ.get("CHRONOTICK_CONFIG"):
        path = Path(environ["CHRONOTICK_CONFIG"])
    if path is not None:
        return path if os.path.lexists(path) else shipped().get(str(path), path)
    return next((f for f in (*_user_file(environ), system_file) if os.path.lexists(f)), None)


def _user_file(environ: Mapping[str, str]) -> list[Path]:
    base = environ.get("XDG_CONFIG_HOME")
    if base:
        return [Path(base) / "chronotick" / "config.yaml"]
    home = environ.get("HOME")
    return [Path(home) / ".config" / "chronotick" / "config.yaml"] if home else []


def read(path: Path) -> Layer:
    """Read a configuration file.

    Raises:
        ConfigError: it cannot be read or is not YAML. Wrong keys are the layer's problems instead.
    """
    try:
        document = parse(_text(path))
    except YamlError as problem:
        origin = Origin("file", str(path), problem.line)
        column = f" (column {problem.column})" if problem.column else ""
        raise ConfigError([Problem(f"not valid YAML: {problem}{column}", "", origin)]) from problem
    return _layer(path, document)


def _layer(path: Path, document: Document) -> Layer:
    if document.value is None:
        return Layer()
    if not isinstance(document.value, dict):
        kind = type(document.value).__name__
        message = f"must hold sections such as `clock_measurement:`, but is one {kind}"
        raise ConfigError([Problem(message, "", Origin("file", str(path)))])
    layer = Layer()
    for steps, first, line in document.duplicates:
        origin = Origin("file", str(path), line)
        message = f"given twice, first in line {first}"
        layer.problems.append(Problem(message, _dotted(steps), origin, advice="Remove one of them"))
    layer.add(document.value, lambda steps: Origin("file", str(path), document.lines.get(steps)))
    return layer


def _dotted(steps: Steps) -> str:
    return ".".join(map(str, steps))


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError([_unreadable(path, error)]) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"not UTF-8 text (byte 0x{data[error.start]:02x})"
        raise ConfigError([Problem(message, "", Origin("file", str(path), line))]) from error


def _ready_made(name: str) -> str:
    near = difflib.get_close_matches(name, shipped(), n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    return f"{meant}Ready-made: {', '.join(shipped())}"


def _unreadable(path: Path, error: OSError) -> Problem:
    origin = Origin("file", str(path))
    if isinstance(error, FileNotFoundError) and str(path) == path.stem:  # meant as a name, perhaps
        message = "there is no file and no ready-made configuration of that name"
        return Problem(message, "", origin, advice=_ready_made(path.stem))
    if isinstance(error, FileNotFoundError):
        return Problem("does not exist", "", origin, advice="Write one: chronotick config init")
    if isinstance(error, IsADirectoryError):
        return Problem("is a directory, not a file", "", origin)
    return Problem(f"cannot be read: {error.strerror}", "", origin)
