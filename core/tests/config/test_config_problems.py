"""Everything wrong with a configuration, at once, with its place and what to do."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.config import ConfigError, load
from chronotick.config.keys import outline
from chronotick.config.retired import RETIRED
from chronotick.config.schema import Ntp

LOGGING = "level, format, rate_limit, debug_trace, debug_trace_max_mb"


@pytest.fixture
def problems(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Load a text and return its problems by dotted path, without the folder in their texts."""

    def _problems(
        text: str,
        environ: Mapping[str, str] | None = None,
        overrides: Mapping[str, object] | None = None,
    ) -> dict[str, str]:
        path = tmp_path / "c.yaml"
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            load(path, environ or {}, overrides or {})
        return {p.path: str(p).replace(f"{tmp_path}/", "") for p in caught.value.problems}

    return _problems


def test_all_problems_of_all_layers_are_told_at_once(problems: Callable[..., dict[str, str]]):
    found = problems(
        "clock:\n  max_drift_ppm: fast\nshm:\n  frequency: 5000\n",
        {"CHRONOTICK_WORKERS__THREADS": "0"},
        {"fusion.method": "magic"},
    )
    assert found == {
        "clock.max_drift_ppm": "clock.max_drift_ppm (c.yaml:2): got 'fast';"
        " accepted: number above 0, at most 1000 (ppm)",
        "shm.frequency": "shm.frequency (c.yaml:4): got 5000; accepted: number from 1 to 1000 (Hz)",
        "workers.threads": "workers.threads (CHRONOTICK_WORKERS__THREADS): got 0;"
        " accepted: whole number from 1 to 64",
        "fusion.method": "fusion.method (command line): got 'magic';"
        " accepted: inverse_variance, inverse_variance_weighting, expert, best, none",
    }


def test_the_error_lists_one_problem_per_line(tmp_path: Path):
    path = tmp_path / "c.yaml"
    path.write_text("a: 1\nb: 2\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {}, {})
    first, *rest = str(caught.value).splitlines()
    assert first == "configuration: 2 problems"
    assert [line.split()[0] for line in rest] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "path", "advice"),
    [
        ("shm:\n  freqency: 5\n", "shm.freqency", "Did you mean shm.frequency?"),
        ("clok: {}\n", "clok", "Did you mean clock?"),
        (
            "clock_measurement:\n  max_delay: 1\n",
            "clock_measurement.max_delay",
            "Did you mean clock_measurement.ntp.max_delay?",
        ),
        ("warm_up: {}\n", "warm_up", "Did you mean clock_measurement.timing.warm_up?"),
        ("logging:\n  zzz: 1\n", "logging.zzz", f"Keys here: {LOGGING}"),
    ],
)
def test_a_misspelt_or_misplaced_key_is_answered_with_the_right_one(
    problems: Callable[..., dict[str, str]], text: str, path: str, advice: str
):
    found = problems(text)
    assert list(found) == [path]
    assert "unknown key" in found[path]
    assert found[path].endswith(advice)


def test_a_wrong_list_item_is_shown_with_its_own_line(problems: Callable[..., dict[str, str]]):
    found = problems('clock_measurement:\n  ntp:\n    servers:\n    - ok\n    - "a b"\n')
    assert found["clock_measurement.ntp.servers[1]"].startswith(
        "clock_measurement.ntp.servers[1] (c.yaml:5): got 'a b'"
    )


def test_the_origin_of_a_replaced_list_is_not_that_of_the_lower_layer(
    problems: Callable[..., dict[str, str]],
):
    text = "clock_measurement: {ntp: {servers: [a, b]}}"
    found = problems(text, {}, {"clock_measurement.ntp.servers": ["a", ""]})
    assert "(command line)" in found["clock_measurement.ntp.servers[1]"]


@pytest.mark.parametrize("value", ["5", "[a]", "text"])
def test_a_value_in_place_of_a_section_is_told_which_keys_belong_there(
    problems: Callable[..., dict[str, str]], value: str
):
    found = problems(f"logging: {value}\n")
    assert found["logging"].endswith(f"accepted: a section with: {LOGGING}")


def test_true_is_not_taken_for_the_number_one(problems: Callable[..., dict[str, str]]):
    found = problems("clock_measurement: {ntp: {timeout_seconds: true, pool_size: yes}}\n")
    assert "got true: true/false does not belong here" in found["clock_measurement.ntp.pool_size"]
    assert len(found) == 2


@pytest.mark.parametrize("value", [".inf", ".nan", "-1", "0", "", "null", "[1]"])
def test_only_a_positive_finite_number_is_a_duration(
    problems: Callable[..., dict[str, str]], value: str
):
    assert list(problems(f"history: {{retention_days: {value}}}")) == ["history.retention_days"]


def test_rules_over_several_keys_stand_at_their_section(problems: Callable[..., dict[str, str]]):
    found = problems(
        "clock_measurement:\n  timing:\n    normal_operation: {measurement_interval: 3600}\n"
        "short_term:\n  models: [a]\n  model_name: b\n"
    )
    assert found == {
        "clock_measurement.timing.normal_operation": "clock_measurement.timing.normal_operation"
        " (c.yaml:3): max_interval (1024 s) must not be below measurement_interval (3600 s)",
        "short_term": "short_term (c.yaml:4): give either models or model_name, not both",
    }


@pytest.mark.parametrize(
    ("ntp", "told"),
    [
        (
            "min_stratum: 5, max_stratum: 3",
            "min_stratum (5) must not be above max_stratum (3): no server could be used",
        ),
        (
            "authentication: require",
            (
                "authentication: require believes only nts:// and key:// servers, and none of "
                "servers is one. Add one, or set it to prefer"
            ),
        ),
    ],
)
def test_what_no_server_could_meet_is_refused_with_the_names_of_the_settings(
    problems: Callable[..., dict[str, str]], ntp: str, told: str
):
    found = problems(f"clock_measurement:\n  ntp: {{{ntp}}}\n")
    assert found == {"clock_measurement.ntp": f"clock_measurement.ntp (c.yaml:2): {told}"}


