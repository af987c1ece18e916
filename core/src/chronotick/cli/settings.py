"""Options of commands that need the configuration, and loading it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chronotick.cli.output import BAD_CONFIGURATION, fail

if TYPE_CHECKING:
    from chronotick.config import Loaded

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="Configuration file (YAML); default: see `chronotick config show --origin`.",
)


def load_settings(path: Path | None, overrides: Mapping[str, object] | None = None) -> Loaded:
    """Load the configuration or end with everything that is wrong with it."""
    from chronotick.config import ConfigError, load

    try:
        return load(path, os.environ, overrides or {})
    except ConfigError as error:
        fail(error, BAD_CONFIGURATION)
