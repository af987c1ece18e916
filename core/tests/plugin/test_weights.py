"""Finding weights: what counts, where it is looked for, and what is said when there are none."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chronotick.hub.testing import FakeHub, running_hub, tensors_file
from chronotick.plugin.weights import find, is_offline, is_shipped, locate, missing, split

TENSORS = tensors_file({"a": 10})
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    return tmp_path / "hf" / "hub"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


def fill(directory: Path, *names: str) -> Path:
    directory.mkdir(parents=True)
    for name in names or ("config.json", "model.safetensors"):
        (directory / name).write_bytes(TENSORS if name.endswith(".safetensors") else b"{}")
    return directory


def cached(cache: Path, commit: str = COMMIT, revision: str = "main") -> Path:
    """Lay weights out as the hub's library does; returns their directory."""
    place = cache / "models--org--name"
    (place / "refs").mkdir(parents=True, exist_ok=True)
    (place / "refs" / revision).write_text(commit)
    return fill(place / "snapshots" / commit)


def test_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    directory = fill(tmp_path / "w")
    found = locate(str(directory), "m")
    assert (found.directory, found.name) == (directory, str(directory))
    assert found.files() == [directory / "model.safetensors"]
    monkeypatch.chdir(tmp_path)
    assert locate("./w", "m").directory.samefile(directory)
    assert locate("w", "m").directory.samefile(directory)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate("~/w", "m").directory == directory


def test_directory_that_is_not_there():
    with pytest.raises(FileNotFoundError, match=r"no directory /nowhere\. .*--checkpoint m=DIR"):
        locate("/nowhere", "m")


@pytest.mark.parametrize(
    ("names", "lacks"),
    [
        (["config.json"], r"lacks model\.safetensors"),
        (["model.safetensors"], r"lacks config\.json"),
        (["README.md"], r"lacks config\.json and model\.safetensors"),
    ],
)
def test_directory_that_lacks_files(tmp_path: Path, names: list[str], lacks: str):
    with pytest.raises(FileNotFoundError, match=lacks + r"\. .*models tiny m --out DIR"):
        locate(str(fill(tmp_path / "w", *names)), "m")


def test_what_is_needed_beside_tensors_is_the_models_business(tmp_path: Path):
    directory = fill(tmp_path / "w", "model.safetensors", "scaler.json")
    assert locate(str(directory), "m", needed=("scaler.json",)).directory == directory


def test_cache_is_searched_without_any_library_or_network(
    cache: Path, monkeypatch: pytest.MonkeyPatch
):
    directory = cached(cache)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for checkpoint in ("org/name", "org/name@main", f"org/name@{COMMIT}"):
        found = locate(checkpoint, "m")
        assert (found.directory, found.name) == (directory, f"org/name@{COMMIT}")
    assert find("org/name@v2", "m") is None
    assert find("org/other", "m") is None


def test_cache_elsewhere(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    directory = cached(tmp_path / "elsewhere")
    assert find("org/name", "m") is None
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert locate("org/name", "m").directory == directory


def test_half_downloaded_weights_do_not_count_and_are_said_to_be_half(
    cache: Path, monkeypatch: pytest.MonkeyPatch
):
    directory = cached(cache)
    (directory / "model.safetensors").unlink()
    monkeypatch.setenv("HF_HUB_OFFLINE", "true")
    assert find("org/name", "m") is None
    with pytest.raises(FileNotFoundError, match=rf"{directory} lacks model\.safetensors, and HF_"):
        locate("org/name", "m")


def test_half_downloaded_weights_are_completed(hub: FakeHub, cache: Path):
    commit = hub.publish("org/name", {"config.json": b"{}", "model.safetensors": TENSORS})
    half = cache / "models--org--name" / "snapshots" / commit
    half.mkdir(parents=True)
    (half / "config.json").write_text("{}")
    assert locate(f"org/name@{commit}", "m").directory == half
    assert (half / "model.safetensors").read_bytes() == TENSORS


def test_missing_weights_are_downloaded_and_the_log_says_so(
    hub: FakeHub, capsys: pytest.CaptureFixture[str]
):
    commit = hub.publish("org/name", {"config.json": b"{}", "model.safetensors": TENSORS})
    assert locate("org/name", "m").name == f"org/name@{commit}"
    assert "downloading model.safetensors: 100 % of 0 MB" in capsys.readouterr().err


def test_missing_weights_say_what_is_missing_where_and_what_brings_them(
    cache: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError) as caught:
        locate("org/name@v1", "m")
    assert str(caught.value) == (
        f"the cache {cache} does not hold org/name@v1, and HF_HUB_OFFLINE forbids a download. "
        "Run, where there is a network: chronotick models pull m --checkpoint org/name@v1; "
        "or give a directory: --checkpoint m=DIR"
    )
    assert missing("org/name@v1", "m", usual=True) == (
        f"the cache {cache} does not hold org/name@v1. Run, where there is a network: "
        "chronotick models pull m; or give a directory: --checkpoint m=DIR"
    )


def test_a_hub_that_refuses_is_quoted(hub: FakeHub):
    with pytest.raises(FileNotFoundError, match=r"and http://.* has no repository org/name"):
        locate("org/name", "m")


def test_a_hub_that_is_not_there_is_told_within_seconds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # discard: nobody listens
    with pytest.raises(FileNotFoundError, match=r"cannot be reached .*chronotick models pull m"):
        locate("org/name", "m")


@pytest.mark.parametrize(
    "text", ["", "name", "a/b/c", "a/b@", "a/..", "a/b@../../x", "a b/c", "org/name@v 1", "/a@b"]
)
def test_what_is_no_hub_id(text: str):
    with pytest.raises(FileNotFoundError, match="is neither a directory nor a hub id"):
        split(text, "m")


def test_revisions_may_have_slashes():
    assert split("org/n.a-me_1@refs/pr/1", "m") == ("org/n.a-me_1", "refs/pr/1")
    assert split("org/name", "m") == ("org/name", None)


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("yes", True), ("0", False)])
def test_offline_as_the_hubs_library_reads_it(value: str, offline: bool):
    assert is_offline({"HF_HUB_OFFLINE": value}) is offline
    assert not is_offline({})


