"""``docs/security.md`` claims nothing that no test holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
FOLDERS = ("core/tests", "tests")
NAMED = sorted(set(re.findall(r"`(test_\w+)`", PAGE)))
SCENARIO = re.compile(r"^\| (?!he \|)(?P<who>[^|]+) \| [^|]+ \| (?P<tests>[^|]*) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def defined() -> set[str]:
    texts = (path.read_text() for folder in FOLDERS for path in (ROOT / folder).rglob("test_*.py"))
    return {name for text in texts for name in re.findall(r"def (test_\w+)\(", text)}


@pytest.mark.parametrize("name", NAMED)
def test_the_test_behind_a_claim_exists(name: str, defined: set[str]):
    assert name in defined


def test_each_claim_has_a_test_or_is_admitted_not_to_hold():
    rows = [row for row in SCENARIO.finditer(PAGE) if "---" not in row["who"]]
    bare = [row["who"] for row in rows if "`test_" not in row["tests"] and "**" not in row[0]]
    assert len(rows) > 30
    assert bare == []
