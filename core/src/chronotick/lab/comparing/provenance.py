"""Where results come from: which code, which commit, which machine, when."""

from __future__ import annotations

import hashlib
import importlib.util
import platform
import subprocess
from collections.abc import Iterable
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path

import chronotick

_OWN = Path(chronotick.__file__).parent
_MAKING_WINDOWS = ("ntp", "clock", "fusion", "models", "daemon", "config")
_OF_THE_LAB = ("comparing", "recordings", "replaying", "traces")
_SHORT = 16  # hexadecimal digits of a fingerprint: 64 bits


@lru_cache(maxsize=1)
def own_code() -> str:
    """Fingerprint of our code that windows, yardsticks and built-in models depend on.

    A version does not change with every commit; what a row was computed by does.
    """
    lab = (f"lab/{name}" for name in _OF_THE_LAB)
    return fingerprint(_OWN / name for name in (*_MAKING_WINDOWS, *lab))


@lru_cache(maxsize=64)
def code_of(module: str) -> str:
    """Fingerprint of the top-level package of a plugin's module; empty where it is not found."""
    found = importlib.util.find_spec(module.partition(".")[0])  # finds, and imports nothing
    if found is None or found.origin is None:
        return ""
    path = Path(found.origin)
    return fingerprint([path.parent if found.submodule_search_locations else path])


def fingerprint(places: Iterable[Path]) -> str:
    """Hash the Python files of directories, their names included."""
    total = hashlib.sha256()
    for place in places:
        files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        for path in files:
            content = path.read_bytes()
            total.update(f"{path.relative_to(place.parent)}\0{len(content)}\0".encode())
            total.update(content)
    return total.hexdigest()[:_SHORT]


def now() -> str:
    """The time, for people and as the name of a run."""
    return datetime.now(timezone.utc).isoformat()


@lru_cache(maxsize=1)
def commit() -> str:
    """Of the checkout that this code runs from; empty for an installed release."""
    git = ["git", "-C", str(_OWN), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(git, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def here() -> dict[str, str]:
    """What computes now, and when: kept with every job."""
    return {"commit": commit(), "node": platform.node(), "done": now()}
