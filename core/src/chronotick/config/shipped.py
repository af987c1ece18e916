"""The configurations that come with ChronoTick, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_DIRECTORY: Final = Path(__file__).with_name("ready")


def shipped() -> dict[str, Path]:
    """Return the ready-made configurations by name, e.g. ``cpu_only_ttm``."""
    return {path.stem: path for path in sorted(_DIRECTORY.glob("*.yaml"))}


def named_file(named: str | None) -> Path | None:
    """Return the file of a ready-made configuration, or the file itself; ``None`` for none."""
    if named is None:
        return None
    return Path(named) if Path(named).exists() else shipped().get(named, Path(named))


def purpose(path: Path) -> str:
    """Return what a configuration is for: the comment it begins with, up to an empty line."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.removeprefix("#").strip()
        if not line.startswith("#") or not words:
            break
        lines.append(words)
    return " ".join(lines)
