"""The daemon with symmetric keys: what it believes, and what it says of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))  # test folders are not packages
from documents import blocks

from chronotick.shm.layout import Status

pytestmark = pytest.mark.chronyd

NTP = "CHRONOTICK_CLOCK_MEASUREMENT__NTP__"
TIMING = "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__"
SECRET = "75530bf0a4b5ffe788bff3d85961ec48"  # noqa: S105 - of nobody
LINE = f"10 AES128 HEX:{SECRET}\n"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return written(tmp_path / "keys", LINE)


@pytest.fixture
def keyed(start_chronyd, tmp_path: Path):
    """A chronyd that has the key."""
    with start_chronyd(f"keyfile {written(tmp_path / 'server.keys', LINE)}") as port:
        yield f"key://10@127.0.0.1:{port}"


def written(path: Path, text: str) -> Path:
    """Write all at once: the daemon looks at any moment."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text)
    return new.replace(path)


def variables(keys: Path) -> dict[str, str]:
    return {
        f"{NTP}KEY_FILE": str(keys),
        f"{NTP}AUTHENTICATION": "require",
        f"{NTP}TIMEOUT_SECONDS": "0.4",
        "CHRONOTICK_WARMUP": "0.5",
        f"{TIMING}WARM_UP__MEASUREMENT_INTERVAL": "0.1",
        f"{TIMING}NORMAL_OPERATION__MEASUREMENT_INTERVAL": "0.2",
        f"{TIMING}NORMAL_OPERATION__MAX_INTERVAL": "0.4",
    }


def run(daemon, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "chronotick", *words]
    return subprocess.run(line, env=daemon.environ, capture_output=True, text=True, check=False)


def test_where_authentication_is_required_a_server_with_a_key_is_enough(
    start_daemon, keyed, chronyd, keys
):
    daemon = start_daemon("--server", keyed, "--server", chronyd, **variables(keys))
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: daemon.sources[chronyd]["reason"] == "A")
    found = daemon.sources
    assert (found[keyed]["reason"], found[keyed]["authenticated"]) == ("*", True)
    assert (found[keyed]["id"], found[keyed]["stamps"]) == (keyed, "kernel")
    assert not found[chronyd]["authenticated"]
    assert daemon.is_authenticated
    assert keyed in run(daemon, "sources").stdout


def test_a_key_is_in_no_log_trace_or_status(start_daemon, keyed, keys, tmp_path):
    trace = tmp_path / "trace"
    more = {"CHRONOTICK_LOGGING__DEBUG_TRACE": str(trace), "CHRONOTICK_LOGGING__LEVEL": "DEBUG"}
    daemon = start_daemon("--server", keyed, **variables(keys), **more)
    daemon.wait_for(Status.SYNCHRONISED)
    words = [["sources"], ["sources", "--json"], ["status", "--json"], ["config", "show"]]
    shown = "".join(run(daemon, *line).stdout for line in words)
    written(keys, LINE.replace("AES128", "AES256"))
    daemon.wait_until(lambda: daemon.sources[keyed]["drops"].get("key", 0) > 0)
    shown += run(daemon, "sources").stdout
    daemon.stop()
    assert shown.count(keyed) >= 4
    assert keyed in trace.read_text()
    assert SECRET not in (daemon.log + shown + trace.read_text()).lower()


def test_a_changed_key_ends_in_holdover_and_a_mended_file_ends_that(start_daemon, keyed, keys):
    daemon = start_daemon("--server", keyed, **variables(keys))
    daemon.wait_for(Status.SYNCHRONISED)
    written(keys, LINE.replace("75", "57"))
    daemon.wait_for(Status.HOLDOVER)
    assert daemon.sources[keyed]["last_error"] == (
        "no reply in time. A server that does not have key 10, or has another under that number, "
        "does not answer"
    )
    written(keys, f"10 {SECRET} AES128\n")
    mistake = f"{keys}:1: the key's type is none of"
    daemon.wait_until(lambda: daemon.sources[keyed]["last_error"].startswith(mistake))
    assert daemon.sources[keyed]["drops"]["key"] > 0
    written(keys, LINE)
    daemon.wait_for(Status.SYNCHRONISED)
    assert SECRET not in daemon.log.lower()
    assert "Traceback" not in daemon.log


def test_that_only_others_are_believed_is_told_and_that_it_is_over(
    start_daemon, keyed, chronyd, keys
):
    preferring = variables(keys) | {f"{NTP}AUTHENTICATION": "prefer"}
    daemon = start_daemon("--server", keyed, "--server", chronyd, **preferring)
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: {daemon.sources[s]["reason"] for s in (keyed, chronyd)} == {"*", "+"})
    daemon.wait_until(lambda: not daemon.is_authenticated)  # both are behind the time
    assert daemon.ask("status")["problems"] == []
    keys.unlink()
    daemon.wait_until(lambda: f"{keyed}: cannot be asked: {keys}: " in daemon.log)
    daemon.wait_until(lambda: daemon.ask("status")["problems"] != [])
    problem = (
        "time is not authenticated: the server with NTS or a key is not believed. "
        "See: chronotick sources"
    )
    assert daemon.ask("status")["problems"] == [problem]
    assert problem in run(daemon, "status").stdout
    written(keys, LINE)
    daemon.wait_until(lambda: daemon.ask("status")["problems"] == [])
    assert daemon.log.count(f"{keyed}: cannot be asked") == 1
    assert daemon.log.count(f"{keyed}: can be asked again") == 1
    assert daemon.log.count(problem) == 1
    assert f"a server with NTS or a key is believed again: {keyed}" in daemon.log


def test_a_reload_and_a_check_tell_what_is_wrong_with_the_keys(start_daemon, keyed, keys):
    daemon = start_daemon("--server", keyed, **variables(keys))
    daemon.wait_for(Status.SYNCHRONISED)
    keys.chmod(0o644)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: "not reloaded" in daemon.log)
    assert f"{keys}: others may read it. Run: chmod 640 {keys}" in daemon.log
    again = run(daemon, "run", "--server", keyed)
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "others may read it" in again.stderr
    keys.chmod(0o600)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_until(lambda: "configuration reloaded" in daemon.log)


def test_the_page_on_symmetric_keys_can_be_followed(start_daemon, start_chronyd, tmp_path):
    """Its own lines for making a key, for the server and for the client, on this machine."""
    name = "test_the_page_on_symmetric_keys_can_be_followed"
    page = blocks("docs/nts.md")
    first = next(n for n, block in enumerate(page) if name in block.marked("run by"))
    made, server, client = page[first : first + 3]
    subprocess.run(["/bin/sh", "-c", made.text], cwd=tmp_path, check=True)
    file = str(tmp_path / "chrony.keys")
    directives = server.text.replace("/etc/chrony/chrony.keys", file).splitlines()
    with start_chronyd(*directives) as port:
        settings = yaml.safe_load(client.text)
        ntp = settings["clock_measurement"]["ntp"]
        ntp |= {"servers": [f"key://10@127.0.0.1:{port}"], "key_file": file}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(settings))
        daemon = start_daemon("--config", str(tmp_path / "c.yaml"))
        daemon.wait_for(Status.SYNCHRONISED)
        assert daemon.is_authenticated
