"""Sphinx builds the documentation from here: ``sphinx-build -W docs docs/_build/html``."""
# ruff: noqa: INP001 - Sphinx runs this file, nobody imports it

project = "ChronoTick"
author = "The ChronoTick authors"
project_copyright = "The ChronoTick authors, Apache-2.0"

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "ChronoTick"
nitpicky = True
