"""Whether a valid configuration fits this machine: its models, their weights, its CPUs."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from chronotick.config.errors import ConfigError, Origin, Problem

if TYPE_CHECKING:
    from chronotick.config import Loaded
    from chronotick.plugin.registry import Plugins

MOST_CPUS = 8192  # what Linux can be built for


def fitted(loaded: Loaded, plugins: Plugins) -> Loaded:
    """The configuration with what is odd about it on this machine added to its remarks.

    Raises:
        ConfigError: it cannot work here; with everything that is wrong.
    """
    problems = [*misfits(loaded, plugins)]
    if problems:
        raise ConfigError(problems)
    return dataclasses.replace(loaded, remarks=(*loaded.remarks, *_idle_weights(loaded)))


def misfits(loaded: Loaded, plugins: Plugins) -> Iterator[Problem]:
    """Everything that cannot work with these plugins on this machine."""
    yield from _unknown_models(loaded, plugins)
    yield from _impossible_weights(loaded, plugins)
    yield from _missing_cpus(loaded)


def usable_cpus() -> list[int]:
    """CPUs that this process may be bound to; empty where the system cannot bind processes.

    A CPU may exist and be closed to a container. The kernel knows: a thread that asks for all gets
    those, and the affinity of other threads stays as it is.
    """
    if not hasattr(os, "sched_setaffinity"):
        return []
    usable: list[int] = []

    def ask() -> None:
        with contextlib.suppress(OSError):  # a sandbox that lets nobody choose
            os.sched_setaffinity(0, range(MOST_CPUS))
        usable.extend(sorted(os.sched_getaffinity(0)))

    thread = threading.Thread(target=ask, name="usable-cpus")
    thread.start()
    thread.join()
    return usable


def _unknown_models(loaded: Loaded, plugins: Plugins) -> Iterator[Problem]:
    named: dict[tuple[str, Origin], list[str]] = {}
    for key, names in _models(loaded).items():
        for name in names:
            named.setdefault((name, loaded.origins[key]), []).append(key)
    for (name, origin), keys in named.items():
        unknown = _unknown(name, plugins)
        if unknown:
            yield Problem(unknown, " and ".join(keys), origin)


def _models(loaded: Loaded) -> dict[str, list[str]]:
    """Names of the models of each prediction loop that is on, by the key that gives them."""
    from chronotick.daemon.zoo import names

    config = loaded.config
    return {
        "short_term.models": names(config.short_term),
        "long_term.models": names(config.long_term),
    }


def _impossible_weights(loaded: Loaded, plugins: Plugins) -> Iterator[Problem]:
    for name in loaded.config.workers.checkpoints:
        key = f"workers.checkpoints.{name}"
        unknown = _unknown(name, plugins)
        if unknown:
            yield Problem(unknown, key, loaded.origins[key])
        elif plugins.find(name).environment is None:
            message = f"{name} runs in the daemon and has no weights"
            yield Problem(message, key, loaded.origins[key], advice="Remove it")


def _unknown(name: str, plugins: Plugins) -> str:
    from chronotick.plugin.registry import UnknownModel

    try:
        plugins.find(name)
    except UnknownModel as error:
        return str(error)
    return ""


def _idle_weights(loaded: Loaded) -> Iterator[str]:
    """A file may hold weights for models that a `--models` of the day leaves out: no error."""
    used = {name for names in _models(loaded).values() for name in names}
    for name in loaded.config.workers.checkpoints:
        if name not in used:
            key = f"workers.checkpoints.{name}"
            yield (
                f"{key} ({loaded.origins[key]}) has no effect: no prediction loop uses {name}. "
                "Add it to short_term.models or long_term.models (--models)"
            )


def _missing_cpus(loaded: Loaded) -> Iterator[Problem]:
    wanted = loaded.config.process.cpu_affinity
    if not wanted:
        return
    key, usable = "process.cpu_affinity", usable_cpus()
    missing = sorted(set(wanted) - set(usable))
    if not usable:
        message = "this system cannot bind a process to CPUs"
        yield Problem(message, key, loaded.origins[key], advice="Remove it")
    elif missing:
        which = f"CPU {missing[0]} does" if len(missing) == 1 else f"CPUs {_ranges(missing)} do"
        message = f"{which} not exist, or this process may not run there"
        yield Problem(message, key, loaded.origins[key], accepted=_ranges(usable))


def _ranges(numbers: list[int]) -> str:
    """``0-3, 7``."""
    runs = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ends = [(run[0][1], run[-1][1]) for run in ([*run] for _, run in runs)]
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ends)
