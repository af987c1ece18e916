from __future__ import annotations

import pytest

from chronotick.plugin.training.settings import Training, section


def training(**keys: object) -> Training:
    return section(Training, {"training": {"steps": 100, **keys}}, "training")


def test_numbers_may_be_written_either_way():
    found = training(learning_rate=1, warm_up_steps=10.0, stored="float32")
    assert (found.learning_rate, found.warm_up_steps, found.stored) == (1.0, 10, "float32")
    assert isinstance(found.learning_rate, float)
    assert isinstance(found.warm_up_steps, int)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"step": 5}, "section training of the recipe has no step: it knows steps, learning_rate"),
        ({"steps": 0}, "training.steps must be above 0"),
        ({"steps": 1.5}, "training.steps of the recipe must be of type int, not 1.5"),
        ({"steps": True}, "must be of type int, not True"),
        ({"steps": "5"}, "must be of type int, not '5'"),
        ({"learning_rate": float("nan")}, "must be of type float, not nan"),
        ({"learning_rate": -1.0}, "training.learning_rate must be above 0"),
        ({"weight_decay": -1.0}, "training.weight_decay must not be negative"),
        ({"average": 1.0}, r"training.average lies in \[0, 1\)"),
        ({"precision": "float8"}, "precision is one of auto, float32, bfloat16, not 'float8'"),
        ({"stored": 16}, "training.stored of the recipe must be of type str"),
    ],
)
def test_what_cannot_be_is_refused_by_name(keys: dict[str, object], words: str):
    with pytest.raises(ValueError, match=words):
        training(**keys)


def test_what_is_missing_or_no_section_is_refused():
    with pytest.raises(ValueError, match=r"section training of the recipe: .*'steps'"):
        section(Training, {}, "training")
    with pytest.raises(ValueError, match="must hold keys and values"):
        section(Training, {"training": [1]}, "training")


def test_the_rate_rises_then_falls_to_its_share():
    found = training(learning_rate=1.0, warm_up_steps=10, final_rate=0.1)
    rates = [found.rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.55)
    assert rates[100] == pytest.approx(0.1)
    assert sorted(rates[10:], reverse=True) == rates[10:]
