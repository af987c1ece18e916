from __future__ import annotations

from dataclasses import replace

from chronotick.plugin.training.card import Record, card, command_of
from chronotick.plugin.training.frames import Header

NUMBERS = {"examples": 1200, "mae_ratio": [0.8, 0.75, 0.86], "rms_ratio": [0.9, 0.8, 1.0]}
RECORD = Record(
    model="m",
    title="A model for clocks",
    command="chronotick lab train m --config clocks --out here",
    recipe={"training": {"steps": 10}},
    seed=1,
    parameters=1_234_567,
    context=512,
    reach=64,
    steps=5000,
    best_step=4000,
    examples=1_280_000,
    finished="all steps done",
    device="2 CPU threads (x86_64)",
    precision="float32",
    stored="float16",
    seconds=600.0,
    versions={"torch": "2.13.0"},
    validation={"loss": 0.1234, "metrics": {"ratio": [0.8, 0.7, 0.9], "by_kind": {}}},
)


def with_numbers(**more: object) -> Record:
    by_kind = {"cycle": {"16": {**NUMBERS, **more}}}
    metrics = {"ratio": [0.8, 0.7, 0.9], "by_kind": by_kind}
    return replace(RECORD, validation={"loss": 0.1234, "metrics": metrics})


def test_it_says_what_how_good_how_again_and_under_which_licence():
    text = card(with_numbers(coverage_95=[0.95, 0.94, 0.96]), {"Data": "Worlds.", "More": "Text."})
    assert text.startswith("---\nlicense: apache-2.0\n")
    for words in (
        "# A model for clocks",
        "1,234,567 weights, stored as float16",
        "```\nchronotick lab train m --config clocks --out here\n```",
        "## Data\n\nWorlds.",
        "## More\n\nText.",
        '"steps": 10',
        "geometric mean over kinds and steps: 0.800 (0.700 to 0.900)",
        "| cycle | 16 | 1,200 | 0.800 (0.750 to 0.860) | 0.900 (0.800 to 1.000) | 0.950 (0.940 to",
        "## Limits",
        "Apache-2.0: code, recipe and weights.",
    ):
        assert words in text
    assert "not finished" not in text


def test_points_have_no_column_of_coverage():
    assert "covered" not in card(with_numbers(), {})


def test_an_unfinished_training_says_so_and_one_without_validation_too():
    text = card(replace(RECORD, finished="", validation={}), {})
    assert "**The training was not finished when this was written.**" in text
    assert "There was none." in text


def test_without_a_command_it_is_the_usual_one():
    header = Header(model="m", recipe={}, out="/some where/out")
    assert command_of(header) == "chronotick lab train m --out out"
    assert command_of(replace(header, command="other")) == "other"
