"""Nodes that act at one agreed moment: real processes and sockets, real records, known truth."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chronotick.lab.server import serve
from chronotick.lab.world import World
from chronotick.shm.layout import Status
from chronotick.shm.record import Record
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

EXAMPLE = Path(__file__).parent.parent / "examples" / "distributed_sync"
PATIENT = ("--tolerance-ms", "10000", "--margin-ms", "200")  # a busy machine is not what is tested
SECOND = 10**9

Json = dict[str, Any]
Publish = Callable[..., Path]


@pytest.fixture
def publish(tmp_path: Path) -> Iterator[Publish]:
    """Publish a synchronised record with some values changed; return its path."""
    with ExitStack() as stack:

        def published(ahead_ns: int = 0, **changes: Any) -> Path:  # noqa: ANN401
            record = good_record()
            changed: Record = replace(record, anchor_utc_ns=record.anchor_utc_ns + ahead_ns)
            writer = RecordWriter(tmp_path / f"record-{len(list(tmp_path.iterdir()))}")
            writer.write(replace(changed, **changes))
            stack.callback(writer.close)
            return writer.path

        yield published


def command(*options: str | Path) -> list[str]:
    return [sys.executable, str(EXAMPLE / "sync.py"), *map(str, options)]


def run(*options: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*options), capture_output=True, text=True, check=False)


def report(*options: str | Path) -> Json:
    done = run(*options, *PATIENT, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    judged: Json = json.loads(done.stdout)
    assert judged["problems"] == []
    return judged


def test_nodes_act_at_one_moment_that_was_agreed(publish: Publish):
    judged = report("--nodes", "3", "--record", publish())
    assert [node["acted"] for node in judged["nodes"]] == [1, 1, 1]
    (tick,) = judged["ticks"]
    assert tick["target_ns"] == judged["target_ns"]
    assert all(act["estimate_ns"] >= tick["target_ns"] for act in tick["acts"].values())
    assert tick["spread_certain_ns"] <= tick["spread_witnessed_ns"]
    assert tick["spread_ns"] <= tick["spread_possible_ns"]


def test_ticks_are_periods_apart(publish: Publish):
    options = ("--scenario", "periodic", "--ticks", "4", "--period", "0.05")
    judged = report("--nodes", "2", *options, "--record", publish())
    targets = [tick["target_ns"] - judged["target_ns"] for tick in judged["ticks"]]
    assert targets == [0, 50_000_000, 100_000_000, 150_000_000]
    assert all(len(tick["acts"]) == 2 for tick in judged["ticks"])


def test_stamps_tell_the_order_of_writes_even_between_clocks_that_differ(publish: Publish):
    """One node's clock is 3 ms ahead, another's bound ten times as wide."""
    records = publish(), publish(3_000_000, bound_ns=4_000_000), publish(bound_ns=20_000_000)
    given = [option for record in records for option in ("--record", record)]
    judged = report("--nodes", "3", "--scenario", "write", "--writes", "4", *given)
    assert len(judged["order"]["writes"]) == 12
    assert judged["order"]["pairs_known"] > 12
    assert judged["order"]["violations"] == []


def test_the_table_is_for_people(publish: Publish):
    done = run("--nodes", "2", "--scenario", "write", "--record", publish(), *PATIENT)
    assert done.returncode == 0, done.stderr
    assert "node-1" in done.stdout
    assert "true spread, by the bounds, at most" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


async def test_the_true_spread_of_nodes_with_daemons_of_their_own_is_within_their_bounds(
    start_daemon: Callable,
):
    world = World.from_preset("dc-hvac", servers=4, seed=5)
    async with serve(world.starting_now()) as servers:
        daemons = [
            start_daemon(
                *(part for address in addresses for part in ("--server", address)),
                name=name,
                CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MEASUREMENT_INTERVAL="1",
            )
            for name, addresses in (("a", servers.addresses[:2]), ("b", servers.addresses[2:]))
        ]
        for daemon in daemons:
            await asyncio.to_thread(daemon.wait_for, Status.SYNCHRONISED)
        records = [option for daemon in daemons for option in ("--record", daemon.record)]
        options = ("--nodes", "2", "--scenario", "periodic", "--ticks", "5", "--period", "0.1")
        judged = await asyncio.to_thread(report, *options, *records)
        for tick in judged["ticks"]:
            acts = list(tick["acts"].values())
            assert len(acts) == 2
            for act in acts:
                before_ns, after_ns = map(servers.truth, act["raw_ns"])
                assert act["earliest_ns"] <= after_ns
                assert before_ns <= act["latest_ns"]
            apart_ns = servers.truth(acts[1]["raw_ns"][0]) - servers.truth(acts[0]["raw_ns"][1])
            assert apart_ns <= tick["spread_possible_ns"]


class Puppet:
    """A node that says what the test has it say."""

    def __init__(self, port: int, name: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._lines = self._socket.makefile("rb")
        self.say("Join", name=name, host="here")

    def say(self, kind: str, **fields: Any) -> None:  # noqa: ANN401
        self.say_bytes(json.dumps({"is": kind} | fields).encode() + b"\n")

    def say_bytes(self, line: bytes) -> None:
        self._socket.sendall(line)

    def hear(self, kind: str) -> Json:
        message: Json = json.loads(self._lines.readline())
        assert message["is"] == kind, message
        return message

    def state(self, latest_ns: int = 1000 * SECOND, width_ns: int = SECOND) -> None:
        self.hear("Ask")
        self.say("State", earliest_ns=latest_ns - width_ns, latest_ns=latest_ns, bound_growth=0.0)

    def consent(self) -> int:
        """Say yes; return the target."""
        target_ns: int = self.hear("Propose")["target_ns"]
        self.say("Vote", objection="", too_soon=False)
        return target_ns

    def confirm(self) -> None:
        self.hear("Decide")
        self.say("Decided")

    def act(self, at_ns: int) -> None:
        times = {"earliest_ns": at_ns - 5, "latest_ns": at_ns + 5, "estimate_ns": at_ns}
        self.say("Acted", tick=0, **times, raw_before_ns=0, raw_after_ns=10)

    def begin(self, number: int) -> None:
        self.say("Begin", number=number)
        self.hear("Granted")

    def end(self) -> None:
        self.say("Done")
        self.hear("Done")

    def leave(self) -> None:
        self._lines.close()
        self._socket.close()


def agree(*puppets: Puppet) -> int:
    """Have all go through both phases; return the target."""
    for puppet in puppets:
        puppet.state()
    targets = {puppet.consent() for puppet in puppets}
    for puppet in puppets:
        puppet.confirm()
    (target_ns,) = targets
    return target_ns


class Rehearsal:
    """A coordinator and its puppets."""

    def __init__(self, process: subprocess.Popen[str], port: int, stack: ExitStack) -> None:
        self._process = process
        self._stack = stack
        self.port = port

    def puppet(self, name: str) -> Puppet:
        puppet = Puppet(self.port, name)
        self._stack.callback(puppet.leave)
        return puppet

    def puppets(self, *names: str) -> list[Puppet]:
        return [self.puppet(name) for name in names]

    def result(self) -> tuple[int, Json, str]:
        """Return exit code, report (empty where nothing was done) and what was said."""
        output, said = self._process.communicate(timeout=50)
        assert "Traceback" not in said
        return self._process.returncode, json.loads(output or "{}"), said


@pytest.fixture
def rehearse() -> Iterator[Callable[..., Rehearsal]]:
    with ExitStack() as stack:

        def started(*options: str) -> Rehearsal:
            line = command("--remote", "--json", *options)
            process = subprocess.Popen(line, stdout=-1, stderr=-1, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stderr is not None
            port = process.stderr.readline().rpartition(":")[2]
            return Rehearsal(process, int(port), stack)

        yield started


def test_the_target_comes_after_the_latest_that_true_time_can_be_by_any_node(
    rehearse: Callable[..., Rehearsal],
):
    rehearsal = rehearse("--nodes", "2", "--margin-ms", "1")
    a, b = rehearsal.puppets("a", "b")
    a.state(latest_ns=1000 * SECOND)
    b.state(latest_ns=1000 * SECOND + 7)
    target_ns = a.hear("Propose")["target_ns"]
    assert b.hear("Propose")["target_ns"] == target_ns
    assert target_ns > 1000 * SECOND + 7 + 1_000_000


def test_a_node_for_which_the_target_is_too_soon_gets_a_later_one(
    rehearse: Callable[..., Rehearsal],
):
    rehearsal = rehearse("--nodes", "1")
    (a,) = rehearsal.puppets("a")
    a.state()
    first = a.hear("Propose")["target_ns"]
    a.say("Vote", objection="too soon", too_soon=True)
    decided = agree(a)
    assert decided > first
    a.act(decided)
    a.end()
    code, judged, _ = rehearsal.result()
    assert (code, judged["attempts"]) == (0, 2)


def test_a_write_stamped_before_one_that_had_ended_is_found(rehearse: Callable[..., Rehearsal]):
    rehearsal = rehearse("--nodes", "2", "--scenario", "write")
    a, b = rehearsal.puppets("a", "b")
    agree(a, b)
    a.begin(0)
    a.say("Written", number=0, stamp_ns=2000)
    a.begin(1)  # granted: so its first write has ended for the coordinator
    b.begin(0)
    b.say("Written", number=0, stamp_ns=1500)
    a.say("Written", number=1, stamp_ns=1500)  # at the same time as b's: any order will do
    a.end()
    b.end()
    code, judged, _ = rehearsal.result()
    assert code == 1
    assert judged["order"]["pairs_known"] == 2
    assert sorted(judged["order"]["violations"]) == [["a:0", "a:1"], ["a:0", "b:0"]]
    assert "2 of 2 pairs" in judged["problems"][0]


def test_bounds_that_the_clock_of_the_host_contradicts_are_found(
    rehearse: Callable[..., Rehearsal],
):
    rehearsal = rehearse("--nodes", "2", "--tolerance-ms", "10000")
    a, b = rehearsal.puppets("a", "b")
    target_ns = agree(a, b)
    a.act(target_ns)
    b.act(target_ns + SECOND)
    a.end()
    b.end()
    code, judged, _ = rehearsal.result()
    assert code == 1
    assert judged["ticks"][0]["contradicted"] == [["b", "a"]]
    assert judged["ticks"][0]["spread_certain_ns"] == SECOND - 10


def test_a_node_that_dies_during_the_agreement_ends_it_for_all(
    rehearse: Callable[..., Rehearsal],
):
    rehearsal = rehearse("--nodes", "2")
    a, b = puppets = rehearsal.puppets("a", "b")
    for puppet in puppets:
        puppet.state()
    a.consent()
    b.leave()
    assert a.hear("Abort")["reason"].startswith("b left")
    code, judged, said = rehearsal.result()
    assert (code, judged) == (1, {})
    assert "b left" in said
    assert "nothing was done" in said


@pytest.mark.parametrize("acknowledges", [True, False])
def test_a_node_that_dies_after_the_decision_is_reported_and_the_others_act(
    rehearse: Callable[..., Rehearsal], acknowledges: bool
):
    rehearsal = rehearse("--nodes", "2")
    a, b = puppets = rehearsal.puppets("a", "b")
    for puppet in puppets:
        puppet.state()
    target_ns = a.consent()
    b.consent()
    b.hear("Decide")
    if acknowledges:
        b.say("Decided")
    b.leave()
    a.confirm()
    a.act(target_ns)
    a.end()
    code, judged, _ = rehearsal.result()
    assert code == 1
    assert [node["acted"] for node in judged["nodes"]] == [1, 0]
    assert judged["problems"] == ["after the decision: b left"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"GET / HTTP/1.1\n", "no message of this protocol"),
        (b'{"is": "State"}\n', "without its fields"),
        (b'{"is": "Decided"}\n', "a Decided where a State was due"),
        (b'{"is": "State", "earliest_ns": "1", "latest_ns": 2, "bound_growth": 0}\n', "fields"),
        (b"[" * 50_000 + b"\n", "no message"),
        (b"x" * 100_000, "more than 65536 bytes"),
    ],
)
def test_a_wrong_message_ends_the_agreement_and_is_shown(
    rehearse: Callable[..., Rehearsal], line: bytes, words: str
):
    rehearsal = rehearse("--nodes", "1")
    (a,) = rehearsal.puppets("a")
    a.hear("Ask")
    a.say_bytes(line)
    code, _, said = rehearsal.result()
    assert code == 1
    assert words in said


def test_strangers_and_a_second_node_of_a_name_are_refused_and_disturb_nobody(
    rehearse: Callable[..., Rehearsal],
):
    rehearsal = rehearse("--nodes", "2")
    a = rehearsal.puppet("a")
    with socket.create_connection(("127.0.0.1", rehearsal.port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"not admitted" in stranger.makefile("rb").readline()
    assert "already" in rehearsal.puppet("a").hear("Abort")["reason"]
    b = rehearsal.puppet("b")
    target_ns = agree(a, b)
    for puppet in (a, b):
        puppet.act(target_ns)
        puppet.end()
    assert rehearsal.result()[0] == 0


def test_a_silent_node_is_waited_for_no_longer_than_asked(rehearse: Callable[..., Rehearsal]):
    rehearsal = rehearse("--nodes", "1", "--timeout", "0.2")
    rehearsal.puppet("a").hear("Ask")
    code, _, said = rehearsal.result()
    assert code == 1
    assert "a did not answer within 0.2 s" in said


def test_nodes_that_never_join_are_counted(rehearse: Callable[..., Rehearsal]):
    rehearsal = rehearse("--nodes", "2", "--join-timeout", "0.3")
    rehearsal.puppet("a").hear("Abort")
    code, _, said = rehearsal.result()
    assert code == 1
    assert "only 1 of 2 nodes joined" in said


def test_clocks_that_contradict_each_other_are_named(publish: Publish):
    done = run("--nodes", "2", "--record", publish(), "--record", publish(SECOND))
    assert done.returncode == 1
    assert "node-1 and node-2 contradict each other" in done.stderr


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"status": Status.WARMING_UP}, 4, "warming up"),
        ({"void_after_raw_ns": 1}, 3, "died or hangs"),
        ({"bound_ns": 200_000_000}, 1, "more than 100 ms"),
        ({"bound_rate": 0.9}, 1, "--max-bound-ms"),
    ],
)
def test_a_node_that_cannot_take_part_says_why(
    publish: Publish, changes: Json, code: int, words: str
):
    done = run("--nodes", "2", "--record", publish(**changes))
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_a_daemon_the_sentence_says_what_to_run(tmp_path: Path):
    done = run("--nodes", "2", "--record", tmp_path / "none")
    assert done.returncode == 3
    assert "run: chronotick run" in done.stderr


def test_a_port_in_use_is_named(rehearse: Callable[..., Rehearsal]):
    port = rehearse("--nodes", "1").port
    done = run("--listen", f"127.0.0.1:{port}")
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--nodes", "0"], "not within 1 and 64"),
        (["--period", "nan"], "not within"),
        (["--listen", "nowhere"], "not HOST:PORT"),
        (["--record", "a", "--record", "b"], "one for each"),
    ],
)
def test_wrong_options_are_explained(options: list[str], words: str):
    done = run(*options)
    assert done.returncode == 2
    assert words in done.stderr


@pytest.mark.parametrize("line", [b"HTTP/1.1 400\r\n", b""])
def test_a_node_that_meets_no_coordinator_says_so(publish: Publish, line: bytes):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        join = [f"--join=127.0.0.1:{port}", "--name=a", f"--record={publish()}"]
        node = subprocess.Popen([sys.executable, EXAMPLE / "node.py", *join], stderr=-1, text=True)
        with node, server.accept()[0] as connection:
            connection.makefile("rb").readline()
            connection.sendall(line)
            connection.shutdown(socket.SHUT_WR)
            _, said = node.communicate(timeout=30)
    assert node.returncode == 1
    assert said.startswith(f"a: 127.0.0.1:{port}: ")
    assert said.count("\n") == 1
