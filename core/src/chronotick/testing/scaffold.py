"""A new plugin: a complete package that works as it is generated."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

_NAME: Final = re.compile(r"[a-z](-?[a-z0-9])*")
_PYTHON: Final = ">=3.11,<3.14"


class BadPlugin(ValueError):  # noqa: N818 - says what the plugin would be
    """Raised for a plugin that cannot be generated, with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlugin:
    """A plugin to be generated.

    Attributes:
        name: of the model: lower-case letters, digits and single hyphens.
        title: one line for people.
        licence: SPDX identifier of the code.
        requires: requirements of the model's own environment; none: it runs on the daemon's
            interpreter, in a process of its own.
    """

    name: str
    title: str
    licence: str = "Apache-2.0"
    requires: Sequence[str] = ()

    @property
    def distribution(self) -> str:
        """Name of the distribution, and of its folder."""
        return f"chronotick-{self.name}"

    @property
    def package(self) -> str:
        """Name of the importable package."""
        return f"chronotick_{self.name.replace('-', '_')}"


def generate(plugin: NewPlugin, parent: Path) -> Path:
    """Write a plugin's package into a new folder.

    Args:
        plugin: what to write.
        parent: directory the new folder is made in.

    Returns:
        The new folder.

    Raises:
        BadPlugin: the name cannot be a model's, or the title not be written.
        OSError: the folder exists already, or cannot be written.
    """
    _check(plugin)
    folder = parent / plugin.distribution
    folder.mkdir(parents=True)
    words = _words(plugin)
    for place, template in _files(plugin).items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_template(template).substitute(words), encoding="utf-8")
    for empty in ("__init__.py", "py.typed"):
        (folder / "src" / plugin.package / empty).touch()
    return folder


def _check(plugin: NewPlugin) -> None:
    if not _NAME.fullmatch(plugin.name):
        raise BadPlugin(
            f"{plugin.name!r} cannot be a model's name: lower-case letters, digits and single "
            "hyphens, a letter first"
        )
    for field, text in (("title", plugin.title), ("licence", plugin.licence)):
        if not text.isprintable() or not text.strip() or '"' in text or "\\" in text:
            raise BadPlugin(f"{field} {text!r} must be one printable line without quotes")


def _files(plugin: NewPlugin) -> Mapping[str, str]:
    source = f"src/{plugin.package}"
    files = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{source}/plugin.py": "plugin.py",
        f"{source}/worker.py": "worker.py",
        f"tests/test_{plugin.package}.py": "test.py",
    }
    if plugin.requires:
        files[f"{source}/{plugin.name}.in"] = "recipe.in"
    return files


def _template(name: str) -> Template:
    path = resources.files("chronotick.testing") / "template" / f"{name}.in"
    return Template(path.read_text(encoding="utf-8"))


def _words(plugin: NewPlugin) -> dict[str, str]:
    own = bool(plugin.requires)
    recipe = f"| `src/{plugin.package}/{plugin.name}.in` | what its environment holds |\n"
    return {
        "name": plugin.name,
        "title": plugin.title,
        "licence": plugin.licence,
        "distribution": plugin.distribution,
        "package": plugin.package,
        "class_name": plugin.name.title().replace("-", ""),
        "requirements": "\n".join(plugin.requires),
        "environment_type": "Environment" if own else "CURRENT_INTERPRETER",
        "environment": "ENVIRONMENT" if own else "CURRENT_INTERPRETER",
        "environment_definition": _environment(plugin) if own else "",
        "recipe_row": recipe if own else "",
        "setup": "    chronotick envs lock .\n" if own else "",
    }


def _environment(plugin: NewPlugin) -> str:
    return (
        f'\nENVIRONMENT = Environment(recipe="{plugin.name}", package="{plugin.package}", '
        f'python="{_PYTHON}")\n'
    )
