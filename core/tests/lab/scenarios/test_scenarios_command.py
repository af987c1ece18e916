"""``chronotick lab scenario``."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from chronotick.cli.scenarios import scenario
from chronotick.lab import scenarios
from chronotick.lab.scenarios import SCENARIOS, Scenario

CALM = replace(SCENARIOS["calm"], duration_s=20.0)
IMPOSSIBLE = replace(CALM, name="impossible", expected=replace(CALM.expected, error_s=1e-12))


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(scenario, arguments)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> dict[str, Scenario]:
    """A catalogue of two short ones: one that holds, one that cannot."""
    found = {each.name: each for each in (CALM, IMPOSSIBLE)}
    monkeypatch.setattr(scenarios, "SCENARIOS", found)
    return found


def test_the_list_has_every_scenario_and_runs_none():
    result = invoke("--list")
    assert result.exit_code == 0
    starts = [line.split()[0] for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert starts == list(SCENARIOS)


def test_a_name_that_is_none_is_a_mistake_with_a_suggestion():
    result = invoke("suspned")
    assert result.exit_code == 2
    assert "there is no scenario 'suspned'. Did you mean 'suspend'?" in result.stderr


@pytest.mark.usefixtures("two")
def test_what_does_not_hold_is_told_and_ends_with_1():
    result = invoke("--seed", "1")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[1].split()[:2] == ["calm", "yes"]
    assert lines[2].split()[:2] == ["impossible", "NO"]
    assert "not synchronised within 1e-09 ms of true time at the end" in lines[3]


@pytest.mark.usefixtures("two")
def test_json_has_every_figure():
    result = invoke("calm", "--json")
    assert result.exit_code == 0
    (row,) = json.loads(result.stdout)["scenarios"]
    assert row["passed"]
    assert row["statuses"] == ["warming-up", "synchronised"]
    assert row["outside"] == row["backwards"] == 0
    assert 0 < row["error_s"] < row["bound_s"]


@pytest.mark.parametrize("name", ["nts", "calm"])
def test_without_the_package_for_nts_nothing_begins_that_needs_it(
    name: str, monkeypatch: pytest.MonkeyPatch, two: dict[str, Scenario]
):
    two["nts"] = replace(CALM, name="nts", servers=("nts://192.0.2.1",))
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    result = invoke("calm", name)
    assert result.exit_code == (name == "nts")
    needed = "chronotick: this needs more packages. Run: pip install 'chronotick[nts]'\n"
    assert result.stderr == (needed if name == "nts" else "")
    assert ("calm" in result.stdout) == (name == "calm")


@pytest.mark.usefixtures("two")
def test_the_table_of_the_documentation_says_what_does_not_hold():
    rows = invoke("--markdown").stdout.splitlines()[2:]
    assert rows[0].startswith(f"| `calm` | {CALM.happens} | {CALM.asserts} | ")
    assert "(**does not hold**)" in rows[1]
    assert invoke("--markdown", "--json").exit_code == 2
