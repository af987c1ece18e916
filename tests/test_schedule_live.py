"""Slow, broken and hanging things around a real daemon: the clock starts and runs as without."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chronotick.plugin.reading import DEADLINE_S
from chronotick.shm.layout import Status
from chronotick.testing.installed import lay_out

pytestmark = pytest.mark.chronyd

BAD = {
    "broken": "raise RuntimeError('at import')",
    "slow": "import time; time.sleep(600)",
    "hanging": "import ctypes; ctypes.PyDLL(None).sleep(3600)",
}
ENDLESS = ("slow", "hanging")
UNTIL_LATE_S = DEADLINE_S + 60.0
TOO_LATE = f"took longer than {DEADLINE_S:g} s"
GOOD = """
from chronotick.plugin import CURRENT_INTERPRETER, ModelSpec, hookimpl

@hookimpl
def chronotick_models():
    return [ModelSpec(name="late-comer", title="T", worker="chronotick.plugin.echo:Echo",
                      licence="MIT", output="quantiles", environment=CURRENT_INTERPRETER)]
"""


def install(folder: Path, name: str, source: str) -> None:
    """Install a plugin of one module."""
    module = f"plugin_{name}"
    lay_out(folder, f"plugin-{name}", {f"{module}.py": source}, entry_points={name: module})


@pytest.fixture
def bad_plugins(tmp_path: Path) -> dict[str, str]:
    """Variables with which the daemon finds a broken, a slow and a hanging plugin."""
    for name, source in BAD.items():
        install(tmp_path / "site", name, source)
    return {"PYTHONPATH": str(tmp_path / "site"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def problems(daemon) -> str:
    return "\n".join(daemon.ask("status")["problems"])


def test_the_clock_does_not_wait_for_bad_plugins(start_daemon, chronyd, bad_plugins):
    daemon = start_daemon("--server", chronyd, "--models", "kalman,line", **bad_plugins)
    daemon.wait_for(Status.SYNCHRONISED)
    # It is synchronised while those two are still being imported, or the machine stood still.
    daemon.wait_until(lambda: problems(daemon).count(TOO_LATE) == len(ENDLESS), UNTIL_LATE_S)
    assert "plugin broken: RuntimeError: at import" in problems(daemon)
    assert "pip uninstall plugin-hanging" in problems(daemon)
    assert "plugin slow left out" in daemon.log
    assert daemon.status is Status.SYNCHRONISED
    assert set(daemon.ask("models")) == {"kalman", "line"}


def test_a_model_that_is_named_and_never_comes_does_not_stop_the_clock(
    start_daemon, chronyd, bad_plugins
):
    daemon = start_daemon("--server", chronyd, "--models", "kalman,hanging", **bad_plugins)
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: daemon.ask("models")["hanging"]["state"] == "broken", UNTIL_LATE_S)
    assert "unknown model 'hanging'" in daemon.ask("models")["hanging"]["last_error"]
    assert daemon.status is Status.SYNCHRONISED


def test_a_model_appears_when_its_plugin_has_been_read(
    start_daemon, chronyd, bad_plugins, tmp_path
):
    install(tmp_path / "site", "late", "import time; time.sleep(5)\n" + GOOD)
    daemon = start_daemon("--server", chronyd, "--models", "kalman,late-comer", **bad_plugins)
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: daemon.ask("models")["late-comer"]["state"] == "ready")
    daemon.wait_until(lambda: daemon.ask("models")["late-comer"].get("answers", 0) > 0)


def test_no_process_of_a_plugin_outlives_a_killed_daemon(start_daemon, chronyd, bad_plugins):
    """Who imports a plugin is ended by the kernel's alarm when there is nobody left to do it."""
    daemon = start_daemon("--server", chronyd, "--models", "kalman", **bad_plugins)
    site = bad_plugins["PYTHONPATH"]
    daemon.wait_until(lambda: len(readers(site)) == len(ENDLESS))
    daemon.process.kill()
    daemon.process.wait()
    deadline = time.monotonic() + UNTIL_LATE_S
    while readers(site):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def readers(site: str) -> list[str]:
    """Command lines of processes that import plugins from a folder."""
    lines = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                lines.append((entry / "cmdline").read_bytes().decode(errors="replace"))
    return [line for line in lines if "chronotick.plugin.describe" in line and site in line]


def test_a_model_that_cannot_keep_up_is_told_with_a_suggestion(start_daemon, chronyd):
    daemon = start_daemon(
        "--server",
        chronyd,
        "--models",
        "kalman,echo",
        "--checkpoint",
        "echo=late=1",
        CHRONOTICK_SHORT_TERM__TIMEOUT_SECONDS="0.3",
        CHRONOTICK_SHORT_TERM__INFERENCE_INTERVAL="1",
        CHRONOTICK_LONG_TERM__ENABLED="false",
    )
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: "too slow for its deadline of 0.3 s" in problems(daemon))
    command = [sys.executable, "-m", "chronotick", "models", "status"]
    shown = subprocess.run(
        [*command, "--socket", str(daemon.directory / "control.sock")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "asked every" in shown
    assert "short_term.overrides.echo.timeout_seconds: " in " ".join(shown.split())
    loop = daemon.ask("models")["echo"]["loops"]["short_term"]
    assert loop["deadline_misses"] >= 1
    assert loop["latency_p90_ms"] >= 1000
    assert daemon.status is Status.SYNCHRONISED


def test_reload_takes_over_terms_of_single_models(start_daemon, chronyd, tmp_path):
    path = tmp_path / "config.yaml"
    head = f"clock_measurement: {{ntp: {{servers: ['{chronyd}']}}}}\n"
    models = "models: [kalman, echo], trigger: interval, inference_interval: 3600"
    path.write_text(f"{head}short_term: {{{models}}}\nlong_term: {{enabled: false}}\n")
    daemon = start_daemon("--config", str(path))
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: daemon.ask("models")["echo"].get("answers", 0) >= 1)
    pid = daemon.ask("models")["echo"]["where"]
    terms = "overrides: {echo: {inference_interval: 0.2}}"
    path.write_text(f"{head}short_term: {{{models}, {terms}}}\nlong_term: {{enabled: false}}\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: daemon.ask("models")["echo"]["answers"] >= 5)
    assert daemon.ask("models")["echo"]["where"] == pid  # the same worker, asked more often
