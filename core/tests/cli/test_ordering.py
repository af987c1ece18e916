"""`chronotick lab order`: what it prints, writes and refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import chronotick.lab.ordering
from chronotick.cli.ordering import order as command
from chronotick.cli.ordering_report import _brief, _percent
from chronotick.lab.ordering import simulated_nodes
from chronotick.lab.ordering.writing import FILES

PAGE = Path(__file__).parents[3] / "docs" / "ordering.md"
TRACES = Path(os.environ.get("CHRONOTICK_TRACES", Path(__file__).parents[4] / "shared" / "traces"))
GNSS = sorted((TRACES / "real").glob("scion_exp7_as*.csv.gz"))
QUICK = ("--events", 200, "--waits", 50, "--warm-up", "5min", "--bootstrap", 50)
SHORT = ("--duration", "15min")


@pytest.fixture(autouse=True)
def _no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def order(*arguments: object) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False)


def quick(*arguments: object) -> Result:
    return order(*arguments, *QUICK)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    place = tmp_path_factory.mktemp("nodes")
    made = simulated_nodes(3, place, duration_s=900)
    return [place / each.name for each in made]


def test_a_study_is_printed(nodes):
    done = quick(*nodes)
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    assert "3 nodes (3 pairs), 200 pairs of events 1 us to 100 ms apart" in done.stdout
    assert "wifi-load-2" in done.stdout
    for method in ("raw", "last", "line", "kalman", "zoo"):
        assert f"\n{method} " in done.stdout
    words = " ".join(done.stdout.split())
    assert "the order is known of" in words
    assert "of events 1 ms to 3.2 ms apart, the order is unknown of" in words.lower()
    # Too short for residuals: that is said once, not in rows of 100 % and "never".
    unknown = words.partition("not shown any further, of ")[2].partition(". ")[0]
    assert "last (0.95, 0.99, 0.999)" in words
    assert "last" in unknown
    table = done.stdout.partition("Unknown by true separation")[2].partition("\n\n")[0]
    assert "\nlast    bound" in table
    assert "\nlast    0.95" not in table
    assert "never" not in done.stdout
    assert "note: last: 100.0% of the stamps have no interval of level 0.95, 0.99, 0.999" in words
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_json_holds_what_is_printed(nodes):
    done = quick(*nodes, "--methods", "last,kalman", "--json", "--confidence", "0.5,0.9")
    told = json.loads(done.stdout)
    assert [each["level"] for each in told["intervals"]] == ["0.5", "0.9", "bound"] * 2
    kalman = told["intervals"][-1]
    assert kalman["method"] == "kalman"
    assert kalman["false_orders"] == 0
    assert 0.0 < kalman["definite"]["value"] < 1.0


def test_the_same_seed_gives_the_same_study_and_another_one_does_not(nodes):
    options = ("--methods", "raw,kalman", "--json")
    one, same, other = (
        quick(*nodes[:2], *options, "--seed", seed).stdout for seed in ("3", "3", "4")
    )
    assert one == same
    assert json.loads(one)["points"] != json.loads(other)["points"]


def test_simulated_nodes_are_kept_and_can_be_ordered_again(tmp_path):
    out = tmp_path / "out"
    options = ("--methods", "line", "--json", "--seed", 4)
    made = quick("--simulate", 2, "--worlds", "dc-calm,wan-hvac", *SHORT, *options, "--out", out)
    assert made.exit_code == 0, made.output
    kept = sorted((out / "nodes").iterdir())
    assert [each.name for each in kept] == ["dc-calm-4", "wan-hvac-5"]
    again = json.loads(quick(*kept, *options).stdout)
    first = json.loads(made.stdout)
    assert again["points"] == first["points"]
    assert again["intervals"] == first["intervals"]
    assert {each.name for each in out.iterdir()} == {*FILES, "nodes"}


def test_results_are_not_replaced_unasked(nodes, tmp_path):
    options = ("--methods", "raw", "--out", tmp_path)
    assert quick(*nodes, *options).exit_code == 0
    refused = quick(*nodes, *options)
    assert refused.exit_code == 1
    assert "already holds ordering.json" in refused.stderr
    assert quick(*nodes, *options, "--force").exit_code == 0


def test_recorded_clocks_are_measured_over_networks(tmp_path):
    for number in (1, 2):
        rows = [f"{n},{number * 1e-4 + n * 1e-8:.9f}" for n in range(900)]
        (tmp_path / f"as{number}.csv").write_text("\n".join(["t_s,offset_s", *rows, ""]))
    paths = [tmp_path / f"as{number}.csv" for number in (1, 2)]
    done = quick(*paths, "--over", "dc,wifi", "--methods", "last", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [each["name"] for each in told["nodes"]] == ["as1-dc", "as2-wifi"]
    assert told["settings"]["least_s"] == 4e-6
    assert told["separations_s"][0] == pytest.approx(4e-6)
    assert "one pair of nodes: no bootstrap intervals" in told["notes"]


@pytest.mark.skipif(len(GNSS) < 2, reason="no GNSS traces (CHRONOTICK_TRACES)")
def test_the_hard_bounds_of_gnss_clocks_are_never_wrong():
    done = order(*GNSS[1:3], "--over", "dc", "--methods", "last", "--events", 2000, "--json")
    bound = json.loads(done.stdout)["intervals"][-1]
    assert bound["level"] == "bound"
    assert bound["missed"]["value"] == 0.0
    assert bound["false_orders"] == 0
    assert bound["definite"]["value"] > 0.05


# Bad input


def failure(*arguments: object, code: int = 1) -> str:
    done = quick(*arguments)
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    return " ".join(done.stderr.split())


def test_a_single_node_is_too_few(nodes):
    assert "1 node: an order needs events on two nodes" in failure(nodes[0])


def test_no_node_at_all_is_too_few():
    assert "0 nodes: an order needs events on two nodes. Name more, or --simulate" in failure()


def test_the_same_node_twice_is_refused(nodes):
    assert "dc-calm-0 is the name of two nodes" in failure(nodes[0], nodes[0])


def test_a_node_without_truth_is_told(nodes, tmp_path):
    alone = tmp_path / "alone.csv.gz"
    alone.write_bytes((nodes[0] / "measurements.csv.gz").read_bytes())
    assert "alone.csv.gz has no truth (truth.csv.gz) beside it" in failure(alone, nodes[1])


def test_a_warm_up_longer_than_a_node_is_told(nodes):
    told = order(*nodes, "--methods", "raw")
    assert told.exit_code == 1
    assert "no longer than the warm-up of 3600 s. Shorten that: --warm-up" in told.stderr


def test_measurements_that_cannot_be_read_are_told(nodes, tmp_path):
    assert "cannot be read: No such file" in failure(
        nodes[0], f"{tmp_path / 'none.csv'}={nodes[1] / 'truth.csv.gz'}"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--methods", "raw,ntpd"), "ntpd is none of raw, last, line, kalman, zoo."),
        (("--methods", ","), "nothing is none of raw"),
        (("--confidence", "high"), "'high' is no list of numbers"),
        (("--confidence", "1.5"), "give some between 0 and 1"),
        (("--worlds", "dc-calm"), "--worlds and --duration are for nodes that --simulate makes"),
        (("--over", "dc"), "--over measures NODEs anew. Name some."),
        (("--simulate", "2", "--worlds", "moon-calm"), "'moon' is not one of dc"),
        (("--simulate", "2", "--duration", "1s"), "there would be no truth"),
        (("--truth-error", "1"), "the longest above the shortest"),
    ],
)
def test_options_that_make_no_study_are_refused(arguments, words):
    assert words in failure(*arguments, code=2)


def test_an_unknown_network_is_refused(tmp_path):
    clock = tmp_path / "clock.csv"
    clock.write_text("t_s,offset_s\n" + "".join(f"{n},0.001\n" for n in range(500)))
    assert "'wlan' is not one of dc" in failure(clock, clock, "--over", "wlan", code=2)


def test_an_unknown_model_is_a_bad_configuration(nodes):
    told = failure(*nodes, "--methods", "zoo", "--models", "kalmann", code=2)
    assert "kalmann" in told


def test_a_place_that_cannot_be_written_is_told_before_anything_is_computed(nodes, tmp_path):
    (tmp_path / "file").write_text("")
    assert "--out: " in failure(*nodes, "--out", tmp_path / "file" / "out")


@pytest.mark.parametrize(
    ("value_s", "text"),
    [(1e-6, "1us"), (3.1623e-6, "3.2us"), (1e-3, "1ms"), (0.00316, "3.2ms"), (0.0316, "32ms")],
)
def test_limits_of_bins_are_short(value_s: float, text: str):
    assert _brief(value_s) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.0"),
        (1.0, "100.0"),
        (0.1234, "12.3"),
        (0.00123, "0.12"),
        (1e-5, "0.001"),
        (0.00996, "1.0"),
    ],
)
def test_small_shares_keep_two_digits(share: float, text: str):
    assert _percent(share) == text


def test_every_option_file_and_name_is_on_the_page():
    page = PAGE.read_text()
    for name in chronotick.lab.ordering.__all__:
        assert f"`{name}" in page, name
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            for option in parameter.opts:
                assert f"`{option}" in page, option
    for name in FILES:
        assert f"`{name}`" in page, name
