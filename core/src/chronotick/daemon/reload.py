"""What a reload of the configuration changes in a running daemon, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chronotick.config.schema import Config

_RELOADED = {"clock_measurement", "http", "neighbours"}


def effective(old: Config, new: Config) -> Config:
    """The configuration that holds after a reload: the new one where it can take effect."""
    after = old.model_dump() | new.model_dump(include=_RELOADED)
    for loop in ("short_term", "long_term"):
        after[loop] = new.model_dump()[loop] | {"device": getattr(old, loop).device}
    after["logging"] = after["logging"] | {"level": new.logging.level}
    after["shm"] = after["shm"] | {"frequency": new.shm.frequency}
    return Config.model_validate(after)


def needing_restart(old: Config, new: Config) -> list[str]:
    """Dotted keys of the new configuration that take effect only when the daemon is restarted."""
    before, after = dict(_leaves(effective(old, new).model_dump())), dict(_leaves(new.model_dump()))
    return [
        key for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)
    ]


def _leaves(section: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value
