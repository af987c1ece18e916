"""The instruments of a run of faults: readers must see what is wrong, and figures must tell it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.lab.faults import file_faults, limits, procfs
from chronotick.lab.faults.campaign import Reading
from chronotick.lab.faults.figures import LONG_LIFE_S, grows, is_good, slope
from chronotick.lab.faults.kinds import KINDS
from chronotick.lab.faults.observations import Order, Outcome, Report, judged, overconfident
from chronotick.lab.faults.reader import Checker
from chronotick.lab.faults.readers import Reader, Readers
from chronotick.shm import clocks
from chronotick.shm.layout import BODY, Status
from chronotick.shm.record import Record, pack
from chronotick.shm.testing import good_record, raw_bytes
from chronotick.shm.writer import RecordWriter

PAGE = Path(__file__).parents[4] / "docs" / "faults.md"
VALIDITY_NS = 60_000_000_000
S = 1_000_000_000


def true_record() -> Record:
    """A record of this host's clock, to within a millisecond."""
    record = good_record()
    utc_ns = record.anchor_raw_ns + clocks.system_minus_raw_ns()
    return replace(record, anchor_utc_ns=utc_ns, bound_ns=1_000_000, rate=0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record"


def seen_by(checker: Checker, capsys: pytest.CaptureFixture[str], bursts: int) -> Report:
    for _ in range(bursts):
        checker.burst()
    report = Report("r")
    for line in (capsys.readouterr().out + checker.count()).splitlines():
        report.take(line)
    return report


@pytest.mark.parametrize("pure", [False, True])
def test_a_true_clock_gives_no_violation(path: Path, capsys, pure: bool):
    writer = RecordWriter(path)
    writer.write(true_record())
    seen = seen_by(Checker(path, VALIDITY_NS, pure=pure), capsys, 1)
    assert seen.violations == []
    assert seen.total.reads == seen.total.by_outcome[Outcome.FRESH] > 0
    assert seen.total.shares["fresh"] == 1.0
    assert 0 <= seen.total.fullest < 1
    writer.close()


@pytest.mark.parametrize("pure", [False, True])
def test_time_outside_the_bound_is_seen(path: Path, capsys, pure: bool):
    writer = RecordWriter(path)
    writer.write(good_record())  # 1.5 s ahead, and says 0.25 ms
    seen = seen_by(Checker(path, VALIDITY_NS, pure=pure), capsys, 1)
    assert seen.total.outside == seen.total.reads == len(seen.violations) > 0
    assert seen.total.fullest > 1000
    writer.close()


@pytest.mark.parametrize("pure", [False, True])
def test_a_step_back_within_an_epoch_is_seen_and_into_another_is_none(
    path: Path, capsys, pure: bool
):
    record = replace(true_record(), bound_ns=S)
    path.write_bytes(raw_bytes(pack(record), 2))
    checker = Checker(path, VALIDITY_NS, pure=pure)
    assert seen_by(checker, capsys, 1).total.backward == 0
    back = replace(record, anchor_utc_ns=record.anchor_utc_ns - S // 2)
    overwrite(path, raw_bytes(pack(replace(back, epoch=4)), 4))
    assert seen_by(checker, capsys, 1).total.backward == 0
    overwrite(path, raw_bytes(pack(replace(back, epoch=4, anchor_utc_ns=0)), 6))
    assert seen_by(checker, capsys, 1).total.backward == 1


def test_a_record_whose_checksum_does_not_fit_is_seen(path: Path, capsys):
    path.write_bytes(raw_bytes(pack(true_record()), 2, crc=1))
    seen = seen_by(Checker(path, VALIDITY_NS, pure=True), capsys, 1)
    assert [each.kind for each in seen.violations] == ["torn"]


def test_what_readers_get_is_told_apart(path: Path, capsys):
    checker = Checker(path, VALIDITY_NS, pure=False)
    assert outcome_of(checker, capsys) is Outcome.UNAVAILABLE
    writer = RecordWriter(path)
    writer.write(replace(true_record(), status=Status.WARMING_UP))
    assert outcome_of(checker, capsys) is Outcome.UNSYNCHRONISED
    writer.write(replace(true_record(), status=Status.HOLDOVER))
    assert outcome_of(checker, capsys) is Outcome.HOLDOVER
    old_ns = clocks.raw_ns() + VALIDITY_NS - 2 * S
    writer.write(replace(true_record(), void_after_raw_ns=old_ns))
    assert outcome_of(checker, capsys) is Outcome.STALE
    writer.close()
    assert outcome_of(checker, capsys) is Outcome.UNAVAILABLE


def outcome_of(checker: Checker, capsys) -> Outcome:
    before = seen_by(checker, capsys, 0).total.by_outcome
    after = seen_by(checker, capsys, 2).total.by_outcome
    grown = [later - earlier for earlier, later in zip(before, after, strict=True)]
    return Outcome(grown.index(max(grown)))


def overwrite(path: Path, content: bytes) -> None:
    with path.open("r+b", buffering=0) as file:
        file.write(content)


def test_steps_back_between_readers_are_seen_whoever_tells_first():
    order = Order()
    order.take("a", [(30 * S, 1, 300), (10 * S, 1, 100)])
    order.take("b", [(20 * S, 1, 301), (25 * S, 2, 5)])
    order.look(31 * S)
    assert order.violations == []
    order.look(100 * S)
    assert [each.reader for each in order.violations] == ["a"]
    assert order.compared == 4


@pytest.mark.parametrize(
    ("served", "is_seen"),
    [
        ((0, 12 * S), False),  # a record holds for three seconds after the daemon's end
        ((0, 14 * S), True),
        ((0, None), True),
        ((15 * S, 16 * S), True),
        ((20 * S, None), False),
    ],
)
def test_time_that_nobody_can_have_published_is_seen(served, is_seen):
    report = Report("r", served=[served])
    empty = judged([(10 * S, 20 * S)], 3 * S, S // 4)
    assert empty == [(13 * S + S // 4, 20 * S - S // 4)]
    assert bool(overconfident(report, empty)) is is_seen


def test_a_silence_that_no_record_outlasts_says_nothing():
    assert judged([(10 * S, 13 * S), (20 * S, 23 * S + S // 2)], 3 * S, S // 4) == []


def test_a_reader_that_is_killed_is_started_again_and_what_it_counted_stays(tmp_path: Path):
    program = (
        "import os, signal, sys\n"
        "first = not os.path.exists(sys.argv[1])\n"
        "open(sys.argv[1], 'w').close()\n"
        "print('count 1 5 0 0 0 0 0.5', *[1] * 10, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGBUS) if first else sys.stdin.read()\n"
    )
    line = [sys.executable, "-c", program, str(tmp_path / "mark")]
    reader = Reader("r", line, os.environ, tmp_path / "told")
    told: list[str] = []
    readers = Readers([reader], told.append)
    deadline = time.monotonic() + 30
    while reader.report.total.reads < 10:
        assert time.monotonic() < deadline
        readers.look()
        time.sleep(0.02)
    readers.close()
    assert reader.ends == {-7: 1}
    assert reader.report.total.reads == 10
    assert told == []


def test_growth_within_the_lives_of_daemons_is_found_and_differences_between_them_are_not():
    def at(minute: int, pid: int, mib: float) -> Reading:
        return Reading(60.0 * minute, pid, 60.0 * minute + 61, procfs.Used(mib, 1, 1))

    flat = [at(minute, pid, 50.0 + 10 * pid) for minute in range(10) for pid in (1, 2)]
    growing = [at(minute, pid, 50.0 + 10 * pid + minute) for minute in range(10) for pid in (1, 2)]
    assert slope(flat, lambda each: each.used.resident_mib) == pytest.approx((0.0, 0.0))
    assert slope(growing, lambda each: each.used.resident_mib) == pytest.approx((60.0, 0.0))
    assert slope(flat[:1], lambda each: each.used.resident_mib) is None


def test_anything_that_must_not_be_spoils_a_run():
    bars = ("outside", "backward", "torn", "untyped", "overconfident", "orphans")
    use = {"resident MiB": {"grows": False}, "descriptors": {"grows": None}}
    good = dict.fromkeys(bars, 0) | {
        "reads": 1,
        "faults": {"x": {"times": 2, "recovered": 2}},
        "left_out": {"disk full": "nobody may mount"},
        "workers_still_away": [],
        "use": use,
    }
    assert is_good(good)
    assert not any(is_good(good | {bar: 1}) for bar in bars)
    assert not is_good(good | {"faults": {"x": {"times": 2, "recovered": 1}}})
    assert not is_good(good | {"workers_still_away": ["chronos"]})
    assert not is_good(good | {"use": use | {"threads": {"grows": True}}})
    assert not is_good(good | {"left_out": {"daemon killed": "no daemon runs"}})


def test_a_run_that_looked_at_nothing_is_not_good():
    found = dict.fromkeys(("outside", "backward", "torn", "untyped", "overconfident", "orphans"), 0)
    found |= {"left_out": {}, "workers_still_away": [], "use": {}}
    one = {"x": {"times": 1, "recovered": 1}}
    assert is_good(found | {"reads": 1, "faults": one})
    assert not is_good(found | {"reads": 0, "faults": one})
    assert not is_good(found | {"reads": 1, "faults": {}})


def test_growth_is_a_leak_only_of_a_daemon_that_lived_long_and_by_more_than_its_error():
    assert grows((40.0, 4.0), LONG_LIFE_S, 30.0) is True
    assert grows((40.0, 6.0), LONG_LIFE_S, 30.0) is False
    assert grows((40.0, 4.0), LONG_LIFE_S - 1, 30.0) is None
    assert grows(None, LONG_LIFE_S, 30.0) is None


def test_a_process_is_known_by_more_than_its_number_and_has_descendants():
    line = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(line) as child:
        found = next(each for each in procfs.descendants(os.getpid()) if each.pid == child.pid)
        assert procfs.survivors([found]) == [found]
        assert procfs.survivors([replace(found, started=1)]) == []
        assert procfs.used(child.pid) is not None
        child.kill()
        child.wait()
        assert procfs.survivors([found]) == []
        assert procfs.used(child.pid) is None
        with pytest.raises(ProcessLookupError):
            procfs.address_space(child.pid)


def test_a_limit_takes_descriptors_away_until_it_is_given_back():
    program = (
        "import sys\n"
        "def tried():\n"
        "    try: open('/dev/null').close(); print('opened', flush=True)\n"
        "    except OSError as error: print(error.strerror, flush=True)\n"
        "for _ in sys.stdin: tried()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-uc", program], text=True, bufsize=1, **pipes) as child:

        def tried() -> str:
            child.stdin.write("\n")
            return child.stdout.readline().strip()

        assert tried() == "opened"
        limit = limits.no_more_descriptors(child.pid)
        assert tried() == "Too many open files"
        limit.give_back()
        assert tried() == "opened"
    limit.give_back()  # of one that has ended: nothing


def test_noise_over_a_record_leaves_only_that_it_is_one(path: Path):
    import random

    before = raw_bytes(pack(true_record()), 2)
    path.write_bytes(before)
    file_faults.spoil_record(path, random.Random(1))
    after = path.read_bytes()
    assert after[BODY.stop - 4 :] == before[BODY.stop - 4 :]
    assert after[: BODY.stop - 4] != before[: BODY.stop - 4]


def test_the_page_describes_each_kind():
    table = PAGE.read_text(encoding="utf-8").split("<!-- /kinds -->")[0].split("<!-- kinds:")[1]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    assert rows[1:] == list(KINDS)
