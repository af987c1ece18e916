"""Debug traces as recordings: read back exactly, and refused where they are damaged."""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chronotick.cli.main import chronotick
from chronotick.clock import HostClocks
from chronotick.config.schema import Config
from chronotick.daemon import trace_lines
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.daemon.trace import Trace
from chronotick.lab import World
from chronotick.lab.recordings import Arrival, RecordingError
from chronotick.lab.replaying import NothingToReplayError, Replay, is_trace, read_trace
from chronotick.lab.replaying.trace_reading import RESUMED
from chronotick.lab.traces import read_traces
from chronotick.models.builtin import chronotick_models
from chronotick.ntp.selection import Selection
from chronotick.plugin.registry import Plugins
from chronotick.shm.layout import Status

SECOND = 1_000_000_000
START_NS = 10 * SECOND
MODELS = {spec.name: spec for spec in chronotick_models()}
PLUGINS = Plugins(models=MODELS, origins=dict.fromkeys(MODELS, "chronotick 0"))
KALMAN = Config.model_validate(
    {section: {"models": ["kalman"]} for section in ("short_term", "long_term")}
)
Change = Callable[[list[dict[str, Any]]], None]


def measured(duration_s: int = 300) -> list[Arrival]:
    """What a client of two simulated servers measures, every 16 s."""
    live = World.from_preset("dc-calm", servers=2, seed=4).live()
    arrivals = []
    for second in range(11, duration_s, 16):
        for server in range(2):
            exchange = live.exchange(server, second * SECOND + server * SECOND // 5)
            assert exchange is not None
            arrivals.append(Arrival(exchange.t4_ns + 1_000_000, exchange.measurement()))
    return arrivals


ARRIVALS = measured()
SOURCES = sorted({arrival.measurement.source for arrival in ARRIVALS})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A trace as a daemon writes it, of measurements only."""
    path = tmp_path / "trace.jsonl"
    clocks = HostClocks(raw_ns=START_NS, system_ns=0, suspended_ns=0)
    trace = Trace(path, trace_lines.header(KALMAN, {}, clocks), 10_000_000)
    trace.note(trace_lines.began, frozenset(), None, {})
    for arrival in ARRIVALS:
        selection = Selection(raw_ns=arrival.raw_ns)
        trace.note(trace_lines.exchange, arrival.measurement, selection)
    trace.close()
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, written: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in written))


def replay(*arguments: object) -> Result:
    return CliRunner().invoke(
        chronotick, ["lab", "replay", *map(str, arguments)], catch_exceptions=False
    )


def test_measurements_come_back_exactly(path):
    recording = read_trace(str(path))
    assert recording.arrivals == tuple(ARRIVALS)
    assert recording.start_raw_ns == START_NS
    assert recording.notes == ()


def test_a_packed_trace_is_read_too(path):
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert is_trace(str(packed))
    assert read_trace(str(packed)).arrivals == tuple(ARRIVALS)


def test_a_trace_is_read_from_standard_input(path, monkeypatch, capsys):
    with subprocess.Popen(["/bin/cat", path], stdout=subprocess.PIPE, text=True) as writing:
        monkeypatch.setattr(sys, "stdin", writing.stdout)
        chronotick.main(["lab", "replay", "-", "--every", "30s", "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["recording"]["measurements"] == len(ARRIVALS)


def test_what_is_no_trace_is_not_taken_for_one(tmp_path):
    other = tmp_path / "other"
    for content in (b"", b"t_s,offset_s\n", b'{"format":"something"}\n', gzip.compress(b"x")[:-4]):
        other.write_bytes(content)
        assert not is_trace(str(other))
    assert not is_trace(str(tmp_path))


def test_a_last_line_that_was_cut_off_is_left_out_with_a_remark(path):
    path.write_bytes(path.read_bytes()[:-150])
    recording = read_trace(str(path))
    assert recording.arrivals == tuple(ARRIVALS[:-1])
    assert "its last line was cut off" in recording.notes[0]


def set_field(number: int, *names: str, value: object) -> Change:
    def change(written: list[dict[str, Any]]) -> None:
        line = written[number - 1]
        for name in names[:-1]:
            line = line[name]
        line[names[-1]] = value

    return change


def remove_field(number: int, *names: str) -> Change:
    def change(written: list[dict[str, Any]]) -> None:
        line = written[number - 1]
        for name in names[:-1]:
            line = line[name]
        del line[names[-1]]

    return change


ODD_NUMBERS = [
    *((value, "too large") for value in (10**400, -(10**400), math.nan, math.inf)),
    *((value, "no number") for value in ("1", [], True)),
]


def with_numbers(poll_s: object = 16.0, weight: object = 1.0) -> Change:
    """Put an innovation and a plan with its weights at the end."""
    at = {"made_raw_ns": START_NS, "offset_ns": 0, "sigma_ns": 1, "low_ns": -1, "high_ns": 1}
    added = [
        {"kind": "innovation", "raw_ns": START_NS, "source": SOURCES[0], "poll_s": poll_s},
        {"kind": "plan", "status": "synchronised", **at},
        {"kind": "weights", **at, "members": [{"model": "kalman", "weight": weight}]},
    ]
    return lambda written: written.extend(added)


def test_what_is_not_damaged_is_taken(path):
    written = lines(path)
    with_numbers(poll_s=16, weight=0)(written)
    write(path, written)
    recording = read_trace(str(path))
    assert [plan.weights for plan in recording.plans] == [{"kalman": 0.0}]
    assert len(recording.happenings) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (remove_field(5, "taken_raw_ns"), "line 5: is damaged: it has no taken_raw_ns"),
        (remove_field(5, "measurement", "delay_ns"), "line 5: is damaged: it has no delay_ns"),
        (set_field(4, "measurement", "raw_ns", value=1.5), "line 4: is damaged: its raw_ns is no"),
        (set_field(4, "measurement", "raw_ns", value=True), "its raw_ns is no whole number"),
        (set_field(4, "measurement", "delay_ns", value=-1), "is not above zero"),
        (set_field(4, "measurement", "stamps", value="odd"), "'odd' is not a valid Stamps"),
        (set_field(4, "measurement", "more", value=1), "a measurement has no more"),
        (set_field(4, "measurement", value=[]), "line 4: is damaged"),
        (set_field(4, "measurement", "source", value=7), "its source is no text"),
        (set_field(4, "measurement", "offset_ns", value=2**63), "its offset_ns is too large"),
        (set_field(6, "taken_raw_ns", value=10**15), "is not soon after its raw_ns"),
        (remove_field(4, "measurement", "root_delay_ns"), "it has no root_delay_ns"),
        (set_field(6, "taken_raw_ns", value=1), "line 6: is damaged: its taken_raw_ns lies before"),
        *((with_numbers(poll_s=value), f"its poll_s is {words}") for value, words in ODD_NUMBERS),
        *(
            (with_numbers(weight=value), f"its weight is {words}")
            for value, words in ODD_NUMBERS[1:]
        ),
        (set_field(2, "skill", value=3), "line 2: is damaged: what the daemon went on from"),
        (set_field(1, "raw_ns", value=None), "line 1: is damaged: its raw_ns is no whole number"),
        (remove_field(1, "config"), "line 1: is damaged: it has no config"),
        (set_field(1, "version", value=2), "is a trace of version 2, and this is a reader of"),
        (lambda written: written.__delitem__(slice(1, None)), "holds no measurement"),
    ],
)
def test_what_is_damaged_is_told_with_its_line(path, change: Change, words: str):
    written = lines(path)
    change(written)
    write(path, written)
    with pytest.raises(RecordingError) as told:
        read_trace(str(path))
    assert words in str(told.value)


@pytest.mark.parametrize(
    "junk", [b"{nonsense}\n", b"[1]\n", b"\xff\xfe\n", b"\n", b"[" * 100_000 + b"\n"]
)
def test_a_line_that_is_no_object_is_told_with_its_number(path, junk):
    written = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*written[:6], junk, *written[6:]]))
    with pytest.raises(RecordingError, match="line 7: is damaged"):
        read_trace(str(path))


def test_a_gzip_stream_that_was_cut_off_is_told(path):
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(path.read_bytes(), mtime=0)[:-20])
    with pytest.raises(RecordingError, match="gzip stream"):
        read_trace(str(packed))


def test_lines_of_other_kinds_are_passed_over(path):
    written = lines(path)
    write(path, [*written, {"kind": "of a later daemon", "raw_ns": 1}])
    assert read_trace(str(path)).arrivals == tuple(ARRIVALS)


def test_dropped_lines_are_remarked(path):
    write(path, [*lines(path), {"kind": "dropped", "raw_ns": 1, "lines": 3}])
    assert read_trace(str(path)).notes == ("3 lines were dropped when it was written",)


def reaches(path: Path) -> dict[str, str]:
    with Replay(read_trace(str(path)), KALMAN, plugins=PLUGINS) as running:
        list(running)
        assert running.summary is not None
        return {name: told.selected.value for name, told in running.summary.sources.items()}


def test_questions_without_an_answer_are_those_of_the_trace(path):
    assert "?" not in reaches(path).values()
    unanswered = trace_lines.unanswered(
        SOURCES[0], Selection(raw_ns=ARRIVALS[-1].raw_ns), {}, "no reply", refused=False
    )
    write(path, [*lines(path)[:-1], *[{"raw_ns": 1, **unanswered}] * 8])
    assert reaches(path)[SOURCES[0]] == "?"
    assert reaches(path)[SOURCES[1]] != "?"


def test_of_a_trace_without_measurements_it_is_told_why(path):
    began = lines(path)[:2]
    asked = {"kind": "exchange", "taken_raw_ns": START_NS, "source": SOURCES[0], "refused": False}
    for end, why in (([], "it ends before"), ([asked], "nothing answered")):
        write(path, [*began, *end])
        with pytest.raises(RecordingError, match=why):
            read_trace(str(path))
    with path.open("a") as file:
        file.write('{"kind": "exch')
    with pytest.raises(RecordingError, match="it was cut off before the first"):
        read_trace(str(path))


def test_a_sleep_of_the_host_disrupts_the_replay_too(path):
    middle_ns = ARRIVALS[20].raw_ns + SECOND
    slept = trace_lines.slept(HostClocks(middle_ns, 0, 60 * SECOND))
    write(path, [*lines(path)[:-1], slept])
    with Replay(read_trace(str(path)), KALMAN, plugins=PLUGINS) as running:
        list(running)
        assert running.summary is not None
        reasons = [reason for *_, reason in running.summary.transitions]
    assert "the host slept for 60.0 s" in reasons


def test_a_state_with_impossible_numbers_is_refused(path):
    timekeeper = Timekeeper(KALMAN)
    for arrival in ARRIVALS:
        timekeeper.measure(arrival.measurement)
    saved = timekeeper.snapshot()
    saved["calibration"]["count"] = 10**400
    written = lines(path)
    written[1]["timekeeper"] = saved
    write(path, written)
    with (
        Replay(read_trace(str(path)), KALMAN, plugins=PLUGINS) as damaged,
        pytest.raises(NothingToReplayError, match="cannot be taken up"),
    ):
        list(damaged)


def test_a_state_of_another_version_is_refused_with_what_to_do(path):
    written = lines(path)
    written[1]["timekeeper"] = {"estimator": {}}
    write(path, written)
    recording = read_trace(str(path))
    assert recording.notes == (RESUMED,)
    running = Replay(recording, KALMAN, plugins=PLUGINS)
    with running, pytest.raises(NothingToReplayError, match=r"cannot be taken up.*--from"):
        list(running)


def test_the_command_replays_with_the_configuration_of_the_trace(path):
    written = lines(path)
    written[0]["config"]["clock_measurement"]["ntp"]["min_sources"] = 3
    write(path, written)
    done = replay(path, "--every", "30s")
    assert done.exit_code == 1
    assert "waits until min_sources agree" in done.stderr
    assert replay(path, "--every", "30s", "--config", "default").exit_code == 0


def test_the_command_takes_other_models(path):
    done = replay(path, "--every", "30s", "--models", "kalman,hold", "--json")
    assert json.loads(done.stdout)["models"].keys() == {"kalman", "hold"}


def test_the_command_compares_with_what_the_daemon_planned(path):
    at_ns = ARRIVALS[-1].raw_ns - SECOND
    with Replay(read_trace(str(path)), KALMAN, plugins=PLUGINS) as running:
        estimate = list(running)[-1]
    plan = {
        "kind": "plan",
        "made_raw_ns": estimate.local_ns,
        "status": "synchronised",
        "offset_ns": estimate.offset_ns + 7,
        "sigma_ns": estimate.sigma_ns,
        "low_ns": estimate.offset_ns - 10**6,
        "high_ns": estimate.offset_ns + 10**6,
    }
    members = [{"model": "kalman", "weight": 0.75}, {"model": "hold", "weight": 0.25}]
    weights = {"kind": "weights", "made_raw_ns": estimate.local_ns, "members": members}
    write(path, [*lines(path)[:-1], plan, weights])
    report = json.loads(replay(path, "--json").stdout)
    assert report["rows"] == 1
    assert estimate.local_ns <= at_ns + SECOND
    told = report["daemon"]
    assert (told["plans"], told["offset_max_ns"], told["weight_max"]) == (1, 7, 0.25)
    assert told["same_status"] == float(estimate.status is Status.SYNCHRONISED)
    assert "against the daemon's own 1 plans: estimates differ by 7 ns" in " ".join(
        replay(path).stderr.split()
    )


def test_a_comparison_takes_a_trace_for_the_clock_that_it_is_of(path):
    [trace] = read_traces([str(path)]).traces
    assert (trace.name, trace.kind) == ("trace", "clock")
    assert trace.recording is not None
    assert trace.recording.arrivals == tuple(ARRIVALS)


@pytest.mark.parametrize("option", ["--boot", "--max-error"])
def test_options_without_a_meaning_are_refused(path, option):
    done = replay(path, option, "1")
    assert done.exit_code == 1
    assert f"is a debug trace: {option} has no meaning" in done.stderr
