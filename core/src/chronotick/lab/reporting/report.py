"""Writing reports."""

from __future__ import annotations

from pathlib import Path

from chronotick.lab.reporting.compared import Choices, Compared
from chronotick.lab.reporting.findings import find
from chronotick.lab.reporting.page import page
from chronotick.lab.reporting.paper import paper


def write_html(compared: Compared, path: Path, *, choices: Choices | None = None) -> Path:
    """Write the report as one HTML file that works offline.

    Args:
        compared: a finished comparison.
        path: of the file; it is replaced if it is there, and never half written.
        choices: what to show.

    Returns:
        The path.

    Raises:
        ReportError: there is nothing to report; the message says why.
        OSError: the file cannot be written.
    """
    return _written(path, page(find(compared, choices)))


def write_markdown(compared: Compared, path: Path, *, choices: Choices | None = None) -> Path:
    """Write the leaderboards and tables in GitHub's Markdown; see :func:`write_html`.

    Raises:
        ReportError: there is nothing to report; the message says why.
        OSError: the file cannot be written.
    """
    return _written(path, paper(find(compared, choices)))


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return path
