"""What a reload of the configuration changes in a running daemon, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chronotick.config.schema import Config

RELOADED = ("clock_measurement.", "short_term.", "long_term.", "logging.level", "shm.frequency")
RESTARTED = (".device",)  # a worker keeps the device it was started on


def needing_restart(old: Config, new: Config) -> list[str]:
    """Dotted keys that differ and take effect only when the daemon is restarted."""
    before, after = dict(_leaves(old.model_dump())), dict(_leaves(new.model_dump()))
    changed = (
        key for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)
    )
    return [key for key in changed if not key.startswith(RELOADED) or key.endswith(RESTARTED)]


def _leaves(section: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value
