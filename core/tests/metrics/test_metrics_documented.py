from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.metrics.document import PAGE, documents

ROOT = Path(__file__).parents[3]


def test_the_page_is_that_of_the_metrics():
    written = documents(ROOT)[PAGE]
    assert (ROOT / PAGE).read_text(encoding="utf-8") == written, (
        "Run: python -m chronotick.metrics.document ."
    )


def test_a_page_without_marks_is_not_written_over(tmp_path: Path):
    (tmp_path / PAGE).parent.mkdir()
    (tmp_path / PAGE).write_text("# Metrics\n")
    with pytest.raises(ValueError, match="marks"):
        documents(tmp_path)
