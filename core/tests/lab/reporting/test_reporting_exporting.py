"""Figures as files."""

from __future__ import annotations

import sys

import pytest

from chronotick.lab.reporting import ReportError, write_figures
from chronotick.lab.reporting.exporting import write_drawings
from chronotick.lab.reporting.gallery import all_drawings


@pytest.mark.chromium
@pytest.mark.timeout(300)
def test_figures_become_svg_and_png(findings, tmp_path, chromium):
    drawings = [
        drawing
        for drawing in all_drawings(findings)
        if drawing.name in {"calibration-truth", "pairwise-truth-mae"}
    ]
    paths = write_drawings(drawings, tmp_path / "figures")
    assert sorted(path.name for path in paths) == [
        "calibration-truth.png",
        "calibration-truth.svg",
        "pairwise-truth-mae.png",
        "pairwise-truth-mae.svg",
    ]
    for path in paths:
        content = path.read_bytes()
        assert len(content) > 5_000
        assert content.startswith(b"\x89PNG" if path.suffix == ".png" else b"<svg")


def test_without_kaleido_it_is_said_what_to_install(comparison, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(ReportError, match=r"pip install 'chronotick\[lab\]'"):
        write_figures(comparison, tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_a_browser_it_is_said_what_to_install(findings, tmp_path, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", "/nowhere/chromium")
    with pytest.raises(ReportError, match="apt install chromium"):
        write_drawings(list(all_drawings(findings))[:1], tmp_path)
