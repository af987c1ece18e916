"""Figures as files."""

from __future__ import annotations

import re
import sys

import pytest

from chronotick.lab.reporting import ReportError, write_figures
from chronotick.lab.reporting.exporting import settled, write_drawings
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


@pytest.mark.chromium
@pytest.mark.timeout(300)
def test_a_figure_drawn_again_is_the_same_file(findings, tmp_path, chromium):
    """Plotly names clips, legends and traces at random: the study's figures were new each time."""
    wanted = {"calibration-truth", "skill-truth-mae", "deciles-truth"}
    drawings = [each for each in all_drawings(findings) if each.name in wanted]
    first, again = (write_drawings(drawings, tmp_path / n, formats=("svg",)) for n in "ab")
    assert [each.read_bytes() for each in first] == [each.read_bytes() for each in again]
    names = [set(re.findall(r'id="([^"]+)"', each.read_text())) for each in first]
    assert all(names)
    assert not set.intersection(*names)  # on one page each keeps its own


def test_only_random_names_are_replaced():
    text = "<text>defs-abcdef clip123456 trace abcdef</text>"
    drawn = '<defs id="defs-%s"/><g class="trace scatter trace012345" clip-path="url(#clip%sxy)"/>'
    before, after = (settled(drawn % (each, each) + text, "n") for each in ("fedcba", "123abc"))
    assert before == after
    assert "fedcba" not in before
    assert "trace012345" not in before
    assert before.endswith(text)
    assert settled(drawn % ("fedcba", "fedcba") + text, "other") != before


def test_without_kaleido_it_is_said_what_to_install(comparison, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(ReportError, match=r"pip install 'chronotick\[lab\]'"):
        write_figures(comparison, tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_a_browser_it_is_said_what_to_install(findings, tmp_path, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", "/nowhere/chromium")
    with pytest.raises(ReportError, match="apt install chromium"):
        write_drawings(list(all_drawings(findings))[:1], tmp_path)
