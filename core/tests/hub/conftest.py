from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chronotick.hub.testing import FakeHub, running_hub, tensors_file

FILES = {
    "config.json": b'{"model_type": "t5"}',
    "generation_config.json": b"{}",
    "README.md": b"# About\n",
    "LICENSE": b"Apache License\n",
    "model.safetensors": tensors_file({"a": 40_000, "b": 10_000}),
    "pytorch_model.bin": b"\x80\x04 a pickle",
    "onnx/config.json": b"{}",
}


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The hub's cache, and nothing of the user's own settings."""
    for name in ("HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    return tmp_path / "hf" / "hub"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


@pytest.fixture
def files() -> dict[str, bytes]:
    return dict(FILES)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A directory as somebody carries it on a stick."""
    directory = tmp_path / "stick"
    directory.mkdir()
    for name, content in FILES.items():
        if "/" not in name:
            (directory / name).write_bytes(content)
    return directory
