"""launchd: an agent of this user. Written from its documents; it was never run on a Mac."""

from __future__ import annotations

import os
import plistlib
from pathlib import Path
from typing import Final

from chronotick.service.plan import Plan, Remove, Run, Write
from chronotick.service.signed import Standing, signed, standing

LABEL: Final = "chronotick.daemon"
_TEXT: Final = Path(__file__).with_name("agents") / f"{LABEL}.plist"
_XML: Final = ("<!-- ", " -->")


def agent_path() -> Path:
    """Return where the agent is put."""
    return Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"


def to_install(program: Path, config: Path | None, *, start: bool) -> Plan:
    """Return what installs the agent; see :func:`chronotick.service.systemd.to_install`."""
    path = agent_path()
    steps = (Write(path, agent_text(program, config)),)
    if not start:
        return steps
    leave = Run(("launchctl", "bootout", f"{_domain()}/{LABEL}"), optional=True)
    hint = f"See what it said: {_log()}"
    return (*steps, leave, Run(("launchctl", "bootstrap", _domain(), str(path)), hint))


def to_uninstall() -> Plan:
    """Return what removes the agent."""
    path = agent_path()
    if standing(path) is Standing.ABSENT:
        return ()
    leave = Run(("launchctl", "bootout", f"{_domain()}/{LABEL}"), optional=True)
    return (leave, Remove(path))


def question() -> tuple[str, ...]:
    """Return the command that tells about the agent; it fails where launchd has none."""
    return ("launchctl", "print", f"{_domain()}/{LABEL}")


def agent_text(program: Path, config: Path | None = None) -> str:
    """Return the agent as it is written: with program, options and log in their places."""
    agent = plistlib.loads(_TEXT.read_bytes())
    options = ["--config", str(config)] if config else []
    agent["ProgramArguments"] = [str(program), "run", *options]
    agent["StandardErrorPath"] = str(_log())
    return signed(plistlib.dumps(agent).decode(), _XML)


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _log() -> Path:
    return Path.home() / "Library" / "Logs" / "chronotick.log"