def test_nothing_but_the_standard_library_and_numpy_is_imported():
    program = (
        "import sys, chronotick.plugin.weights\n"
        "heavy = {'huggingface_hub', 'requests', 'httpx', 'torch', 'pydantic', 'click'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_tensors_are_those_of_one_file_or_of_the_index(tmp_path: Path):
    """A stray file once changed the forecasts: all that lay there was loaded, in order of names."""
    whole = fill(tmp_path / "whole", "config.json", "model.safetensors", "zz_optimizer.safetensors")
    assert locate(str(whole), "m").files() == [whole / "model.safetensors"]
    shards = ["model-1-of-2.safetensors", "model-2-of-2.safetensors"]
    sharded = fill(tmp_path / "sharded", "config.json", *shards, "other.safetensors")
    index = {"weight_map": {"a": shards[0], "b": shards[1], "c": shards[0]}}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    assert locate(str(sharded), "m").files() == [sharded / name for name in shards]


@pytest.mark.parametrize("map_", ["[]", "null", '{"a": 1}', '{"a": ["x"]}', '{"a": null}'])
def test_an_index_that_names_no_files_is_told(tmp_path: Path, map_: str):
    directory = fill(tmp_path / "w", "config.json")
    (directory / "model.safetensors.index.json").write_text(f'{{"weight_map": {map_}}}')
    with pytest.raises(FileNotFoundError, match="lacks "):
        locate(str(directory), "m")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        TENSORS[:-1],
        b"\x80" * 100,
        (2).to_bytes(8, "little") + b"[]",
        (44).to_bytes(8, "little") + b'{"a":{"data_offsets":[0,"x"],"shape":[1 ]}} ',
    ],
    ids=["empty", "cut", "garbage", "a list", "nonsense"],
)
def test_damaged_tensors_are_named_with_what_mends_them(
    tmp_path: Path, cache: Path, content: bytes
):
    directory = fill(tmp_path / "w")
    (directory / "model.safetensors").write_bytes(content)
    file = re.escape(str(directory / "model.safetensors"))
    with pytest.raises(ValueError, match=rf"{file}.*must hold .*models tiny m --out DIR"):
        locate(str(directory), "m")
    snapshot = cached(cache)
    (snapshot / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r": chronotick models pull m --checkpoint org/name"):
        locate("org/name", "m")
    assert find("org/name", "m") is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_settings_that_are_none_are_named_with_what_mends_them(tmp_path: Path, content: bytes):
    directory = fill(tmp_path / "w")
    weights = locate(str(directory), "m")
    assert weights.config() == {}
    (directory / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.json .*\. .*chronotick models pull m"):
        weights.config()


def test_whatever_a_library_raises_names_the_weights(tmp_path: Path):
    weights = locate(str(fill(tmp_path / "w")), "m")
    said = r"/w cannot be used: .*: KeyError: 'd_model'\. The dir"
    with pytest.raises(ValueError, match=said), weights.blamed():
        raise KeyError("d_model")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package on the path that must not be imported; returns its directory of weights."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    directory = fill(tmp_path / "site" / "pack_of_weights" / "weights" / "clocks")
    (tmp_path / "site" / "pack_of_weights" / "__init__.py").write_text("raise SystemExit(3)")
    return directory


def test_weights_in_a_package_are_found_without_importing_it_or_a_network(
    package: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = locate("pack_of_weights:clocks", "m")
    assert (found.directory, found.name) == (package, "pack_of_weights:clocks")
    assert is_shipped("pack_of_weights:clocks")
    assert not any(map(is_shipped, ("org/name", "org/name@a:b", "/a:b", "./a:b", "a:../b", "a:")))


def test_weights_a_package_lacks_are_told_with_what_brings_them(package: Path):
    with pytest.raises(FileNotFoundError, match="no package absent_package is installed"):
        locate("absent_package:clocks", "m")
    with pytest.raises(FileNotFoundError, match="neither a directory nor a hub id"):
        locate("json.tool:clocks", "m")
    with pytest.raises(FileNotFoundError, match=r"weights/other is not there\. Install the plugin"):
        find("pack_of_weights:other", "m")
    (package / "config.json").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"weights/clocks lacks config.json\. .*pip install"
    ):
        find("pack_of_weights:clocks", "m")


def test_damaged_weights_of_a_package_are_told(package: Path):
    (package / "model.safetensors").write_bytes(TENSORS[:-1])
    with pytest.raises(ValueError, match=r"pack_of_weights:clocks cannot be used: .*pip install"):
        locate("pack_of_weights:clocks", "m")


def test_a_directory_of_such_a_name_comes_first(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    own = fill(tmp_path / "pack_of_weights:clocks")
    assert locate("pack_of_weights:clocks", "m").directory.samefile(own)