@pytest.mark.parametrize("server", ["nts://a.example", "key://1@a.example"])
def test_one_server_that_authenticates_is_enough_where_that_is_required(server: str):
    Ntp(servers=["b.example", server], authentication="require")
    Ntp(min_stratum=3, max_stratum=3)


def test_a_path_with_an_unset_variable_names_it(
    problems: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("NOWHERE", raising=False)
    assert "NOWHERE, which is not set" in problems("shm: {path: $NOWHERE/x}")["shm.path"]
    assert "the path is empty" in problems("shm: {path: ''}")["shm.path"]


def test_a_path_with_a_nul_is_a_problem_not_a_traceback(problems: Callable[..., dict[str, str]]):
    key = "clock_measurement.ntp.key_file"
    found = problems('clock_measurement: {ntp: {key_file: "/a\\0b"}}')
    assert "the path has a NUL in it" in found[key]


def test_duplicate_keys_are_errors_with_both_lines(problems: Callable[..., dict[str, str]]):
    found = problems("shm:\n  frequency: 5\nlogging: {}\nshm:\n  frequency: 6\n")
    assert found == {"shm": "shm (c.yaml:4): given twice, first in line 1. Remove one of them"}


def test_very_long_values_are_cut(problems: Callable[..., dict[str, str]]):
    assert len(problems(f"logging: {{level: {'x' * 10_000}}}")["logging.level"]) < 200


@pytest.mark.parametrize("dotted", RETIRED)
def test_each_retired_key_says_what_to_do(problems: Callable[..., dict[str, str]], dotted: str):
    text = "".join(f"{'  ' * depth}{name}:\n" for depth, name in enumerate(dotted.split(".")))
    message = problems(text.rstrip() + " 1\n")[dotted]
    assert "no longer used" in message
    assert message.endswith(RETIRED[dotted])


def test_the_advice_on_covariates_says_what_happens():
    """It said that none were collected, long after `daemon/surroundings.py` did."""
    advice = {key: RETIRED[key] for key in RETIRED if "covariates" in key}
    assert len(advice) == 3
    assert all("read by themselves" in text for text in advice.values())


@pytest.mark.parametrize("dotted", RETIRED)
def test_no_retired_key_is_in_the_schema(dotted: str):
    section = outline()
    *above, last = dotted.split(".")
    for name in above:
        section = section.children[name]
    assert last not in section.children


class TestUnusableFiles:
    def test_yaml_errors_have_line_and_column(self, problems: Callable[..., dict[str, str]]):
        assert problems("shm:\n  frequency: [1\nlogging: {}\n")[""].startswith(
            "c.yaml:3: not valid YAML: while parsing a flow sequence"
        )
        assert problems("shm:\n\tfrequency: 1\n")[""].endswith("indent with spaces) (column 1)")

    def test_missing(self, tmp_path: Path):
        with pytest.raises(ConfigError, match=r"does not exist. Write one: chronotick config init"):
            load(tmp_path / "none.yaml", {}, {})

    def test_a_misspelt_name_of_a_ready_made_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ConfigError) as caught:
            load(Path("cpu_only_tm"), {}, {})
        assert str(caught.value).startswith(
            "configuration: cpu_only_tm: there is no file and no ready-made configuration of that "
            "name. Did you mean cpu_only_ttm? Ready-made: cpu_only_chronos, cpu_only_ttm, "
        )
        with pytest.raises(ConfigError, match=r"of that name\. Ready-made: cpu"):
            load(None, {"CHRONOTICK_CONFIG": "zzzzzz"}, {})

    def test_a_directory(self, tmp_path: Path):
        with pytest.raises(ConfigError, match="is a directory, not a file"):
            load(tmp_path, {}, {})

    def test_below_a_file(self, tmp_path: Path):
        (tmp_path / "file").touch()
        with pytest.raises(ConfigError, match="cannot be read: Not a directory"):
            load(tmp_path / "file" / "c.yaml", {}, {})

    def test_not_utf8(self, tmp_path: Path):
        path = tmp_path / "c.yaml"
        path.write_bytes(b"shm:\n  path: /tmp/\xe9\n")
        with pytest.raises(ConfigError, match=r"c.yaml:2: not UTF-8 text \(byte 0xe9\)"):
            load(path, {}, {})

    def test_control_characters(self, problems: Callable[..., dict[str, str]]):
        assert problems("shm:\n  path: a\0b\n")[""].startswith(r"c.yaml:2: not valid YAML: the ch")

    @pytest.mark.parametrize("text", ["[1, 2]", "just text", "42"])
    def test_not_a_mapping(self, problems: Callable[..., dict[str, str]], text: str):
        assert "must hold sections such as" in problems(text)[""]

    def test_a_byte_order_mark_does_no_harm(self, tmp_path: Path):
        path = tmp_path / "c.yaml"
        path.write_bytes(b"\xef\xbb\xbfshm: {frequency: 7}\n")
        assert load(path, {}, {}).config.shm.frequency == 7

    @given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
    def test_whatever_the_file_holds_the_answer_is_a_configuration_or_a_config_error(
        self, tmp_path_factory: pytest.TempPathFactory, data: bytes
    ):
        path = tmp_path_factory.getbasetemp() / "any.yaml"
        path.write_bytes(data)
        with contextlib.suppress(ConfigError):  # anything else fails the test
            assert load(path, {}, {}).path == path
