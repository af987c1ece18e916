"""What is said to somebody whose model cannot keep up: with numbers that were measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chronotick.config.schema import Predictor, Workers
from chronotick.daemon.advice import Case, advice, round_up, smaller_checkpoint
from chronotick.daemon.ledger import Page
from chronotick.plugin import Checkpoint, ModelInfo, ModelSpec


def weights(name: str, size_mb: float | None) -> Checkpoint:
    return Checkpoint(repository=f"lab/{name}", licence="MIT", revision="r1", size_mb=size_mb)


TINY, SMALL, BASE = weights("tiny", 10), weights("small", 100), weights("base", 400)
SPEC = ModelSpec(
    name="toto",
    title="T",
    worker="m:C",
    licence="MIT",
    output="point",
    checkpoint=BASE,
    alternatives=(TINY, SMALL),
)
INFO = ModelInfo(checkpoint="lab/base@r1", device="cpu", max_context=512, max_horizon=64)


def case(*latencies_s: float, misses: int = 0, **terms: object) -> Case:
    page = Page(misses=misses)
    page.latencies_s.extend(latencies_s)
    return Case(
        spec=SPEC,
        info=INFO,
        loop="short_term",
        terms=Predictor.model_validate(terms),
        workers=Workers(),
        page=page,
    )


def test_nothing_is_said_of_a_model_that_keeps_up():
    assert advice(case(*[0.01] * 20)) == ""
    assert advice(case()) == ""


def test_one_miss_long_ago_is_no_reason():
    assert advice(case(*[0.01] * 20, misses=1)) == ""


def test_missed_deadlines_get_a_deadline_that_would_do():
    told = advice(case(*[6.0] * 10, misses=10))
    assert "too slow for its deadline of 4 s: one answer in ten takes 6 s" in told
    assert "10 deadline(s) missed" in told
    assert "short_term.overrides.toto.timeout_seconds: 9" in told
    assert "workers.checkpoints.toto: lab/small@r1" in told
    assert "short_term.overrides.toto.context_length: 256" in told
    assert "workers.overrides.toto.device: cuda" in told


def test_a_model_that_never_answered_is_told_without_a_number_nobody_measured():
    told = advice(case(misses=2))
    assert "never answered within 4 s" in told
    assert "timeout_seconds" not in told


def test_an_interval_that_cannot_be_kept_gets_one_that_can():
    told = advice(case(*[2.0] * 5, inference_interval=5.0))
    assert "too slow for its interval of 5 s: an answer takes 2 s" in told
    assert "asked every 10 s" in told
    assert "short_term.overrides.toto.inference_interval: 10" in told
    assert "workers.overrides.toto.max_duty: 0.4" in told


def test_what_is_advised_is_enough():
    """With the interval that was named, nothing is said any more."""
    assert advice(case(*[2.0] * 5, inference_interval=10.0)) == ""
    more_duty = replace(
        case(*[2.0] * 5, inference_interval=5.0), workers=Workers.model_validate({"max_duty": 0.4})
    )
    assert advice(more_duty) == ""
    assert advice(case(*[6.0] * 10, misses=10, timeout_seconds=9, inference_interval=30)) == ""


def test_duty_is_not_advised_where_even_a_whole_core_is_too_little():
    assert "max_duty:" not in advice(case(*[20.0] * 5)).partition("Try")[2]


def test_a_loop_without_intervals_has_none_to_miss():
    assert advice(case(*[2.0] * 5, trigger="measurement")) == ""


def test_on_a_gpu_no_gpu_is_advised():
    told = advice(replace(case(*[2.0] * 5), info=replace(INFO, device="cuda:0")))
    assert "GPU" not in told


def test_of_another_machine_only_what_is_set_here_is_advised():
    """It needs no rest, and its weights and its device are the server's affair."""
    keeps_up = replace(case(*[2.0] * 5, inference_interval=5.0), elsewhere=True)
    assert advice(keeps_up) == ""
    told = advice(replace(case(*[6.0] * 10, misses=10), elsewhere=True))
    assert "short_term.overrides.toto.timeout_seconds: 9" in told
    assert "short_term.overrides.toto.context_length: 256" in told
    assert "on the server" in told
    assert "workers." not in told
    told = advice(replace(case(*[9.0] * 5, inference_interval=5.0), elsewhere=True))
    assert "so it is asked every 9 s. Try: short_term.overrides.toto.inference_interval: 9" in told
    assert "workers." not in told


def test_a_short_context_is_not_shortened():
    assert "context_length" not in advice(case(*[2.0] * 5, context_length=128))


@pytest.mark.parametrize(
    ("loaded", "smaller"),
    [
        ("lab/base@r1", "lab/small@r1"),
        ("lab/small@other", "lab/tiny@r1"),
        ("lab/tiny@r1", ""),
        ("lab/base-large@r1", ""),
        ("/srv/weights/base", ""),
    ],
)
def test_the_next_smaller_weights_are_named(loaded: str, smaller: str):
    assert smaller_checkpoint(SPEC, replace(INFO, checkpoint=loaded)) == smaller


def test_weights_of_unknown_size_are_not_compared():
    spec = replace(SPEC, alternatives=(weights("unknown", None),))
    assert smaller_checkpoint(spec, INFO) == ""
    assert smaller_checkpoint(spec, None) == ""


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(9.0, 9.0), (10.0, 10.0), (10.1, 11.0), (123.4, 130.0), (0.0401, 0.041), (0.0, 0.0)],
)
def test_numbers_are_rounded_up_to_two_digits(value: float, rounded: float):
    assert round_up(value) == rounded
