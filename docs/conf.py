"""Sphinx builds the documentation from here: ``sphinx-build -W docs docs/_build``."""
# ruff: noqa: INP001 - Sphinx runs this file, nobody imports it

project = "ChronoTick"
author = "The ChronoTick authors"
project_copyright = "The ChronoTick authors, Apache-2.0"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_inherit_docstrings = False  # what int, tuple and Exception say of their methods is no help
napoleon_use_ivar = True  # attributes in a list; as objects they would be documented twice

html_theme = "furo"
html_title = "ChronoTick"
nitpicky = True
# The standard library's own pages: no intersphinx, for the build must not need a network.
nitpick_ignore = [
    ("py:func", "time.time"),
    ("py:class", "os.PathLike"),
    ("py:class", "pathlib.Path"),
    ("py:class", "Output"),
    ("py:class", "asyncio.events.AbstractEventLoop"),
    # What tests hand through and look into; not for plugins to import.
    ("py:class", "AnyWorker"),
    ("py:class", "chronotick.config.schema.Workers"),
    ("py:class", "chronotick.workers.state.WorkerState"),
    ("py:exc", "EnvironmentProblem"),
]
nitpick_ignore_regex = [("py:class", r"(numpy|collections\.abc)\..*")]
