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
    from pathlib import Path

    from chronotick.config import Config, Loaded
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
    return dataclasses.replace(loaded, remarks=(*loaded.remarks, *_idle(loaded)))


def misfits(loaded: Loaded, plugins: Plugins) -> Iterator[Problem]:
    """Everything that cannot work with these plugins on this machine."""
    yield from _unknown_models(loaded, plugins)
    yield from _impossible_weights(loaded, plugins)
    yield from _strange_overrides(loaded, plugins)
    yield from _impossible_servers(loaded, plugins)
    yield from _missing_packages(loaded)
    yield from _unusable_keys(loaded)
    yield from _missing_token(loaded)
    for key, cpus in _bindings(loaded).items():
        yield from _missing_cpus(loaded, key, cpus)


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
        elif name in plugins.models and plugins.models[name].environment is None:
            message = f"{name} runs in the daemon and has no weights"
            yield Problem(message, key, loaded.origins[key], advice="Remove it")


def _strange_overrides(loaded: Loaded, plugins: Plugins) -> Iterator[Problem]:
    for key, name in _overrides(loaded):
        unknown = _unknown(name, plugins)
        if unknown:
            yield Problem(unknown, key, loaded.origins[key])


def _impossible_servers(loaded: Loaded, plugins: Plugins) -> Iterator[Problem]:
    for name in loaded.config.workers.remote:
        key = f"workers.remote.{name}"
        unknown = _unknown(name, plugins)
        if unknown:
            yield Problem(unknown, key, loaded.origins[key])
        elif name in plugins.models and _runs_here(name, plugins):
            message = f"{name} is computed in the daemon, in microseconds"
            yield Problem(message, key, loaded.origins[key], advice="Remove it")


def _missing_packages(loaded: Loaded) -> Iterator[Problem]:
    from importlib.util import find_spec

    from chronotick.config.servers import Protocol, parse_server

    for key, servers in _servers(loaded.config).items():
        authenticated = any(parse_server(text).protocol is Protocol.NTS for text in servers)
        if authenticated and find_spec("cryptography") is None:
            advice = "Run: pip install 'chronotick[nts]'"
            yield Problem("nts:// needs more packages", key, loaded.origins[key], advice=advice)


def _servers(config: Config) -> dict[str, list[str]]:
    """Servers that are asked, by the clock and by its watchdog, by the key that names them."""
    measured, watchdog = config.clock_measurement.ntp, config.clock_measurement.watchdog
    return {
        "clock_measurement.ntp.servers": measured.servers,
        "clock_measurement.watchdog.servers": watchdog.servers if watchdog.enabled else [],
    }


def _unusable_keys(loaded: Loaded) -> Iterator[Problem]:
    from chronotick.config.servers import parse_server

    measured = loaded.config.clock_measurement
    path, key = measured.ntp.key_file, "clock_measurement.ntp.key_file"
    if path is not None:
        told = (_unusable_key(path, parse_server(text).key_id) for text in measured.keyed)
        for problem in dict.fromkeys(told):
            if problem:
                yield Problem(problem, key, loaded.origins[key])


def _unusable_key(path: Path, number: int) -> str:
    from chronotick.ntp.keys import KeyFileError, read_key

    try:
        read_key(path, number)
    except KeyFileError as error:
        return str(error)
    return ""


def _missing_token(loaded: Loaded) -> Iterator[Problem]:
    http = loaded.config.http
    if http.listen is None or http.token_file is None:
        return
    if not os.path.isfile(http.token_file):  # noqa: PTH113 - pathlib's raises where it may not look
        key = "http.token_file"
        message = f"there is no file {http.token_file}"
        advice = "Make one: (umask 077; openssl rand -base64 33 > FILE)"
        yield Problem(message, key, loaded.origins[key], advice=advice)


def _runs_here(name: str, plugins: Plugins) -> bool:
    from chronotick.daemon.zoo import OWN

    own = plugins.origins.get(name, "").startswith(OWN)
    return own and plugins.models[name].environment is None


def _overrides(loaded: Loaded) -> Iterator[tuple[str, str]]:
    """Key and model of everything that is set for a single model."""
    for section in ("short_term", "long_term", "workers"):
        for name in getattr(loaded.config, section).overrides:
            yield f"{section}.overrides.{name}", name


def _unknown(name: str, plugins: Plugins) -> str:
    from chronotick.plugin.registry import UnknownModel

    try:
        plugins.find(name)
    except UnknownModel as error:
        return "" if plugins.pending else str(error)  # one that is still read may provide it
    return ""


def _idle(loaded: Loaded) -> Iterator[str]:
    """A file may provide for models that a `--models` of the day leaves out: no error."""
    used = {name for names in _models(loaded).values() for name in names}
    weights = [(f"workers.checkpoints.{name}", name) for name in loaded.config.workers.checkpoints]
    servers = [(f"workers.remote.{name}", name) for name in loaded.config.workers.remote]
    for key, name in [*weights, *servers, *_overrides(loaded)]:
        if name not in used:
            yield (
                f"{key} ({loaded.origins[key]}) has no effect: no prediction loop uses {name}. "
                "Add it to short_term.models or long_term.models (--models)"
            )


def _bindings(loaded: Loaded) -> dict[str, list[int]]:
    """Every list of CPUs that is not empty, by the key that was written."""
    config = loaded.config
    bindings = {
        "process.cpu_affinity": config.process.cpu_affinity,
        "workers.cpu_affinity": config.workers.cpu_affinity,
    }
    for name, terms in config.workers.overrides.items():
        bindings[f"workers.overrides.{name}"] = terms.cpu_affinity or []
    return {key: cpus for key, cpus in bindings.items() if cpus}


def _missing_cpus(loaded: Loaded, key: str, wanted: list[int]) -> Iterator[Problem]:
    usable = usable_cpus()
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
