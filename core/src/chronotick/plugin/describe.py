"""Asking one plugin what it provides: here, or as a program of its own whose answer is data.

A plugin's light module may still hang, print, crash or leave. So the daemon never imports one that
is not its own: it runs this program, ``python -c <start> '{"name": …}'``, and reads JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final

import pluggy

from chronotick.plugin import hooks
from chronotick.plugin.contract import ModelSpec
from chronotick.plugin.specs import BadSpecification, check_specification

HEAVY: Final = frozenset(
    {"jax", "pandas", "scipy", "sklearn", "tensorflow", "torch", "transformers"}
)
"""What the module of an entry point may not import: the daemon does not have it."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with a plugin, and what to do about it."""

    error: str
    hint: str


def offered(entry: EntryPoint) -> list[Any]:
    """Import a plugin and return what its hook returns, unchecked.

    Raises:
        BadSpecification: it hooks nothing.
        Exception: whatever it, or its import, raises.
    """
    # A manager of its own per plugin: in a shared one, one failing hook ends the call for all.
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    plugin = entry.load()
    manager.register(plugin, name=entry.name)
    manager.check_pending()
    if not manager.hook.chronotick_models.get_hookimpls():
        raise BadSpecification("it has no function `chronotick_models` marked with @hookimpl")
    return [spec for answer in manager.hook.chronotick_models() for spec in answer]


def sorted_out(
    specs: Iterable[object], taken: Mapping[str, str]
) -> tuple[list[ModelSpec], list[Complaint]]:
    """Tell good specifications from bad ones."""
    good: dict[str, ModelSpec] = {}
    bad: list[Complaint] = []
    for spec in specs:
        try:
            check_specification(spec, taken={**taken, **dict.fromkeys(good, "itself")})
        except BadSpecification as error:
            bad.append(Complaint(str(error), "Its author must correct it."))
            continue
        assert isinstance(spec, ModelSpec)  # noqa: S101 - it was checked
        good[spec.name] = spec
    return list(good.values()), bad


def complaint(error: BaseException, distribution: str) -> Complaint:
    """Put what a plugin raised into words."""
    text = " ".join(str(error).split()) or "no message"
    return Complaint(f"{type(error).__name__}: {text}", _hint(error, distribution))


def _hint(error: BaseException, distribution: str) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name in HEAVY:
        return (
            f"The plugin imports {error.name} in the daemon, where it is not installed. Its author "
            "must move that import into the worker class."
        )
    if isinstance(error, ImportError):
        return f"Install it again: pip install --force-reinstall {distribution or 'the plugin'}"
    if isinstance(error, (pluggy.PluginValidationError, BadSpecification)):
        return "Its author must correct the hook: see docs/plugins.md."
    return f"Report it to its author, or remove it: pip uninstall {distribution or 'the plugin'}"


def main(question: Mapping[str, Any]) -> None:
    """Describe the plugin of one entry point on standard output, as JSON.

    Args:
        question: ``name``, ``value`` and ``distribution`` of the entry point, and ``deadline_s``.
    """
    # The kernel ends what hangs, also while the GIL is held and when nobody is left to kill it.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, question["deadline_s"])
    answer_to = _private_output()
    entry = EntryPoint(question["name"], question["value"], hooks.ENTRY_POINT_GROUP)
    before = set(sys.modules)
    try:
        good, bad = sorted_out(offered(entry), taken={})
        answer = _answer(good, bad, _files(before))
    except BaseException as error:  # noqa: BLE001 - a plugin may even call sys.exit
        answer = _answer([], [complaint(error, question["distribution"])], {})
    with os.fdopen(answer_to, "w", encoding="utf-8") as out:
        out.write(answer)
        out.flush()
        os._exit(0)  # threads and exit handlers of the plugin are of no interest


def _answer(
    models: Sequence[ModelSpec], complaints: Sequence[Complaint], files: Mapping[str, list[int]]
) -> str:
    return json.dumps(
        {
            "models": [asdict(spec) for spec in models],
            "complaints": [asdict(each) for each in complaints],
            "files": files,
        }
    )


def _private_output() -> int:
    """Keep standard output for the answer; what the plugin prints goes nowhere."""
    answer_to = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for standard in (1, 2):
        os.dup2(nowhere, standard)
    return answer_to


def _files(before: set[str]) -> dict[str, list[int]]:
    """Modification time (ns) and size of what was imported, and of what reads it."""
    ours, standard = str(Path(__file__).parent), sysconfig.get_path("stdlib") + "/"
    site = sysconfig.get_path("purelib") + "/"
    files = {}
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if not isinstance(path, str) or (name in before and not path.startswith(ours)):
            continue
        if path.startswith(standard) and not path.startswith(site):
            continue
        # What is inside an archive is as old as the archive.
        file = next(place for place in (Path(path), *Path(path).parents) if place.exists())
        stat = file.stat()
        files[str(file)] = [stat.st_mtime_ns, stat.st_size]
    return files
