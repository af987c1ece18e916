"""The layout of the cache is the hub's: its own library is the judge."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest

from chronotick.hub import (
    Hub,
    NoCache,
    cache_directory,
    download,
    entry,
    import_directory,
    lacking,
)
from chronotick.hub.testing import FakeHub
from chronotick.plugin.weights import find

NEEDED = ("config.json", "model.safetensors")


def found_by_the_library(cache: Path, revision: str | None = None) -> set[Path]:
    return {
        Path(
            huggingface_hub.hf_hub_download(
                "org/name", name, revision=revision, cache_dir=cache, local_files_only=True
            )
        ).parent
        for name in NEEDED
    }


def test_library_finds_what_was_downloaded(hub: FakeHub, files: dict[str, bytes], own_cache: Path):
    commit = hub.publish("org/name", files, tags=("v1",))
    asked = Hub.from_environment()
    for revision in (None, "v1", commit):
        directory = download(asked, asked.release("org/name", revision))
        assert found_by_the_library(own_cache, revision) == {directory}


def test_library_does_not_download_again_what_we_did(
    hub: FakeHub, files: dict[str, bytes], own_cache: Path
):
    hub.publish("org/name", files)
    asked = Hub.from_environment()
    download(asked, asked.release("org/name", None))
    before = len(hub.bodies())
    for name in NEEDED:
        huggingface_hub.hf_hub_download(
            "org/name", name, cache_dir=own_cache, endpoint=hub.endpoint
        )
    assert len(hub.bodies()) == before


def test_what_the_library_downloads_is_found(
    hub: FakeHub, files: dict[str, bytes], own_cache: Path
):
    hub.publish("org/name", files)
    for name in NEEDED:
        huggingface_hub.hf_hub_download(
            "org/name", name, cache_dir=own_cache, endpoint=hub.endpoint
        )
    directory = entry("org/name").snapshot(None)
    assert directory is not None
    assert lacking(directory) == []
    asked, before = Hub.from_environment(), len(hub.bodies())
    download(asked, asked.release("org/name", None))
    fetched = {name for name, _span in hub.bodies()[before:]}
    assert fetched == {"README.md", "LICENSE", "generation_config.json"}


@pytest.mark.parametrize("revision", [None, "v1", "c" * 40])
def test_library_finds_what_was_imported(weights: Path, own_cache: Path, revision: str | None):
    done = import_directory(weights, "org/name", revision)
    assert found_by_the_library(own_cache, revision) == {done.directory}


def test_without_a_home_the_cache_has_to_be_named(monkeypatch: pytest.MonkeyPatch):
    """As in a container that runs as a user nobody knows."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)  # KeyError, as for such a user
    for variables in ({}, {"HF_HOME": "~/h"}, {"HF_HUB_CACHE": "~/c"}):
        with pytest.raises(NoCache, match=r"no home directory for ~.*Set HF_HOME"):
            cache_directory(variables)
    assert str(cache_directory({"HF_HOME": "/h"})) == "/h/hub"
    monkeypatch.delenv("HF_HOME")
    with pytest.raises(FileNotFoundError, match="Set HF_HOME"):  # what loading says of weights
        find("org/name", "model")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "HOME/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/x", "HF_HOME": "/h"}, "/h/hub"),
        ({"HF_HOME": "~/h"}, "HOME/h/hub"),
        ({"HF_HOME": "/h", "HF_HUB_CACHE": "/c"}, "/c"),
        ({"HF_HOME": "", "HF_HUB_CACHE": ""}, "HOME/.cache/huggingface/hub"),
    ],
)
def test_place_follows_the_hubs_variables(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", "/home/u")
    assert str(cache_directory(variables)) == expected.replace("HOME", "/home/u")
