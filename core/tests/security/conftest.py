from __future__ import annotations

import os
from pathlib import Path

import pytest

STRANGER = 12345
"""A user that has nothing."""


@pytest.fixture
def stranger() -> int:
    """Another user, to whom files can be given."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    return STRANGER


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The hub's cache, and nothing of the user's own settings."""
    for name in ("HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "hf" / "hub"
