"""When recorded servers answer: what a missing answer is, and how long one is waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chronotick.config.schema import Config
from chronotick.lab.recordings import Arrival
from chronotick.lab.replaying.sources import RecordedSources
from chronotick.ntp.measurement import Measurement
from chronotick.ntp.selection import Reason

SECOND = 1_000_000_000
ONE = Measurement(
    source="a",
    raw_ns=0,
    offset_ns=0,
    delay_ns=1_000_000,
    precision_ns=1_000,
    root_delay_ns=0,
    root_dispersion_ns=0,
    stratum=1,
)


@pytest.fixture
def sources() -> RecordedSources:
    return RecordedSources(Config().clock_measurement)


def answer(sources: RecordedSources, at_s: float, source: str = "a") -> None:
    raw_ns = round(at_s * SECOND)
    measurement = replace(ONE, source=source, raw_ns=raw_ns - 500_000)
    assert sources.arrive(Arrival(raw_ns, measurement))


def poll_s(sources: RecordedSources) -> float | None:
    return sources.sources()[0].poll_s


def test_the_poll_interval_is_that_of_the_last_answers(sources):
    for at_s in (100, 102, 104, 106):  # a burst says nothing of it: what RFC 5905 begins with
        answer(sources, at_s)
    assert poll_s(sources) == 64
    assert sources.next_miss_ns == (106 + 96) * SECOND
    for at_s in (170, 234):
        answer(sources, at_s)
    assert poll_s(sources) == 64
    answer(sources, 362)  # one lost packet doubles nothing
    assert poll_s(sources) == 64


def test_quick_answers_that_go_on_are_a_habit(sources):
    for number in range(8):
        answer(sources, 100 + number)
    assert poll_s(sources) == 64
    answer(sources, 108)
    assert poll_s(sources) == 16  # never below the shortest configured interval


def test_a_burst_amid_a_recording_changes_no_interval(sources):
    for at_s in (100, 164, 228, 292, 294, 296, 298):
        answer(sources, at_s)
    assert poll_s(sources) == 64


def test_a_missing_answer_counts_when_half_an_interval_has_passed_too(sources):
    for at_s in (100, 164, 228, 292):
        answer(sources, at_s)
    assert sources.next_miss_ns == (292 + 96) * SECOND
    sources.miss(388 * SECOND)
    assert sources.next_miss_ns == (292 + 160) * SECOND
    assert sources.sources()[0].reach == 0b11110
    answer(sources, 420)
    assert sources.sources()[0].reach == 0b111101


def test_eight_missing_answers_make_a_source_unreachable(sources):
    for at_s in (100, 164, 228, 292):
        answer(sources, at_s)
        answer(sources, at_s + 1, "b")
    number = 0
    while (due_ns := sources.next_miss_ns) is not None:
        sources.miss(due_ns)
        number += 1
    assert number == 16
    assert sources.selected().survivors == ()
    assert set(sources.selected().reasons.values()) == {Reason.UNREACHABLE}
    answer(sources, 5000)
    assert sources.selected().survivors == ("a",)


def test_an_answer_that_took_too_long_is_as_good_as_none(sources):
    slow = replace(ONE, delay_ns=3_000_000_001)
    assert not sources.arrive(Arrival(SECOND, slow))
    assert sources.too_slow == {"a": 1}
    assert sources.sources() == []


def test_reasons_are_counted(sources):
    answer(sources, 1)
    answer(sources, 17)
    assert sources.reasons["a"] == {Reason.BEST: 2}


def test_a_burst_can_forget_but_not_ask(sources):
    answer(sources, 1)
    sources.burst()
    assert sources.selected().survivors == ("a",)
    sources.burst(forget=True)
    answer(sources, 17)
    assert sources.selected().survivors == ("a",)
