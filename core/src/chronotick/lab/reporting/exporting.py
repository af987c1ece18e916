"""Figures as PNG and SVG files, drawn by kaleido in a Chromium of the system."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from chronotick.lab.reporting.compared import Choices, Compared, ReportError
from chronotick.lab.reporting.findings import find
from chronotick.lab.reporting.gallery import Drawing, all_drawings
from chronotick.lab.reporting.palette import PAPER
from chronotick.lab.reporting.plots.canvas import finished

FORMATS: Final = ("svg", "png")
_WIDTH_PX: Final = 900
_SHARPER: Final = 2  # pixels of a PNG per pixel of the figure
_RANDOM: Final = 6  # hexadecimal digits of plotly's random names
_NAMED_AT_RANDOM: Final = re.compile(
    r'((?:id="|url\(#)(?:topdefs-|defs-|clip|legend)|class="trace [a-z]+ trace)'
    rf"([0-9a-f]{{{_RANDOM}}})"
)
_NO_KALEIDO: Final = (
    "figures need kaleido to become PNG or SVG files. Install it: pip install 'chronotick[lab]'"
)
_NO_BROWSER: Final = (
    "figures need a Chromium to become PNG or SVG files, and none was found. Install one: "
    "apt install chromium. If it is in an unusual place, name it in the variable BROWSER_PATH"
)


def write_figures(
    compared: Compared,
    directory: Path,
    *,
    formats: Sequence[str] = FORMATS,
    choices: Choices | None = None,
    per_trace: bool = False,
) -> list[Path]:
    """Write every figure of a report as files.

    Args:
        compared: a finished comparison.
        directory: where files go; made if it is not there. Files of the same name are replaced.
        formats: of them: ``svg``, ``png``, ``pdf``, ``jpg``, ``webp``.
        choices: what to show.
        per_trace: the figures of every trace and horizon as well.

    Returns:
        The files, named after what they show.

    Raises:
        ReportError: there is nothing to show, or kaleido or a Chromium is missing.
    """
    drawings = all_drawings(find(compared, choices), per_trace=per_trace)
    return write_drawings(drawings, directory, formats=formats)


def write_drawings(
    drawings: Iterable[Drawing], directory: Path, *, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Write figures as files; see :func:`write_figures`.

    Raises:
        ReportError: kaleido or a Chromium is missing, or it cannot draw.
    """
    try:
        import kaleido
        from kaleido.errors import BrowserFailedError, ChromeNotFoundError
    except ImportError as error:
        raise ReportError(_NO_KALEIDO) from error
    directory.mkdir(parents=True, exist_ok=True)
    jobs = list(_jobs(drawings, directory, formats))
    paths = [Path(job["path"]) for job in jobs]  # kaleido may change its jobs
    # Its page would load MathJax from the network; nothing here needs that.
    offline = {"page_generator": kaleido.PageGenerator(mathjax=False)}
    try:
        failed = kaleido.write_fig_from_object_sync(jobs, kopts=offline)
    except ChromeNotFoundError as error:
        raise ReportError(_NO_BROWSER) from error
    except BrowserFailedError as error:
        raise ReportError(f"the Chromium that draws figures did not start: {error}") from error
    if failed or not all(path.is_file() for path in paths):
        why = failed[0] if failed else "some were not written"
        raise ReportError(f"the Chromium that draws figures failed: {why}")
    for path in paths:
        if path.suffix == ".svg":
            path.write_text(settled(path.read_text(encoding="utf-8"), path.stem), encoding="utf-8")
    return paths


def settled(svg: str, name: str) -> str:
    """Return a drawing with names of its own in place of plotly's random ones.

    The same figure is then the same file, and files shown on one page do not mix up their parts.
    """
    known: dict[str, str] = {}

    def renamed(match: re.Match[str]) -> str:
        text = f"{name}/{len(known)}"
        new = known.setdefault(match[2], hashlib.sha256(text.encode()).hexdigest()[:_RANDOM])
        return f"{match[1]}{new}"

    return _NAMED_AT_RANDOM.sub(renamed, svg)


def _jobs(
    drawings: Iterable[Drawing], directory: Path, formats: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for drawing in drawings:
        layout = drawing.spec["layout"]
        width = max(_WIDTH_PX, int(layout["meta"]["narrowest"]))
        ground = {"paper_bgcolor": PAPER, "width": width}
        figure = finished({"data": drawing.spec["data"], "layout": layout | ground})
        for each in formats:
            options = {"format": each, "scale": _SHARPER if each != "svg" else 1}
            yield {
                "fig": figure,
                "path": str(directory / f"{drawing.name}.{each}"),
                "opts": options | {"width": width, "height": layout["height"]},
            }
