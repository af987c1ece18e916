"""``chronotick doctor``: what this machine can do, what is wrong, and the command that mends it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import click

from chronotick.cli import doctor_daemon, doctor_servers
from chronotick.cli.examined import Examined, examine
from chronotick.cli.finding import Finding
from chronotick.cli.output import BAD_CONFIGURATION, FAILED, json_option, print_json
from chronotick.cli.settings import config_option

SLOW_CLOCK_NS = 500.0  # a system call: the vDSO takes a tenth of it
READ_WITHOUT_CALL = {"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"}
FREE_FOR_ENVIRONMENTS_GB = 3.0  # torch and its friends, once

_AS_ITS_USER = "run chronotick doctor as the daemon's user"
_OF_ITS_USER = {"clock_measurement.ntp.key_file", "http.token_file"}  # no other may read them


@click.command()
@config_option
@json_option
def doctor(config_path: Path | None, *, as_json: bool) -> None:
    """Check clocks, reader, record, sockets, history, servers' names, plugins, uv and disk.

    Without --config it looks at what the daemon runs with, if one does: its file, variables and
    options. The first line says what it is. Exit code 1 if something is bad.
    """
    examined = examine(config_path)
    findings = [*examined.origin, *(found for check in CHECKS for found in check(examined))]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{finding.state:4}  {finding.what}: {finding.evidence}")
            if finding.fix:
                click.echo(f"      -> {finding.fix}")
    if examined.refused:
        raise click.exceptions.Exit(BAD_CONFIGURATION)
    if any(finding.state == "bad" for finding in findings):
        raise click.exceptions.Exit(FAILED)


def _clocks(examined: Examined) -> Iterable[Finding]:
    del examined
    source = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    name = source.read_text(encoding="ascii").strip() if source.exists() else sys.platform
    yield _clock(name, min(_cost_of_reading_ns() for _ in range(10)))


def _cost_of_reading_ns() -> float:
    """Mean of a hundred reads; whatever else the host does makes it longer, never shorter."""
    started = time.perf_counter_ns()
    for _ in range(100):
        time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    return (time.perf_counter_ns() - started) / 100


def _clock(source: str, cost_ns: float) -> Finding:
    evidence = f"source {source}, CLOCK_MONOTONIC_RAW costs {cost_ns:.0f} ns"
    if cost_ns <= SLOW_CLOCK_NS:
        return Finding("ok", "clock", evidence)
    if source in READ_WITHOUT_CALL:
        fix = "reads are slow though the source is a fast one: a kernel before 5.3, or a sandbox"
    else:
        fix = "reads are slow: choose a clock source with a vDSO (tsc)"
    return Finding("note", "clock", evidence, fix)


def _reader(examined: Examined) -> Iterable[Finding]:
    del examined
    try:
        import chronotick.shm._creader  # noqa: F401 - whether it is there is the question
    except ImportError:
        yield Finding(
            "note",
            "reader",
            "pure Python: the C extension was not built",
            "install a C compiler and Python's headers, then reinstall chronotick",
        )
    else:
        yield Finding("ok", "reader", "C extension")


def _plugins(examined: Examined) -> Iterable[Finding]:
    from chronotick.cli.fitting import misfits
    from chronotick.plugin.registry import load_plugins

    plugins = load_plugins()
    yield Finding("ok", "models", ", ".join(plugins.models))
    for problem in plugins.problems:
        yield Finding("bad", f"plugin {problem.name}", problem.error, problem.hint)
    for misfit in misfits(examined.loaded, plugins):
        if examined.of_another_user and misfit.path in _OF_ITS_USER:
            yield Finding("note", "configuration", f"for this user, {misfit}", _AS_ITS_USER)
        else:
            fix = "correct it, then run: chronotick config check"
            yield Finding("bad", "configuration", str(misfit), fix)


def _uv(examined: Examined) -> Iterable[Finding]:
    from chronotick.workers.errors import EnvironmentProblem
    from chronotick.workers.uv import find_uv

    try:
        yield Finding("ok", "uv", str(find_uv()))
    except EnvironmentProblem as problem:
        yield Finding("note", "uv", problem.problem, problem.hint)
    yield _room(examined.loaded.config.workers.environments)


def _room(root: Path) -> Finding:
    """What is free where environments are built."""
    import shutil

    try:
        existing = next(each for each in (root, *root.parents) if each.exists())
        free_gb = shutil.disk_usage(existing).free / 1e9
    except OSError as error:
        evidence = f"{root} cannot be looked at by this user: {error.strerror}"
        return Finding("note", "disk for environments", evidence, _AS_ITS_USER)
    short = free_gb < FREE_FOR_ENVIRONMENTS_GB
    fix = "free some, or set workers.environments to a larger disk" if short else ""
    state: Literal["note", "ok"] = "note" if short else "ok"
    return Finding(state, "disk for environments", f"{free_gb:.1f} GB free at {existing}", fix)


CHECKS: tuple[Callable[[Examined], Iterable[Finding]], ...] = (
    _clocks,
    _reader,
    doctor_daemon.record,
    doctor_daemon.control,
    doctor_daemon.history,
    doctor_servers.servers,
    doctor_daemon.watchdog,
    _plugins,
    _uv,
)
