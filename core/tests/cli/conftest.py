from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chronotick.cli.main import chronotick
from chronotick.daemon.control import ControlServer
from chronotick.hub.testing import FakeHub, running_hub


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Run a command where no daemon is."""
    monkeypatch.setenv("CHRONOTICK_SHM", str(tmp_path / "record"))
    monkeypatch.setenv("CHRONOTICK_CONTROL", str(tmp_path / "control.sock"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def invoke(*args: str, command=chronotick) -> Result:
        return CliRunner().invoke(command, list(args), catch_exceptions=False)

    return invoke


MODULE = """
from chronotick.plugin import Checkpoint, ModelSpec, hookimpl

@hookimpl
def chronotick_models():
    return [
        ModelSpec(
            name="carried", title="Weights to carry about", worker="json:Model", licence="MIT",
            output="quantiles", max_context=1000, covariates=("temperature",),
            trained_on=("m4", "weather"),
            checkpoint=Checkpoint(repository="org/name", revision="v1", licence={licence!r},
                                  size_mb=0.2),
            alternatives=(Checkpoint(repository="org/large", licence="CC-BY-NC-4.0"),),
        )
    ]
"""


@pytest.fixture(scope="session")
def plugin_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of what plugins provide: those that are really installed are read once."""
    return tmp_path_factory.mktemp("plugin-cache")


@pytest.fixture
def carried(
    tmp_path: Path, plugin_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Install a plugin with a model ``carried`` whose weights are ``org/name@v1`` on a hub.

    The hub's cache is a directory of the test's own.
    """
    for name in ("HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("XDG_CACHE_HOME", str(plugin_cache))
    folder = tmp_path / "site"
    monkeypatch.syspath_prepend(str(folder))

    def install(licence: str = "Apache-2.0") -> None:
        info = folder / "chronotick_carried-2.5.dist-info"
        info.mkdir(parents=True)
        (folder / "carried_plugin.py").write_text(MODULE.format(licence=licence))
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: chronotick-carried\nVersion: 2.5\nSummary: For tests\n"
        )
        (info / "entry_points.txt").write_text("[chronotick_model]\ncarried = carried_plugin\n")

    return install


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Answer ``models`` on the control socket of ``run`` with what the test puts here."""
    models: dict[str, Any] = {}
    loop = asyncio.new_event_loop()
    server = ControlServer(tmp_path / "control.sock", {"models": lambda: models})
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(30)
    yield models
    asyncio.run_coroutine_threadsafe(_ended(server), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _ended(server: ControlServer) -> None:
    """Close it, and leave no task of a client that asks: it would be destroyed in a later test."""
    await server.close()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
