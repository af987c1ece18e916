"""Defaults < file < environment < command line, and where each value comes from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.config import Config, ConfigError, Origin, load, show
from chronotick.config.file import find


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def _write(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return _write


def test_without_anything_the_defaults_hold(write: Callable[[str], Path]):
    loaded = load(write(""), {}, {})
    assert loaded.config == Config()
    assert {str(origin) for origin in loaded.origins.values()} == {"default"}


def test_each_layer_overrides_those_before_it(write: Callable[[str], Path]):
    path = write("workers:\n  threads: 2\n  offline: true\nfusion:\n  min_scores: 3\n")
    environ = {"CHRONOTICK_WORKERS__THREADS": "4", "CHRONOTICK_FUSION__MIN_SCORES": "5"}
    loaded = load(path, environ, {"workers.threads": 6})
    assert loaded.config.workers.threads == 6
    assert loaded.config.fusion.min_scores == 5
    assert loaded.config.workers.offline is True
    assert loaded.origins["workers.threads"] == Origin("option")
    assert str(loaded.origins["fusion.min_scores"]) == "CHRONOTICK_FUSION__MIN_SCORES"
    assert str(loaded.origins["workers.offline"]) == f"{path}:3"
    assert str(loaded.origins["workers.build"]) == "default"


def test_lists_are_replaced_and_checkpoints_merged(write: Callable[[str], Path]):
    path = write(
        "short_term: {models: [kalman, ttm]}\nworkers: {checkpoints: {ttm: /a, chronos: /b}}\n"
    )
    loaded = load(path, {}, {"short_term.models": ["hold"], "workers.checkpoints.ttm": "/c"})
    assert loaded.config.short_term.models == ["hold"]
    assert loaded.config.workers.checkpoints == {"ttm": "/c", "chronos": "/b"}
    assert str(loaded.origins["workers.checkpoints.ttm"]) == "command line"
    assert str(loaded.origins["workers.checkpoints.chronos"]) == f"{path}:2"


def test_an_option_that_was_not_given_changes_nothing(write: Callable[[str], Path]):
    loaded = load(write("shm: {frequency: 20}"), {}, {"shm.frequency": None})
    assert loaded.config.shm.frequency == 20


def test_options_take_paths_and_numbers_as_python_has_them(
    write: Callable[[str], Path], tmp_path: Path
):
    overrides = {"shm.path": tmp_path / "record", "process.cpu_affinity": [0, 1]}
    loaded = load(write(""), {}, overrides)
    assert loaded.config.shm.path == tmp_path / "record"
    assert loaded.config.process.cpu_affinity == [0, 1]


@pytest.mark.parametrize("text", ["short_term:\n", "short_term: {}\n", "# nothing\n", "---\n"])
def test_sections_with_everything_commented_out_say_nothing(
    write: Callable[[str], Path], text: str
):
    assert load(write(text), {}, {}).config == Config()


def test_model_name_of_a_file_gives_way_to_models_of_a_higher_layer(write: Callable[[str], Path]):
    path = write("short_term: {model_name: ttm}\n")
    assert load(path, {}, {}).config.short_term.models == ["ttm"]
    assert str(load(path, {}, {}).origins["short_term.models"]) == f"{path}:1"
    loaded = load(path, {"CHRONOTICK_MODEL": "kalman,chronos"}, {})
    assert loaded.config.short_term.models == ["kalman", "chronos"]
    assert loaded.config.short_term.model_name is None


def test_models_of_a_file_give_way_to_model_name_of_a_higher_layer(write: Callable[[str], Path]):
    loaded = load(write("long_term: {models: [a, b]}\n"), {}, {"long_term.model_name": "toto"})
    assert loaded.config.long_term.models == ["toto"]


def test_a_loaded_configuration_can_be_loaded_again_from_its_own_values():
    config = Config.model_validate({"short_term": {"model_name": "ttm"}})
    assert Config.model_validate(config.model_dump()) == config


def test_what_is_shown_can_be_loaded_and_gives_the_same(write: Callable[[str], Path]):
    path = write("short_term: {model_name: ttm}\nworkers: {checkpoints: {ttm: '#odd: name'}}\n")
    loaded = load(path, {}, {"clock.wander": [1e-9]})
    again = load(write(show(loaded, origin=True)), {}, {}).config
    plain = again.short_term.model_copy(update={"model_name": "ttm"})
    assert again.model_copy(update={"short_term": plain}) == loaded.config


def test_what_is_shown_tells_where_it_comes_from(write: Callable[[str], Path]):
    path = write("\nshm:\n  frequency: 20\n")
    lines = show(load(path, {"CHRONOTICK_LOG_LEVEL": "debug"}, {}), origin=True).splitlines()
    assert f"  frequency: 20.0  # {path}:3" in lines
    assert "  level: DEBUG  # CHRONOTICK_LOG_LEVEL" in lines
    assert "  format: text  # default" in lines


def test_paths_know_home_and_variables(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    text = "history: {path: $STATE_DIRECTORY/h.sqlite3}\nworkers: {environments: ~/envs}\n"
    config = load(write(text), {}, {}).config
    assert config.history.path == tmp_path / "h.sqlite3"
    assert config.workers.environments == Path("/home/someone/envs")


def test_a_host_without_home_directory_is_told_what_to_set(
    write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
):
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(ConfigError, match=r"Set XDG_DATA_HOME, or history\.path"):
        load(write(""), {}, {})


class TestFind:
    def test_the_named_file_comes_first(self, tmp_path: Path):
        environ = {"CHRONOTICK_CONFIG": "/other.yaml"}
        assert find(tmp_path / "named.yaml", environ) == tmp_path / "named.yaml"
        assert find(None, environ) == Path("/other.yaml")

    def test_the_user_comes_before_the_system(self, tmp_path: Path):
        system = tmp_path / "etc.yaml"
        system.touch()
        environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path / "home")}
        assert find(None, environ, system) == system
        user = tmp_path / "xdg" / "chronotick" / "config.yaml"
        user.parent.mkdir(parents=True)
        user.touch()
        assert find(None, environ, system) == user
        assert find(None, {}, system) == system

    def test_dot_config_is_the_user_directory_by_default(self, tmp_path: Path):
        user = tmp_path / ".config" / "chronotick" / "config.yaml"
        user.parent.mkdir(parents=True)
        user.touch()
        assert find(None, {"HOME": str(tmp_path)}, tmp_path / "none") == user

    def test_nothing_found_means_defaults(self, tmp_path: Path):
        assert find(None, {}, tmp_path / "none") is None

    def test_a_dangling_link_is_an_error_not_nothing(self, tmp_path: Path):
        link = tmp_path / "config.yaml"
        link.symlink_to(tmp_path / "gone")
        assert find(None, {}, link) == link


def test_remote_models_are_merged_and_shown_so_that_they_can_be_read_again(
    write: Callable[[str], Path],
):
    path = write(
        "workers:\n  remote:\n    ttm: {address: 'tcp://a:1', server_key: /k}\n"
        "    toto: {address: 'tcp://[::1]:7411'}\n"
    )
    changed = {"workers.remote": {"ttm": {"address": "tcp://b:2"}}}
    loaded = load(path, {}, changed)
    found = {name: remote.address for name, remote in loaded.config.workers.remote.items()}
    assert found == {"ttm": "tcp://b:2", "toto": "tcp://[::1]:7411"}
    again = load(write(show(loaded)), {}, {})
    assert again.config.workers.remote == loaded.config.workers.remote


@pytest.mark.parametrize("address", ["h:1", "tcp://h", "tcp://h:0", "tcp://h:65536", "ipc:///x"])
def test_other_addresses_of_remote_models_are_refused(write: Callable[[str], Path], address: str):
    path = write(f"workers: {{remote: {{ttm: {{address: '{address}'}}}}}}\n")
    with pytest.raises(ConfigError, match=r"is not of the form tcp://HOST:PORT|port 0 is none"):
        load(path, {}, {})
