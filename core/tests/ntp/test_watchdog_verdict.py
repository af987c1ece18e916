"""The watchdog's decision: what a minority of a pool can do to it, and what it counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.watchdog.verdict import Compared, Finding, Tally, Verdict, judge

W_NS = 25_000_000
BOUND_NS = 5_000_000
ANY_ERROR = st.integers(-(2**62), 2**62)
SIZE = st.integers(3, 40)


def found(errors: list[int], *, asked: int | None = None, bound_ns: int = BOUND_NS) -> Finding:
    answers = [Compared(error, bound_ns) for error in errors]
    return judge(answers, asked=asked or len(errors), w_ns=W_NS)


@st.composite
def samples(draw: st.DrawFn, low_ns: int, high_ns: int) -> tuple[list[int], list[int], int]:
    """Errors of honest servers and of liars, a third of those asked at most, and how many."""
    asked = draw(SIZE)
    third = asked // 3
    lies = draw(st.lists(ANY_ERROR, max_size=third))
    silent = draw(st.integers(0, asked - 2 * third - 1))
    count = asked - silent - len(lies)
    honest = draw(st.lists(st.integers(low_ns, high_ns), min_size=count, max_size=count))
    return honest, lies, asked


@given(samples(-(W_NS + BOUND_NS), W_NS + BOUND_NS))
def test_a_third_of_liars_never_makes_right_time_look_wrong(sample):
    honest, lies, asked = sample
    assert found(honest + lies, asked=asked).verdict is not Verdict.CONTRADICTS


@given(samples(-W_NS, W_NS))
def test_a_third_of_liars_cannot_divide_servers_that_agree(sample):
    honest, lies, asked = sample
    assert found(honest + lies, asked=asked).verdict is Verdict.AGREES


@given(samples(-W_NS, W_NS), st.sampled_from((-1, 1)))
def test_a_third_of_liars_cannot_cover_up_wrong_time(sample, side: int):
    honest, lies, asked = sample
    wrong_ns = side * (BOUND_NS + 3 * W_NS + 1)
    result = found([error + wrong_ns for error in honest] + lies, asked=asked)
    assert result.verdict is Verdict.CONTRADICTS


@given(samples(-(2**40), 2**40))
def test_the_middle_lies_among_the_honest_whatever_a_third_says(sample):
    honest, lies, asked = sample
    result = found(honest + lies, asked=asked)
    assert min(honest) <= result.mean_ns <= max(honest)
    assert result.spread_ns <= max(honest) - min(honest)


@given(SIZE, st.data())
def test_silence_of_more_than_a_third_is_silence(asked: int, data: st.DataObject):
    count = data.draw(st.integers(0, 2 * (asked // 3)))
    result = found([2**50] * count, asked=asked)
    assert (result.verdict, result.mean_ns) == (Verdict.SILENT, None)


def test_the_widest_bound_of_a_sample_counts():
    answers = [Compared(70_000_000, 1_000_000), Compared(70_000_000, 20_000_000)] * 6
    result = judge(answers, asked=12, w_ns=W_NS)
    assert (result.verdict, result.allowed_ns) == (Verdict.AGREES, 70_000_000)


def test_a_pool_of_two_opinions_concludes_nothing():
    assert found([0] * 7 + [10**9] * 8).verdict is Verdict.DIVIDED


AGREES, CONTRADICTS, DIVIDED = found([0] * 15), found([10**9] * 15), found([0] * 7 + [10**9] * 8)
SILENT = found([0], asked=15)


def test_so_many_failures_in_a_row_call_for_a_panic_and_one_agreement_forgets_them():
    tally = Tally(3)
    for finding in (CONTRADICTS, DIVIDED, AGREES, CONTRADICTS, DIVIDED):
        tally.sampled(finding)
        assert not tally.panics_next
    tally.sampled(CONTRADICTS)
    assert tally.panics_next


def test_silence_neither_accuses_nor_acquits():
    tally = Tally(2)
    for finding in (CONTRADICTS, SILENT, SILENT):
        tally.sampled(finding)
    assert tally.failures == 1


def test_samples_alone_give_no_alarm():
    tally = Tally(1)
    tally.sampled(CONTRADICTS)
    assert tally.alarm is None


def test_the_whole_pool_gives_the_alarm_and_a_sample_ends_it():
    tally = Tally(1)
    tally.sampled(CONTRADICTS)
    tally.panicked(CONTRADICTS)
    assert (tally.alarm, tally.panics_next) == (CONTRADICTS, False)
    tally.sampled(SILENT)
    tally.sampled(DIVIDED)
    assert tally.alarm is CONTRADICTS
    tally.sampled(AGREES)
    assert tally.alarm is None


def test_a_divided_or_silent_pool_changes_no_alarm():
    tally = Tally(1)
    tally.panicked(DIVIDED)
    assert tally.alarm is None
    tally.panicked(CONTRADICTS)
    tally.panicked(DIVIDED)
    tally.panicked(SILENT)
    assert tally.alarm is CONTRADICTS
    tally.panicked(AGREES)
    assert tally.alarm is None


def test_an_alarm_that_goes_on_is_counted_once():
    tally = Tally(1)
    for finding in (CONTRADICTS, CONTRADICTS, AGREES, CONTRADICTS):
        tally.panicked(finding)
    assert (tally.alarms, tally.panics) == (2, 4)
