"""Programs beside the daemon: started, started again, ended; real processes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.config import load
from chronotick.config.schema import Config
from chronotick.daemon import companions
from chronotick.daemon.companions import LIFELINE, Companion, Companions, wanted


def test_nothing_is_started_unless_asked_for():
    assert wanted(Config()) == {}


def test_the_command_lines_say_all_that_was_configured(tmp_path: Path):
    config = Config.model_validate(
        {
            "http": {"listen": "127.0.0.1:8123", "token_file": str(tmp_path / "token")},
            "neighbours": {
                "ntp": ["127.0.0.1:11123"],
                "ntp_rate": 50,
                "sock_interval_seconds": 2,
                "sock": ["/run/a.sock", "/run/b.sock"],
                "clockbound": "/run/clockbound/shm0",
            },
            "shm": {"path": "/run/record"},
            "control": {"socket": "/run/c.sock"},
            "history": {"path": "/var/h.sqlite3"},
        }
    )
    shared = ["--shm", "/run/record", "--socket", "/run/c.sock"]
    assert wanted(config) == {
        "http": [
            *("http", "--listen", "127.0.0.1:8123", "--history", "/var/h.sqlite3"),
            *("--token-file", str(tmp_path / "token"), *shared),
        ],
        "neighbours": [
            *("neighbours", "--ntp", "127.0.0.1:11123", "--ntp-rate", "50"),
            *("--sock", "/run/a.sock", "--sock-interval", "2"),
            *(
                "--sock",
                "/run/b.sock",
                "--sock-interval",
                "2",
                "--clockbound",
                "/run/clockbound/shm0",
                *shared,
            ),
        ],
    }


@pytest.mark.parametrize("listen", ["8123", "localhost", "unix:", "tcp://a:1", "127.0.0.1:x"])
def test_addresses_are_checked_with_the_configuration(listen: str):
    with pytest.raises(ValueError, match="HOST:PORT"):
        Config.model_validate({"http": {"listen": listen}})


async def _until(condition: Callable[[], bool]) -> None:
    async def poll() -> None:
        while not condition():  # noqa: ASYNC110 - a process outside of this loop is watched
            await asyncio.sleep(0.02)

    await asyncio.wait_for(poll(), 30)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A program in place of ``python -m chronotick``; its arguments are a script."""
    script = tmp_path / "program"
    script.write_text(f'#!/bin/sh\nshift 2\nexec {sys.executable} -c "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr(companions.sys, "executable", str(script))
    monkeypatch.setattr(companions, "PAUSES_S", (0.01, 0.02))
    return script


async def test_one_that_ends_is_started_again_and_its_end_is_told(program: Path):
    companion = Companion("sleepy", ["raise SystemExit(7)"], {})
    task = asyncio.create_task(companion.run())
    await _until(lambda: companion.report()["restarts"] >= 3)
    problems = set()
    await _until(lambda: problems.add(companion.report()["problem"]) or len(problems) > 1)
    assert any("ended with code 7" in problem for problem in problems)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_cancelling_ends_the_program(program: Path):
    companion = Companion("sleepy", ["import time; time.sleep(600)"], {})
    task = asyncio.create_task(companion.run())
    await _until(lambda: companion.report()["running"])
    pid = companion.report()["pid"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not _is_running(pid)
    assert companion.report() == {
        "running": False,
        "pid": None,
        "restarts": 0,
        "said": "",
        "problem": "",
    }


async def test_one_that_ignores_sigterm_is_killed(program: Path, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(companions, "TERMINATION_S", 0.2)
    mark = tmp_path / "deaf"
    deaf = (
        "import pathlib, signal, time; signal.signal(15, signal.SIG_IGN); "
        f"pathlib.Path({str(mark)!r}).touch(); time.sleep(600)"
    )
    companion = Companion("deaf", [deaf], {})
    task = asyncio.create_task(companion.run())
    await _until(mark.exists)
    pid = companion.report()["pid"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not _is_running(pid)


async def test_pauses_grow_while_it_ends_at_once_and_begin_anew_after_it_ran_for_long(
    program: Path, monkeypatch, caplog
):
    """One that had run for long was the one that waited a minute: index -1."""
    monkeypatch.setattr(companions, "PAUSES_S", (0.01, 0.02, 0.03))
    companion = Companion("sleepy", ["raise SystemExit(7)"], {})
    task = asyncio.create_task(companion.run())
    await _until(lambda: companion.report()["restarts"] >= 4)
    monkeypatch.setattr(companions, "PROVEN_S", 0.0)
    await _until(lambda: companion.report()["restarts"] >= 8)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    pauses = [
        record.message.rpartition(" in ")[2]
        for record in caplog.records
        if "ended" in record.message
    ]
    assert pauses[:4] == ["0.01 s", "0.02 s", "0.03 s", "0.03 s"]
    assert pauses[-1] == "0.01 s"


async def test_one_that_cannot_be_started_is_tried_again(program: Path, monkeypatch):
    """An interpreter that is replaced by an upgrade is away for a moment."""
    good = companions.sys.executable
    monkeypatch.setattr(companions.sys, "executable", str(program.with_name("absent")))
    companion = Companion("sleepy", ["import time; time.sleep(600)"], {})
    task = asyncio.create_task(companion.run())
    await _until(lambda: "cannot be started" in companion.report()["problem"])
    monkeypatch.setattr(companions.sys, "executable", good)
    await _until(lambda: companion.report()["running"])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_they_log_as_the_daemon_does_and_read_no_file_of_their_own():
    config = Config.model_validate({"logging": {"format": "json", "level": "debug"}})
    environ = companions.environment(config)
    assert environ["CHRONOTICK_LOGGING__FORMAT"] == "json"
    assert environ["CHRONOTICK_LOGGING__LEVEL"] == "DEBUG"
    assert Path(environ["CHRONOTICK_CONFIG"]).name == "default.yaml"
    loaded = load(None, environ, {}).config
    assert loaded.logging == config.logging


def test_a_clock_that_would_follow_itself_is_refused():
    with pytest.raises(ValueError, match="the clock would follow itself"):
        Config.model_validate(
            {
                "clock_measurement": {"ntp": {"servers": ["127.0.0.1:11123"]}},
                "neighbours": {"ntp": ["127.0.0.1:11123"]},
            }
        )


def test_an_ntp_server_has_a_port():
    with pytest.raises(ValueError, match="port 0"):
        Config.model_validate({"neighbours": {"ntp": ["127.0.0.1:0"]}})


async def test_a_reload_replaces_what_changed_and_ends_what_is_gone(program: Path, monkeypatch):
    lines: dict[str, list[str]] = {}
    monkeypatch.setattr(companions, "wanted", lambda _: lines)
    beside = Companions()
    lines.update(a=["import time; time.sleep(600)"], b=["import time; time.sleep(601)"])
    await beside.use(Config())
    await _until(lambda: all(told["running"] for told in beside.report().values()))
    first = {name: told["pid"] for name, told in beside.report().items()}
    lines.update(b=["import time; time.sleep(602)"])
    await beside.use(Config())
    await _until(lambda: all(told["running"] for told in beside.report().values()))
    second = {name: told["pid"] for name, told in beside.report().items()}
    assert second["a"] == first["a"]
    assert second["b"] != first["b"]
    del lines["a"]
    await beside.use(Config())
    assert list(beside.report()) == ["b"]
    await beside.close()
    assert not any(map(_is_running, {*first.values(), *second.values()}))


def test_a_program_on_the_lifeline_ends_with_its_parent():
    code = (
        "import time; from chronotick.cli.lifeline import end_with_parent as e; e(); time.sleep(99)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, env=os.environ | {LIFELINE: "stdin"}
    )
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(30) == -15


async def test_why_it_failed_is_said_in_status_and_in_the_log(program: Path, caplog, capfd):
    """The sentence stood on standard error alone, between lines of JSON."""
    script = "import sys; print('a log line', file=sys.stderr); sys.exit('chronotick: port in use')"
    companion = Companion("picky", [script], {})
    task = asyncio.create_task(companion.run())
    await _until(lambda: "port in use" in companion.report()["problem"])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "picky: port in use" in [record.message for record in caplog.records]
    errors = capfd.readouterr().err
    assert "a log line" in errors
    assert "port in use" not in errors


async def test_what_it_prints_is_told(program: Path, caplog):
    caplog.set_level("INFO")
    script = "import time; print('listening at http://127.0.0.1:1/', flush=True); time.sleep(600)"
    companion = Companion("http", [script], {})
    task = asyncio.create_task(companion.run())
    await _until(lambda: companion.report()["said"] == "listening at http://127.0.0.1:1/")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "http: listening at http://127.0.0.1:1/" in [each.message for each in caplog.records]


@pytest.mark.parametrize("listen", ["0.0.0.0:80", "192.0.2.1:80", "[::]:80", "example.org:80"])
def test_an_address_that_others_reach_needs_a_token(listen: str):
    with pytest.raises(ValueError, match="needs a token_file"):
        Config.model_validate({"http": {"listen": listen}})
    Config.model_validate({"http": {"listen": listen, "token_file": "/run/token"}})


@pytest.mark.parametrize("listen", ["localhost:80", "127.0.0.2:80", "[::1]:80", "unix:/run/x"])
def test_a_local_address_needs_none(listen: str):
    assert Config.model_validate({"http": {"listen": listen}}).http.token_file is None


def test_the_daemon_imports_nothing_of_the_views():
    """Whoever shows the clock costs the daemon nothing, and certainly no memory."""
    code = (
        "import sys, chronotick.daemon.app, chronotick.cli.run; "
        "views = ('starlette', 'uvicorn', 'mcp', 'textual', 'prometheus_client', "
        "'chronotick.views', 'chronotick.http', 'chronotick.mcp', 'chronotick.tui', "
        "'chronotick.neighbours', 'chronotick.metrics', 'chronotick.access'); "
        "print([name for name in views if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
