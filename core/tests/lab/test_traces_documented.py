"""docs/traces.md: its examples can be read, and its limits are those of the code."""

from __future__ import annotations

import re
from dataclasses import fields
from inspect import signature
from pathlib import Path

import pytest

import chronotick.lab.traces
from chronotick.lab.traces import Trace, TraceProblem, read_traces
from chronotick.lab.traces.clocks import FEWEST
from chronotick.lab.traces.columns import UNITS
from chronotick.lab.traces.gridding import JITTER, MOST_MISSING, MOST_NAN

PAGE = (Path(__file__).parents[3] / "docs" / "traces.md").read_text()
EXAMPLES = re.findall(r"```(text|json)\n(.*?)```", PAGE, re.DOTALL)
DATA = [(kind, text) for kind, text in EXAMPLES if text.startswith(("{", "t_", "unique_id"))]
TOO_SHORT = re.compile(r"holds 2 (values|measurements), a comparison needs 32 at least")


def test_there_is_an_example_of_each_format():
    assert [text.split(",")[0] for _, text in DATA] == [
        "t_s",
        "t_local_s",
        "unique_id",
        "t_s",
        '{"id": "freq-a"',
    ]


@pytest.mark.parametrize("text", [text for _, text in DATA])
def test_examples_are_right_but_short(tmp_path, text):
    (tmp_path / ("a.jsonl" if text.startswith("{") else "a.csv")).write_text(text)
    found = read_traces([str(tmp_path)], value="frequency")
    assert found.problems
    for problem in found.problems:
        assert TOO_SHORT.search(problem.reason), problem


def test_the_example_of_a_reason_is_one(tmp_path):
    rows = (f"{n if n < 30 else n - 20},{n % 7}\n" for n in range(40))
    (tmp_path / "freq.csv").write_text("ds,y\n" + "".join(rows))
    (problem,) = read_traces([str(tmp_path)]).problems
    assert f"freq.csv: {problem.reason}" in PAGE


def test_limits_are_on_the_page():
    assert f"fewer than {FEWEST} values" in PAGE
    assert (JITTER, MOST_MISSING, MOST_NAN) == (0.1, 0.2, 0.5)
    for words in ("more than a tenth", "beyond a fifth", "more than half"):
        assert words in PAGE
    for ending in UNITS:
        assert f"`{ending}`" in PAGE


def test_the_public_face_is_documented():
    assert chronotick.lab.traces.__all__ == ["Trace", "TraceProblem", "Traces", "read_traces"]
    for name in chronotick.lab.traces.__all__:
        assert getattr(chronotick.lab.traces, name).__doc__
    for each in (Trace, TraceProblem):
        assert each.__doc__
        for field in fields(each):
            assert re.search(
                rf"^        [\w, ]*\b{field.name}\b[\w, ]*:", each.__doc__, re.MULTILINE
            )
    for name in signature(read_traces).parameters:
        assert f"        {name}: " in (read_traces.__doc__ or "")
