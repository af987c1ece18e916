"""The daemon with NTS: what it believes, and what it says of it, against a real chronyd."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chronotick.lab.network import Leg, PathModel
from chronotick.lab.oscillator import OSCILLATORS
from chronotick.lab.server import serve
from chronotick.lab.world import ServerModel, World
from chronotick.ntp.nts.interception import ADDRESS, intercepted
from chronotick.ntp.nts.testing import Authority, running_nts_chronyd
from chronotick.ntp.packet import HEADER_BYTES
from chronotick.shm.layout import Status

pytestmark = [pytest.mark.chronyd, pytest.mark.usefixtures("start_chronyd")]

LIE_S = 0.25
NTP = "CHRONOTICK_CLOCK_MEASUREMENT__NTP__"
TIMING = "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def nts(authority: Authority):
    """A chronyd that speaks NTS; it serves this host's clock, so the truth is known."""
    with running_nts_chronyd(authority.issue(addresses=("127.0.0.1", ADDRESS))) as ports:
        yield ports


def options(*servers: str) -> list[str]:
    return [word for server in servers for word in ("--server", server)]


def variables(authority: Authority, authentication: str) -> dict[str, str]:
    return {
        f"{NTP}NTS_TRUSTED_CERTS": str(authority.certificate),
        f"{NTP}AUTHENTICATION": authentication,
        "CHRONOTICK_WARMUP": "0.5",
        f"{TIMING}WARM_UP__MEASUREMENT_INTERVAL": "0.1",
    }


def error_s(daemon) -> float:
    before_ns, now, after_ns = time.time_ns(), daemon.clock.now(), time.time_ns()
    assert now.earliest_ns <= after_ns
    assert before_ns <= now.latest_ns
    return (now.estimate_ns - (before_ns + after_ns) / 2) / 1e9


def test_where_authentication_is_required_only_authenticated_time_is_served(
    start_daemon, authority, nts, chronyd
):
    server = f"nts://localhost:{nts.keys}"
    daemon = start_daemon(*options(server, chronyd), **variables(authority, "require"))
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: daemon.sources[chronyd]["reason"] == "A")
    found = daemon.sources
    assert (found[server]["reason"], found[server]["authenticated"]) == ("*", True)
    assert (found[chronyd]["reason_words"], found[chronyd]["authenticated"]) == (
        "not authenticated, and only authenticated sources are believed",
        False,
    )
    assert found[server]["stamps"] == "kernel"
    assert daemon.is_authenticated
    assert abs(error_s(daemon)) < 0.01


async def test_a_majority_of_liars_does_not_move_a_clock_that_has_authenticated_time(
    start_daemon, authority, nts
):
    """Three servers agree on a time that is 250 ms wrong; one that is authenticated does not."""
    honest = PathModel(forward=Leg(minimum_s=1e-4), backward=Leg(minimum_s=1e-4))
    oscillator = OSCILLATORS["calm"].model_copy(update={"offset_s": LIE_S})
    liars = World(oscillator=oscillator, servers=(ServerModel(path=honest),) * 3, seed=1)
    server = f"nts://localhost:{nts.keys}"
    async with serve(liars.starting_now()) as served:
        plain = [f"127.0.0.1:{each.address[1]}" for each in served]
        daemon = start_daemon(*options(*plain, server), **variables(authority, "prefer"))
        await asyncio.to_thread(daemon.wait_for, Status.SYNCHRONISED)

        def sorted_out() -> bool:
            return all(daemon.sources[name]["reason"] == "x" for name in plain)

        await asyncio.to_thread(daemon.wait_until, sorted_out)
        assert daemon.sources[server]["reason"] == "*"
        assert abs(error_s(daemon)) < LIE_S / 10
        assert daemon.is_authenticated


async def test_stripped_authentication_ends_in_holdover_not_in_another_time(
    start_daemon, authority, nts
):
    quick = {
        f"{TIMING}NORMAL_OPERATION__MEASUREMENT_INTERVAL": "0.2",
        f"{TIMING}NORMAL_OPERATION__MAX_INTERVAL": "0.4",
        f"{NTP}TIMEOUT_SECONDS": "0.4",
    }
    async with intercepted(nts) as man:
        server = f"nts://{ADDRESS}:{nts.keys}"
        daemon = start_daemon(
            *options(server),
            **variables(authority, "require"),
            **quick,
        )
        await asyncio.to_thread(daemon.wait_for, Status.SYNCHRONISED)
        man.reply = lambda data: (data[:HEADER_BYTES],)
        await asyncio.to_thread(daemon.wait_for, Status.HOLDOVER)
        found = (await asyncio.to_thread(lambda: daemon.sources))[server]
        assert found["drops"]["unauthenticated"] > 0
        assert abs(error_s(daemon)) < 0.01
        man.reply = lambda data: (data,)
        # Whenever eight cookies went unanswered there are new keys, ten seconds apart at least.
        await asyncio.to_thread(daemon.wait_for, Status.SYNCHRONISED)
        assert man.key_exchanges <= 4
    assert "Traceback" not in daemon.log


def test_a_wrong_certificate_is_told_where_people_look(start_daemon, authority, nts, tmp_path):
    other = Authority(tmp_path)
    daemon = start_daemon(*options(f"nts://localhost:{nts.keys}"), **variables(other, "prefer"))
    daemon.wait_until(lambda: any(source["drops"] for source in daemon.sources.values()))
    shown = run(daemon, "sources")
    assert "nobody whom this host trusts has signed it" in shown
    assert "Traceback" not in shown + daemon.log


def test_a_missing_package_is_one_sentence(start_daemon, authority, nts, tmp_path):
    (tmp_path / "cryptography.py").write_text("raise ImportError('not installed')\n")
    daemon = start_daemon(
        *options(f"nts://localhost:{nts.keys}"),
        PYTHONPATH=str(tmp_path),
        **variables(authority, "prefer"),
    )
    daemon.wait_until(lambda: any(source["drops"] for source in daemon.sources.values()))
    (source,) = daemon.sources.values()
    assert source["last_error"] == "this needs more packages. Run: pip install 'chronotick[nts]'"
    assert "Traceback" not in daemon.log


def run(daemon, *words: str) -> str:
    line = [sys.executable, "-m", "chronotick", *words]
    done = subprocess.run(line, env=daemon.environ, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_daemon_without_nts_imports_none_of_it(tmp_path: Path):
    program = (
        "import sys, chronotick.daemon.app;"
        "print([name for name in ('ssl', 'cryptography', 'chronotick.ntp.nts')"
        " if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "cryptography" not in done.stdout
    assert "chronotick.ntp.nts" not in done.stdout
