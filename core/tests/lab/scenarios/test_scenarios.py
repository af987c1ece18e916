"""Every named scenario: true time inside the bound, the statuses, the recovery."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.lab.scenarios import SCENARIOS, Outcome, Scenario, run

PAGE = (Path(__file__).parents[4] / "docs" / "scenarios.md").read_text()
COLUMNS = 6


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda each: each.name)
def test_what_a_scenario_asserts_holds(scenario: Scenario):
    assert run(scenario).failures == ()


def test_the_page_has_a_row_for_every_scenario_in_order():
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
    told = [row for row in rows if len(row) == COLUMNS]
    names = [row[0].removeprefix("| ").strip("`") for row in told]
    assert names == list(SCENARIOS)
    for row, scenario in zip(told, SCENARIOS.values(), strict=True):
        assert row[1] == scenario.happens
        assert row[2].startswith(scenario.asserts)


def test_the_example_of_the_page_holds():
    code = PAGE.partition("```python\n")[2].partition("```")[0]
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - our own page
    outcome = names["outcome"]
    assert isinstance(outcome, Outcome)
    assert outcome.passed
