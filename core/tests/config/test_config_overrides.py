"""What holds for single models takes the place of what holds for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.config import ConfigError, Loaded, load, show

TEXT = """
short_term:
  inference_interval: 5
  overrides:
    toto: {inference_interval: 60, timeout_seconds: 20}
workers:
  threads: 1
  overrides:
    toto: {threads: 2, cpu_affinity: [1], device: cpu}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "c.yaml"
    made.write_text(TEXT)
    return made


def loaded(path: Path, **environ: str) -> Loaded:
    return load(path, environ, {})


def test_a_models_terms_are_the_loops_but_for_its_overrides(path: Path):
    loop = loaded(path).config.short_term
    toto, other = loop.for_model("toto"), loop.for_model("other")
    assert (toto.inference_interval, toto.timeout_seconds) == (60, 20)
    assert (other.inference_interval, other.timeout_seconds) == (5, 4)
    assert toto.context_length == loop.context_length
    assert other == loop


def test_a_workers_terms_are_the_sections_but_for_its_overrides(path: Path):
    workers = loaded(path).config.workers
    assert (workers.for_model("toto").threads, workers.for_model("toto").cpu_affinity) == (2, [1])
    assert (workers.for_model("other").threads, workers.for_model("other").cpu_affinity) == (1, [])
    assert workers.for_model("toto").niceness == workers.niceness == 10


def test_a_later_layer_replaces_what_is_set_for_a_model(path: Path):
    config = loaded(path, CHRONOTICK_SHORT_TERM__OVERRIDES__TOTO="{timeout_seconds: 9}").config
    toto = config.short_term.for_model("toto")
    assert (toto.inference_interval, toto.timeout_seconds) == (5, 9)
    assert config.workers.for_model("toto").threads == 2


def test_what_is_shown_can_be_loaded_again(path: Path, tmp_path: Path):
    first = loaded(path)
    again = tmp_path / "again.yaml"
    again.write_text(show(first))
    assert "toto: {inference_interval: 60.0, timeout_seconds: 20.0}" in again.read_text()
    assert loaded(again).config == first.config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("short_term: {overrides: {toto: {interval: 1}}}", "short_term.overrides.toto.interval"),
        ("short_term: {overrides: {toto: {context_length: 1}}}", "context_length"),
        ("short_term: {overrides: {toto: 5}}", "short_term.overrides.toto"),
        ("short_term: {overrides: [toto]}", "short_term.overrides"),
        ("short_term: {trigger: never}", "accepted: both, interval, measurement"),
        ("workers: {overrides: {toto: {device: gpu}}}", "workers.overrides.toto.device"),
        ("workers: {overrides: {toto: {threads: true}}}", "true/false does not belong here"),
        ("workers: {niceness: -5}", "accepted: whole number from 0 to 19"),
        ("workers: {max_duty: 0}", "workers.max_duty"),
        (
            "workers: {overrides: {ttm: {memory_limit_mb: 10}}}",
            "got 10; accepted: whole number at least 64 (MiB) or null",
        ),
        (
            "workers: {overrides: {ttm: {cpu_affinity: [0, a]}}}",
            "workers.overrides.ttm.cpu_affinity[1]",
        ),
        ("workers: {overrides: {ttm: 5}}", "got 5; accepted: a section with: device, threads"),
        (
            "workers: {overrides: {ttm: {thread: 2}}}",
            "unknown key. Did you mean workers.overrides.ttm.threads?",
        ),
        (
            "long_term: {overrides: {ttm: {inference_intervall: 2}}}",
            "unknown key. Did you mean long_term.overrides.ttm.inference_interval?",
        ),
        (
            "workers: {remote: {ttm: {adress: 'tcp://host:7411'}}}",
            "unknown key. Did you mean workers.remote.ttm.address?",
        ),
        ("workers: {remote: {ttm: }}", "workers.remote.ttm.address"),
        ("workers: {remote: {ttm: {address: 5}}}", "got 5; accepted: tcp://HOST:PORT"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(path: Path, text: str, words: str):
    path.write_text(text + "\n")
    with pytest.raises(ConfigError) as caught:
        loaded(path)
    assert words in str(caught.value)
    assert f"({path}:1)" in str(caught.value)


def test_a_mistake_in_a_models_terms_stands_at_its_own_line(path: Path):
    path.write_text("workers:\n  overrides:\n    ttm:\n      threads: 1\n      niceness: 99\n")
    with pytest.raises(ConfigError) as caught:
        loaded(path)
    assert str(caught.value).endswith(
        f"({path}:5): got 99; accepted: whole number from 0 to 19 or null"
    )


def test_a_ready_made_configuration_is_found_by_its_name_in_the_variable_too():
    found = load(None, {"CHRONOTICK_CONFIG": "cpu_only_ttm"}, {}).path
    assert found is not None
    assert found.name == "cpu_only_ttm.yaml"
