"""What ``import chronotick`` promises: names, documentation, and how little it imports."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import chronotick
import chronotick.client
import chronotick_shm
from chronotick.shm.fast import HAVE_C_READER
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

PROMISED = {
    *("time", "time_ns", "now", "time_detailed", "before", "after", "start", "stop", "status"),
    *("ChronoTick", "ChronoTickClient", "DaemonUnavailable", "ClockUnsynchronised"),
}


def test_all_is_complete_and_true():
    public = {
        name
        for name, value in vars(chronotick).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    } - {"annotations", "TYPE_CHECKING"}
    assert public | {"DetailedTime"} == set(chronotick.__all__)
    assert chronotick.__all__ == chronotick.client.__all__ == sorted(chronotick.__all__)
    assert set(chronotick.__all__) >= PROMISED
    for name in chronotick.__all__:
        assert getattr(chronotick, name) is getattr(chronotick.client, name)


@pytest.mark.parametrize("name", chronotick.__all__)
def test_everything_public_is_documented(name: str):
    assert len(inspect.getdoc(getattr(chronotick, name)) or "") > 20


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'tiem'"):
        chronotick.tiem  # noqa: B018 - the access is the test


def test_annotations_resolve():
    for callable_ in (chronotick.before, chronotick.ChronoTickClient.translate, chronotick.start):
        assert typing.get_type_hints(callable_)["return"]


def test_the_old_name_of_the_client_keeps_working():
    assert chronotick_shm.ChronoTickClient is chronotick.ChronoTickClient
    assert {"ChronoTickClient", "get_current_time"} <= set(chronotick_shm.__all__)


def test_the_old_function_reads_the_default_record(
    path: Path, writer: RecordWriter, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CHRONOTICK_SHM", str(path))
    writer.write(good_record())
    assert chronotick_shm.get_current_time().source == "ntp"


@pytest.mark.skipif(not HAVE_C_READER, reason="the C reader is not built")
def test_the_module_function_is_the_builtin_itself():
    assert type(chronotick.time) is type(chronotick.time_ns) is type(chronotick.now) is type(len)


HEAVY = ["dataclasses", "inspect", "pathlib", "tempfile", "json", "socket", "subprocess", "ctypes"]


def test_importing_brings_nothing_heavy_and_no_foreign_package():
    """Time is measured in bench; what costs the time can be tested."""
    code = (
        "import sys; before = set(sys.modules); import chronotick;"
        "print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(run.stdout.split())
    assert not imported & set(HEAVY)
    roots = {name.partition(".")[0] for name in imported}
    assert roots <= sys.stdlib_module_names | {"chronotick"}
