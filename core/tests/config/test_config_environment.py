"""Environment variables as a layer."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.config import Config, ConfigError, load
from chronotick.config.environment import OTHERS, SHORT
from chronotick.config.keys import Key, keys


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Config]:
    empty = tmp_path / "empty.yaml"
    empty.touch()
    return lambda **environ: load(empty, environ, {}).config


def test_short_names_set_what_was_promised(config: Callable[..., Config], tmp_path: Path):
    loaded = config(
        CHRONOTICK_MODEL="kalman, chronos",
        CHRONOTICK_DEVICE="cuda:1",
        CHRONOTICK_NTP_SERVERS="pool.ntp.org,[::1]:11123,",
        CHRONOTICK_WARMUP="180",
        CHRONOTICK_LOG_LEVEL="warning",
        CHRONOTICK_SHM=str(tmp_path / "record"),
        CHRONOTICK_CONTROL=str(tmp_path / "socket"),
    )
    assert loaded.short_term.models == loaded.long_term.models == ["kalman", "chronos"]
    assert loaded.short_term.device == loaded.long_term.device == "cuda:1"
    assert loaded.clock_measurement.ntp.servers == ["pool.ntp.org", "[::1]:11123"]
    assert loaded.clock_measurement.timing.warm_up.duration_seconds == 180
    assert loaded.logging.level == "WARNING"
    assert loaded.shm.path == tmp_path / "record"
    assert loaded.control.socket == tmp_path / "socket"


def test_every_short_name_sets_keys_that_exist():
    known = {key.dotted for key in keys()}
    assert {dotted for short in SHORT.values() for dotted in short.keys} <= known


@pytest.mark.parametrize("key", keys(), ids=lambda key: key.dotted)
def test_every_key_has_a_variable(key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The variable named in the documents reaches its key: a wrong value is complained about."""
    (tmp_path / "c.yaml").touch()
    monkeypatch.delenv("UNSET", raising=False)
    wrong = "$UNSET/x" if key.accepted == "path" else "{a: {b: c}}"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "c.yaml", {key.variable: wrong}, {})
    for problem in caught.value.problems:  # a mapping of sections may lack a key besides
        assert problem.path.startswith(key.dotted)
        assert str(problem.origin) == key.variable


def test_values_are_yaml(config: Callable[..., Config]):
    loaded = config(
        CHRONOTICK_SHORT_TERM__MODELS="[kalman, ttm]",
        CHRONOTICK_CLOCK__MAX_DRIFT_PPM="1e-1",
        CHRONOTICK_WORKERS__CHECKPOINTS="{time-moe: /weights}",
        CHRONOTICK_WORKERS__CHECKPOINTS__CHRONOS="amazon/chronos-bolt-tiny",
        CHRONOTICK_WORKERS__MEMORY_LIMIT_MB="null",
    )
    assert loaded.short_term.models == ["kalman", "ttm"]
    assert loaded.clock.max_drift_ppm == 0.1
    assert loaded.workers.checkpoints == {
        "time-moe": "/weights",
        "chronos": "amazon/chronos-bolt-tiny",
    }


def test_the_long_name_wins_over_the_short_one(config: Callable[..., Config]):
    loaded = config(CHRONOTICK_DEVICE="cpu", CHRONOTICK_LONG_TERM__DEVICE="cuda")
    assert (loaded.short_term.device, loaded.long_term.device) == ("cpu", "cuda")


def test_empty_variables_count_as_not_set(config: Callable[..., Config]):
    loaded = config(CHRONOTICK_MODEL="", CHRONOTICK_SHM="", CHRONOTICK_FUSION__METHOD="")
    assert loaded.short_term.models == ["kalman"]
    assert loaded.fusion.method == "inverse_variance"


def test_unknown_nested_names_are_errors_with_a_suggestion(config: Callable[..., Config]):
    with pytest.raises(ConfigError, match=r"Did you mean short_term\.models\?") as caught:
        config(CHRONOTICK_SHORT_TERM__MODELZ="x")
    assert "(CHRONOTICK_SHORT_TERM__MODELZ)" in str(caught.value)


def test_values_that_are_not_yaml_name_their_variable(config: Callable[..., Config]):
    with pytest.raises(ConfigError, match=r"\(CHRONOTICK_WORKERS__THREADS\): got '\[1', which is"):
        config(CHRONOTICK_WORKERS__THREADS="[1")


def test_other_variables_are_left_alone(tmp_path: Path):
    (tmp_path / "c.yaml").touch()
    environ = dict.fromkeys((*OTHERS, "CHRONOTICK_SOMETHING", "PATH", "X__Y"), "x")
    loaded = load(tmp_path / "c.yaml", environ, {})
    assert loaded.remarks == ()


def test_a_variable_that_looks_misspelt_is_remarked_on(tmp_path: Path):
    (tmp_path / "c.yaml").touch()
    loaded = load(tmp_path / "c.yaml", {"CHRONOTICK_NTP_SERVER": "x"}, {})
    (remark,) = loaded.remarks
    assert remark.startswith("CHRONOTICK_NTP_SERVER has no effect")
    assert remark.endswith("Meant: CHRONOTICK_NTP_SERVERS?")
