"""Secrets are in no log, status, trace, argument list or environment that others see."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

import chronotick
from chronotick.clock import read_clocks
from chronotick.config.schema import Config
from chronotick.daemon.trace_lines import header
from chronotick.workers.child import Bootstrap
from chronotick.workers.keys import generate, read_pair
from chronotick.workers.launch import Launcher, worker_variables
from chronotick.workers.leases import Lease

SECRET = "hunter2-hunter2-hunter2"  # noqa: S105 - what is looked for


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "ntp.keys"
    path.write_text(f"10 SHA256 {SECRET}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def configuration(tmp_path: Path, token_file: Path, key_file: Path) -> Path:
    path = tmp_path / "chronotick.yaml"
    listen = "{listen: '127.0.0.1:0', token_file: " + str(token_file) + "}"
    ntp = "{servers: ['key://10@192.0.2.1'], key_file: " + str(key_file) + "}"
    path.write_text(
        f"http: {listen}\nworkers: {{keys: {tmp_path / 'keys'}}}\n"
        f"clock_measurement: {{ntp: {ntp}}}\n"
    )
    return path


def shown(configuration: Path, *words: str) -> str:
    environ = os.environ | {"HF_TOKEN": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET}
    line = [sys.executable, "-m", "chronotick", *words, "--config", str(configuration)]
    done = subprocess.run(line, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_configuration_is_shown_with_the_names_of_secret_files_only(
    configuration: Path, token_file: Path, key_file: Path, tmp_path: Path
):
    pair = generate(tmp_path / "keys")
    told = shown(configuration, "config", "show") + shown(configuration, "config", "show", "--json")
    assert str(token_file) in told
    assert str(key_file) in told
    assert SECRET not in told
    assert pair.secret not in told


def test_a_debug_trace_begins_with_no_secret(
    token_file: Path, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", SECRET)
    pair = generate(tmp_path)
    config = Config.model_validate(
        {
            "http": {"token_file": token_file},
            "workers": {"keys": tmp_path},
            "clock_measurement": {"ntp": {"key_file": key_file}},
        }
    )
    line = json.dumps(header(config, {}, read_clocks()))
    assert str(token_file) in line
    assert str(key_file) in line
    assert SECRET not in line
    assert pair.secret not in line


def test_a_worker_inherits_no_secret_but_the_hubs_token():
    environ = {
        "HF_TOKEN": SECRET,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "CHRONOTICK_HTTP__TOKEN_FILE": "/secret",
        "LD_PRELOAD": "/evil/evil.so",
        "PYTHONPATH": "/evil",
        "SSH_AUTH_SOCK": "/run/agent",
    }
    given = worker_variables(environ, threads=1, offline=False)
    assert set(given) & set(environ) == {"HF_TOKEN"}


def seen_by_others(pid: int) -> tuple[bytes, bytes]:
    process = Path(f"/proc/{pid}")
    return (process / "cmdline").read_bytes(), (process / "environ").read_bytes()


async def test_a_workers_token_is_neither_among_its_arguments_nor_its_variables():
    """It goes through a pipe: arguments are for everybody on the host to read."""
    bootstrap = Bootstrap(address="ipc:///x", identity="a/1", token=SECRET, parent_pid=os.getpid())
    lease, launcher = (
        Lease(Path(sys.executable), (Path(chronotick.__file__).parents[1],)),
        Launcher(),
    )
    worker = await launcher.launch(lease, bootstrap, {"MARK": "here"}, logging.getLogger())
    arguments, variables = seen_by_others(worker.pid)
    while b"chronotick" not in arguments:  # not yet the program that it becomes
        await asyncio.sleep(0.01)
        arguments, variables = seen_by_others(worker.pid)
    await worker.end(grace_s=0)
    launcher.close()
    assert b"chronotick.workers.child" in arguments
    assert b"MARK" in variables
    assert SECRET.encode() not in arguments + variables


def test_keys_in_an_exception_or_a_log_do_not_show_their_secret_half(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    pair = generate(tmp_path)
    logging.getLogger("chronotick").error("%s %r %s", pair, read_pair(tmp_path), {"pair": pair})
    assert pair.public in caplog.text
    assert pair.secret not in caplog.text
