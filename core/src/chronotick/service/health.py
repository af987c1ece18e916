"""How a unit is doing, and why it is not: what systemd knows, in a sentence with file and line."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chronotick.service.errors import ServiceError
from chronotick.service.systemd import Place

_ASKED: Final = (
    *("LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "NRestarts"),
    *("ExecMainCode", "ExecMainStatus", "StatusText", "FragmentPath", "DropInPaths"),
)
_PATIENCE_S: Final = 60.0
_EXITED: Final = "1"  # CLD_EXITED, of ExecMainCode
_BAD_CONFIGURATION: Final = 2  # of `chronotick run`

# Exit codes of systemd itself, before the program runs (systemd.exec(5)), and which setting each
# comes from.
_BEFORE: Final[Mapping[int, tuple[str, str]]] = {
    203: ("ExecStart", "the program does not exist, or its user may not execute it"),
    216: ("Group", "there is no such group. Run: systemd-sysusers"),
    217: ("User", "there is no such user. Run: systemd-sysusers"),
    218: ("CapabilityBoundingSet", "capabilities cannot be dropped"),
    226: ("ProtectSystem", "a directory is missing, or this host allows no namespaces"),
    228: ("SystemCallFilter", "system calls cannot be filtered here"),
    233: ("RuntimeDirectory", "its directory below /run cannot be made"),
    238: ("StateDirectory", "its directory below /var/lib cannot be made"),
    239: ("CacheDirectory", "its directory below /var/cache cannot be made"),
    241: ("ConfigurationDirectory", "its directory below /etc cannot be made"),
}
_RESULTS: Final = {
    "watchdog": "it gave no sign of life within WatchdogSec= and was ended",
    "start-limit-hit": "it failed too often; once mended, run: systemctl reset-failed",
    "oom-kill": "memory ran out",
    "timeout": "it did not serve, or did not end, in time",
}


@dataclass(frozen=True, slots=True)
class Unit:
    """What systemd says of a unit.

    Attributes:
        name: of the unit.
        active: whether it runs.
        state: in systemd's words, e.g. ``active (running), enabled``.
        says: what the daemon says of itself.
        problems: what is wrong, each a sentence.
    """

    name: str
    active: bool
    state: str
    says: str
    problems: tuple[str, ...]


def ask(place: Place, name: str) -> Unit:
    """Ask systemd about a unit.

    Raises:
        ServiceError: there is no systemctl, or no systemd that answers it.
    """
    known = _show(place, name)
    files = [Path(each) for each in (known["FragmentPath"], *known["DropInPaths"].split()) if each]
    state = f"{known['ActiveState']} ({known['SubState']}), {known['UnitFileState'] or 'unknown'}"
    return Unit(
        name,
        known["ActiveState"] in {"active", "reloading"},
        state,
        known["StatusText"],
        (*_failure(known, files, place.journal(name)), *complaints(files[:1])),
    )


def complaints(units: Sequence[Path]) -> tuple[str, ...]:
    """Return what ``systemd-analyze verify`` finds wrong with units and their drop-ins.

    Each begins with ``FILE:LINE:`` where systemd knows it.
    """
    if not units or shutil.which("systemd-analyze") is None:
        return ()
    command = ["systemd-analyze", "verify", "--man=no", *map(str, units)]
    done = _output(command)
    ours = [line for line in done.stderr.splitlines() if "chronotick" in line]
    return tuple(dict.fromkeys(ours))


def _failure(known: Mapping[str, str], files: Sequence[Path], journal: str) -> list[str]:
    if known["LoadState"] in {"not-found", "masked", "bad-setting", "error"}:
        return [f"it cannot be used: {known['LoadState']}"]
    if known["Result"] in {"", "success"}:
        return []
    code = int(known["ExecMainStatus"] or 0) if known["ExecMainCode"] == _EXITED else 0
    if code in _BEFORE:
        setting, why = _BEFORE[code]
        return [f"{_where(setting, files)}: {why}"]
    if code:
        wrong = code == _BAD_CONFIGURATION
        why = "its configuration or an option is wrong" if wrong else "it could not begin"
        return [f"{why} (exit code {code}): {journal} -n 20"]
    return [f"{_RESULTS.get(known['Result'], known['Result'])}: {journal} -n 20"]


def _where(setting: str, files: Sequence[Path]) -> str:
    """Return the line that decides a setting: the last one, drop-ins after the unit."""
    found = f"{files[0] if files else 'the unit'}: {setting}="
    for file in files:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        for number, line in enumerate(lines, 1):
            if line.startswith(f"{setting}="):
                found = f"{file}:{number}: {line}"
    return found


def _show(place: Place, name: str) -> dict[str, str]:
    done = _output([*place.command("show", name), f"--property={','.join(_ASKED)}"])
    if done.returncode != 0:
        said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0]
        raise ServiceError(f"systemd does not answer: {said}")
    lines = [line.partition("=")[::2] for line in done.stdout.splitlines() if "=" in line]
    return dict.fromkeys(_ASKED, "") | dict(lines)


def _output(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S
        )
    except FileNotFoundError:
        raise ServiceError(f"there is no program {command[0]} on this host") from None
    except subprocess.TimeoutExpired:
        raise ServiceError(f"{command[0]} gave no answer in {_PATIENCE_S:g} s") from None
