"""Downloads against a real HTTP server that cuts, refuses and alters on demand."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from email.message import Message
from io import BytesIO
from pathlib import Path
from urllib.request import Request

import pytest

from chronotick.hub import (
    Hub,
    HubProblem,
    HubUnreachable,
    UnusableWeights,
    damaged,
    download,
    entry,
    lacking,
)
from chronotick.hub.client import _Redirects
from chronotick.hub.testing import FakeHub, tensors_file

TENSORS = "model.safetensors"
TAKEN = {"config.json", "generation_config.json", "README.md", "LICENSE", TENSORS}


def pull(revision: str | None = None, repository: str = "org/name") -> Path:
    asked = Hub.from_environment()
    return download(asked, asked.release(repository, revision), pause_s=0.0)


def spans(hub: FakeHub) -> list[str]:
    """Ranges in which the tensors were asked for."""
    return [span for name, span in hub.bodies() if name == TENSORS]


def test_what_is_needed_comes_and_pickles_and_folders_stay(hub: FakeHub, files: dict[str, bytes]):
    commit = hub.publish("org/name", files)
    directory = pull()
    assert {path.name for path in directory.iterdir()} == TAKEN
    assert all((directory / name).read_bytes() == files[name] for name in TAKEN)
    assert entry("org/name").snapshot(None) == directory
    assert directory.name == commit
    assert not list(entry("org/name").blob("").glob("*.part"))


def test_progress_reaches_the_whole(hub: FakeHub, files: dict[str, bytes]):
    hub.publish("org/name", files)
    asked, told = Hub.from_environment(), []
    release = asked.release("org/name", None)
    download(asked, release, progress=lambda *step: told.append(step))
    done = [step[1] for step in told]
    assert done == sorted(done)
    assert told[-1] == (TENSORS, release.size_bytes, release.size_bytes)


def test_second_time_nothing_is_downloaded(hub: FakeHub, files: dict[str, bytes]):
    hub.publish("org/name", files)
    pull()
    before = len(hub.bodies())
    pull()
    assert len(hub.bodies()) == before


def test_cut_connections_are_taken_up_where_they_broke(hub: FakeHub, files: dict[str, bytes]):
    hub.publish("org/name", {TENSORS: files[TENSORS], "config.json": b"{}"})
    hub.cuts = [-1, 50_000, 70_000, 0, 10]
    directory = pull()
    assert (directory / TENSORS).read_bytes() == files[TENSORS]
    assert spans(hub) == [
        "",
        "bytes=50000-",
        "bytes=120000-",
        "bytes=120000-",
        "bytes=120010-",
    ]


def test_what_came_before_giving_up_is_used_by_the_next_command(
    hub: FakeHub, files: dict[str, bytes]
):
    hub.publish("org/name", {TENSORS: files[TENSORS], "config.json": b"{}"})
    hub.cuts = [-1, 60_000, *[0] * 5]
    with pytest.raises(HubUnreachable, match=r"at byte 60000 of model.safetensors.*goes on from"):
        pull()
    assert entry("org/name").snapshot(None) is None
    assert (pull() / TENSORS).read_bytes() == files[TENSORS]
    assert spans(hub)[-1] == "bytes=60000-"


def test_proxies_that_ignore_ranges_do_not_spoil_the_file(hub: FakeHub, files: dict[str, bytes]):
    hub.publish("org/name", {TENSORS: files[TENSORS], "config.json": b"{}"})
    hub.cuts, hub.no_ranges = [-1, 50_000], True
    assert (pull() / TENSORS).read_bytes() == files[TENSORS]


def test_damaged_rest_of_an_earlier_download_is_thrown_away(hub: FakeHub, files: dict[str, bytes]):
    hub.publish("org/name", files)
    asked = Hub.from_environment()
    release = asked.release("org/name", None)
    place = entry("org/name")
    part = place.blob(f"{release.files[-1].blob}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"nonsense")
    assert (pull() / TENSORS).read_bytes() == files[TENSORS]
    assert spans(hub) == ["bytes=8-", ""]


@pytest.mark.parametrize("name", [TENSORS, "config.json"])
def test_altered_files_are_refused(hub: FakeHub, files: dict[str, bytes], name: str):
    hub.publish("org/name", files)
    hub.altered = {name}
    with pytest.raises(UnusableWeights, match=rf"{name} of org/name is not the file"):
        pull()
    assert entry("org/name").snapshot(None) is None


def test_a_tag_and_a_commit_are_found_by_their_names(hub: FakeHub, files: dict[str, bytes]):
    commit = hub.publish("org/name", files, tags=("512-96-r2",))
    directory = pull("512-96-r2")
    place = entry("org/name")
    assert place.snapshot("512-96-r2") == place.snapshot(commit) == directory
    assert place.snapshot(None) is None
    assert pull(commit) == directory


def test_licence_comes_from_the_card(hub: FakeHub, files: dict[str, bytes]):
    hub.publish("org/name", files, licence="CC-BY-NC-4.0")
    assert Hub.from_environment().release("org/name", None).licence == "cc-by-nc-4.0"


def test_unknown_repository(hub: FakeHub):
    with pytest.raises(HubProblem, match="has no repository org/name, or it is private"):
        pull()


def test_unknown_revision(hub: FakeHub, files: dict[str, bytes]):
    hub.publish("org/name", files)
    with pytest.raises(HubProblem, match="org/name has no revision 'v9'"):
        pull("v9")


def test_gated_repository_says_where_to_accept_and_how_to_show_it(
    hub: FakeHub, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
):
    hub.publish("org/name", files)
    hub.gated = {"org/name"}
    with pytest.raises(HubProblem, match=rf"do so at {hub.endpoint}/org/name, .*set HF_TOKEN"):
        pull()
    monkeypatch.setenv("HF_TOKEN", "wrong")
    with pytest.raises(HubProblem, match="the token in HF_TOKEN is of no use there"):
        pull()


def test_token_opens_a_gated_repository_and_is_shown_to_nobody_else(
    hub: FakeHub, files: dict[str, bytes], own_cache: Path
):
    hub.publish("org/name", files)
    hub.gated = {"org/name"}
    own_cache.parent.mkdir()
    (own_cache.parent / "token").write_text(f"{hub.token}\n")  # what the hub's login writes
    pull()
    assert hub.bodies()
    assert not hub.told_cdn


def test_no_network_is_told_at_once(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it either
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(HubUnreachable, match=r"cannot be reached .*[Rr]efused"):
            pull()


def test_repository_with_pickles_only_is_refused(hub: FakeHub):
    hub.publish("org/name", {"config.json": b"{}", "pytorch_model.bin": b"\x80"})
    with pytest.raises(
        UnusableWeights, match=r"only pickles \(pytorch_model.bin\), which run code"
    ):
        pull()


def test_more_than_fits_is_refused_before_anything_comes(hub: FakeHub, files: dict[str, bytes]):
    hub.publish("org/name", files)
    hub.announced = {TENSORS: 10**18}
    with pytest.raises(HubProblem, match=r"needs 1000000000000 MB more, .* MB free"):
        pull()
    assert hub.bodies() == []


def test_disk_that_takes_no_more_is_named_and_nothing_is_lost(
    hub: FakeHub, files: dict[str, bytes], own_cache: Path
):
    """A limit on file sizes stands in for the full disk: the same error at the same place."""
    hub.publish("org/name", {TENSORS: files[TENSORS], "config.json": b"{}"})
    program = (
        "import resource\nfrom chronotick.hub import Hub, HubProblem, download\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "hub = Hub.from_environment()\n"
        "try:\n    download(hub, hub.release('org/name', None))\n"
        "except HubProblem as problem:\n    print(problem)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert str(own_cache) in done.stdout
    assert "File too large" in done.stdout
    assert (pull() / TENSORS).read_bytes() == files[TENSORS]


def test_killed_half_way_leaves_nothing_that_looks_complete(hub: FakeHub, files: dict[str, bytes]):
    hub.publish("org/name", {TENSORS: files[TENSORS], "config.json": b"{}"})
    hub.cuts = [-1, 60_000]
    program = (
        "import os\nfrom chronotick.hub import Hub, download\n"
        "hub = Hub.from_environment()\n"
        "def die(name, done, total):\n"
        "    if done > 50_000: os.kill(os.getpid(), 9)\n"
        "download(hub, hub.release('org/name', None), progress=die)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -9
    assert entry("org/name").snapshot(None) is None
    directory = pull()
    assert lacking(directory) == []
    assert (directory / TENSORS).read_bytes() == files[TENSORS]


def test_two_at_once_download_once(hub: FakeHub):
    hub.publish("org/name", {TENSORS: tensors_file({"a": 1_000_000}), "config.json": b"{}"})
    program = (
        "from chronotick.hub import Hub, download\n"
        "hub = Hub.from_environment()\ndownload(hub, hub.release('org/name', None))\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", program], env=os.environ) for _ in range(2)]
    assert [process.wait(50) for process in both] == [0, 0]
    assert spans(hub) == [""]


@pytest.mark.parametrize("size", ["many", -1, 1.5, None, [1]])
def test_odd_sizes_are_named_not_believed(hub: FakeHub, files: dict[str, bytes], size: object):
    hub.publish("org/name", files)
    hub.announced = {TENSORS: size}  # type: ignore[dict-item] # the fault
    with pytest.raises(HubProblem, match="answered oddly about org/name@main"):
        pull()
    assert hub.bodies() == []


@pytest.mark.parametrize(
    "said",
    [
        {"cardData": "apache-2.0"},
        {"cardData": ["apache-2.0"]},
        {"cardData": None, "tags": [1]},
        {"siblings": None},
        {"siblings": [{"rfilename": 5}]},
        {"sha": None},
        {"sha": "main"},
        {"sha": "../escaped"},
    ],
)
def test_odd_answers_are_named_not_believed(
    hub: FakeHub, files: dict[str, bytes], said: dict[str, object]
):
    hub.publish("org/name", files)
    hub.said = said
    with pytest.raises(HubProblem, match="answered oddly about org/name@main"):
        pull()


def test_an_endless_answer_is_not_read_to_its_end(hub: FakeHub, files: dict[str, bytes]):
    hub.publish("org/name", files)
    hub.said = {"tags": ["x" * 2**24]}
    with pytest.raises(HubProblem, match="lists endlessly"):
        pull()


def test_no_answer_makes_anything_outside_the_cache(
    hub: FakeHub, files: dict[str, bytes], tmp_path: Path
):
    escaped = tmp_path / "escaped"
    hub.publish("org/name", files)
    hub.said = {"sha": str(escaped)}
    with pytest.raises(HubProblem, match=r"commit .*test_no_answer"):
        pull()
    assert not escaped.exists()


@pytest.mark.parametrize("name", ["../model.safetensors", "a\0.json", "a\n.json"])
def test_files_whose_names_are_no_names_are_left(hub: FakeHub, files: dict[str, bytes], name: str):
    hub.publish("org/name", files | {name: b"{}"})
    assert {path.name for path in pull().iterdir()} == TAKEN


@pytest.mark.parametrize("damage", [b"", b"short", "flipped"])
@pytest.mark.parametrize("name", [TENSORS, "config.json"])
def test_damaged_files_are_mended(
    hub: FakeHub, files: dict[str, bytes], name: str, damage: bytes | str
):
    hub.publish("org/name", files)
    path = pull() / name
    content = path.read_bytes()
    path.write_bytes(damage if isinstance(damage, bytes) else bytes([content[0] ^ 1]) + content[1:])
    assert damaged(path.parent) == [name]
    assert (pull() / name).read_bytes() == files[name]
    assert damaged(path.parent) == []
    assert hub.bodies()[-1] == (name, "")


def test_token_goes_only_where_it_was_sent_to():
    asked = Request("https://hub.example/a", headers={"Authorization": "Bearer t"})

    def shown(url: str) -> bool:
        following = _Redirects().redirect_request(asked, BytesIO(), 302, "", Message(), url)
        assert following is not None
        return following.has_header("Authorization")

    assert shown("https://hub.example/b")
    assert not shown("http://hub.example/b")  # readable on the way
    assert not shown("https://hub.example:444/b")
    assert not shown("https://cdn.example/b")
