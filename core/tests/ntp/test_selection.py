from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.config.schema import Ntp
from chronotick.ntp.selection import (
    Candidate,
    Limits,
    Reason,
    Selection,
    agreeing,
    select,
)

MS = 1_000_000
LIMITS = Limits()


def source(
    name: str,
    offset_ms: float,
    distance_ms: float = 10,
    *,
    stratum: int = 2,
    within_ms: float | None = None,
    usually_ms: float | None = None,
    unusable: Reason | None = None,
) -> Candidate:
    """A source: possibly, plausibly and usually right within so many milliseconds."""

    def around(half_ms: float | None) -> tuple[int, int] | None:
        if half_ms is None:
            return None
        return round((offset_ms - half_ms) * MS), round((offset_ms + half_ms) * MS)

    return Candidate(
        source=name,
        unusable=unusable,
        stratum=stratum,
        offset_ns=round(offset_ms * MS),
        root_distance_ns=round(distance_ms * MS),
        plausible=around(within_ms),
        usual=around(usually_ms),
    )


def letters(selection: Selection) -> dict[str, str]:
    return {name: reason.value for name, reason in selection.reasons.items()}


def choose(*candidates: Candidate, limits: Limits = LIMITS) -> Selection:
    return select(candidates, limits, raw_ns=1)


def test_nobody_is_believed_when_there_is_nobody() -> None:
    selection = choose()
    assert (selection.survivors, selection.best, selection.low_ns) == ((), None, None)


def test_a_source_is_not_authenticated_unless_it_says_so() -> None:
    selection = choose(source("a", 5), limits=Limits(authentication="require"))
    assert letters(selection) == {"a": "A"}


def test_before_anything_was_asked_nobody_is_believed() -> None:
    nothing = Selection()
    assert (nothing.raw_ns, nothing.best, nothing.high_ns) == (0, None, None)
    assert not nothing.reasons
    assert not nothing.voters


def test_one_lonely_source_is_believed() -> None:
    selection = choose(source("a", 5))
    assert letters(selection) == {"a": "*"}
    assert (selection.low_ns, selection.high_ns) == (-5 * MS, 15 * MS)
    assert selection.uses("a")


def test_one_lonely_source_is_not_enough_where_two_are_required() -> None:
    selection = choose(source("a", 5), limits=Limits(min_sources=2))
    assert letters(selection) == {"a": "W"}
    assert not selection.uses("a")


def test_two_sources_that_agree_are_both_used() -> None:
    selection = choose(source("a", 0), source("b", 5, distance_ms=8))
    assert letters(selection) == {"a": "+", "b": "*"}
    assert selection.survivors == ("b", "a")
    assert selection.best == "b"
    assert (selection.low_ns, selection.high_ns) == (-3 * MS, 10 * MS)


def test_of_two_sources_that_contradict_each_other_neither_is_believed() -> None:
    selection = choose(source("a", 0), source("b", 100))
    assert letters(selection) == {"a": "m", "b": "m"}
    assert selection.best is None


def test_two_against_two_is_no_majority() -> None:
    camps = [source("a", 0), source("b", 1), source("c", 100), source("d", 101)]
    assert set(letters(choose(*camps)).values()) == {"m"}


def test_a_single_liar_is_found_among_three() -> None:
    selection = choose(source("a", 0), source("liar", 100), source("b", 1))
    assert letters(selection) == {"a": "*", "liar": "x", "b": "+"}
    assert not selection.uses("liar")


def test_a_majority_of_liars_wins_and_that_is_the_limit_of_the_method() -> None:
    selection = choose(source("honest", 0), source("liar", 100), source("accomplice", 101))
    assert letters(selection) == {"honest": "x", "liar": "*", "accomplice": "+"}


def test_a_liar_with_a_wide_bound_is_not_caught_but_does_not_move_the_bound() -> None:
    selection = choose(source("a", 0), source("b", 1), source("vague", 90, distance_ms=100))
    assert selection.uses("vague")
    assert selection.high_ns == 10 * MS


def test_an_asymmetric_route_does_not_make_a_liar() -> None:
    """RFC 5905's midpoint rule would leave these three honest sources without a majority."""
    near = source("lan", 0, distance_ms=0.1)
    routes = [source("west", 5, distance_ms=20), source("east", -5, distance_ms=20)]
    selection = choose(near, *routes)
    assert selection.survivors[0] == "lan"
    assert set(selection.survivors) == {"lan", "west", "east"}


def test_who_stands_between_two_camps_is_believed_alone() -> None:
    """Either pair would be a majority; only the source that agrees with both is safe."""
    selection = choose(source("left", -15), source("wide", 0, distance_ms=12), source("right", 15))
    assert letters(selection) == {"left": "~", "wide": "*", "right": "~"}


@pytest.mark.parametrize(
    ("bad", "letter"),
    [
        (source("bad", 0, unusable=Reason.UNREACHABLE), "?"),
        (source("bad", 0, unusable=Reason.NOT_MEASURED), "."),
        (source("bad", 0, unusable=Reason.KISS), "K"),
        (source("bad", 0, distance_ms=1501), "d"),
        (source("bad", 0, stratum=5), "S"),
        (source("bad", 0, stratum=1), "S"),
    ],
)
def test_unusable_sources_say_why_and_have_no_vote(bad: Candidate, letter: str) -> None:
    limits = Limits(min_stratum=2, max_stratum=4)
    selection = choose(source("good", 500), bad, limits=limits)
    assert letters(selection) == {"good": "*", "bad": letter}


def test_the_worst_that_can_be_used() -> None:
    limits = Limits(min_stratum=2, max_stratum=4)
    for stratum in (2, 4):
        assert choose(source("a", 0, 1500, stratum=stratum), limits=limits).best == "a"
    assert choose(source("a", 0, stratum=1), source("b", 0, stratum=15)).survivors == ("a", "b")


def test_the_least_number_of_sources_may_be_none_and_is_one_all_the_same() -> None:
    assert choose(limits=Limits(min_sources=0)).survivors == ()


def test_limits_are_those_of_the_configuration_unless_told_otherwise() -> None:
    configured = Ntp()
    assert dataclasses.asdict(LIMITS) == {
        "max_distance_ns": configured.max_acceptable_uncertainty * 1e9,
        "min_stratum": configured.min_stratum,
        "max_stratum": configured.max_stratum,
        "min_sources": configured.min_sources,
        "authentication": configured.authentication,
    }


def test_too_few_agreeing_sources_wait() -> None:
    candidates = [source("a", 0), source("b", 1), source("liar", 100)]
    selection = choose(*candidates, limits=Limits(min_sources=3))
    assert letters(selection) == {"a": "W", "b": "W", "liar": "x"}


def test_all_that_agree_are_used_however_they_scatter() -> None:
    """Regression: RFC 5905's clustering left one of four honest servers out, samples and all."""
    close = [source(name, number * 0.01) for number, name in enumerate("abc")]
    assert len(choose(*close, source("further off", 6)).survivors) == 4


def test_a_source_over_an_unusual_route_is_left_out_but_not_called_a_liar() -> None:
    usual = [source(name, number, within_ms=8, usually_ms=2) for number, name in enumerate("abc")]
    selection = choose(*usual, source("far", 7, 6, within_ms=5, usually_ms=2))
    assert letters(selection) == {"a": "*", "b": "+", "c": "+", "far": "~"}
    assert (selection.low_ns, selection.high_ns) == (-8 * MS, 10 * MS), "the far one has no say"


def test_nobody_is_left_out_where_no_majority_agrees_closely() -> None:
    apart = [source(name, 3 * number, usually_ms=1) for number, name in enumerate("abcd")]
    assert len(choose(*apart).survivors) == 4
    assert len(choose(*apart[:2]).survivors) == 2


def test_nobody_is_left_out_for_one_that_stands_between_two_camps() -> None:
    sources = [source(name, 2 * number, usually_ms=1) for number, name in enumerate("abc")]
    assert len(choose(*sources).survivors) == 3


def test_nobody_is_left_out_for_two_of_four_that_stand_between_two_camps() -> None:
    camps = [source("left", -2, usually_ms=1), source("right", 2, usually_ms=1)]
    between = [source(name, 0, usually_ms=5) for name in "ab"]
    assert len(choose(*camps, *between).survivors) == 4


def test_nobody_is_left_out_who_is_needed_for_the_minimum() -> None:
    sources = [source(name, 0, usually_ms=1) for name in "ab"]
    far = source("far", 5, usually_ms=1)
    assert letters(choose(*sources, far))["far"] == "~"
    assert letters(choose(*sources, far, limits=Limits(min_sources=2)))["far"] == "~"
    assert letters(choose(*sources, far, limits=Limits(min_sources=3)))["far"] == "+"


def test_what_is_possible_but_not_plausible_is_not_believed() -> None:
    """Regression: 30 ms among routes of 40 ms, every correctness interval overlapping."""
    honest = [source(name, error, 20, within_ms=10) for name, error in (("a", 0), ("b", 2))]
    selection = choose(*honest, source("liar", 30, 20, within_ms=10))
    assert letters(selection) == {"a": "*", "b": "+", "liar": "x"}
    assert (selection.low_ns, selection.high_ns) == (-18 * MS, 20 * MS)
    assert letters(choose(*honest, source("liar", 30, 20)))["liar"] == "+"


def test_of_two_that_plausibly_contradict_each_other_neither_is_believed() -> None:
    pair = [source("a", 0, 20, within_ms=5), source("b", 15, 20, within_ms=5)]
    assert letters(choose(*pair)) == {"a": "m", "b": "m"}


def test_what_is_impossible_is_not_believed_however_plausible() -> None:
    """Wide plausible intervals (samples far apart in time) do not excuse a contradiction."""
    honest = [source("a", 0, 5, within_ms=40), source("b", 1, 5, within_ms=40)]
    selection = choose(*honest, source("liar", 30, 5, within_ms=40))
    assert letters(selection) == {"a": "*", "b": "+", "liar": "x"}


def test_what_is_hours_off_has_no_vote_on_what_is_plausible() -> None:
    """Three of five are possible; the two of them that agree are not outvoted by nonsense."""
    mad = [source("mad", 3_600_000), source("hatter", -3_600_000)]
    near = [source(name, number, 20, within_ms=5) for number, name in enumerate("ab")]
    selection = choose(*mad, *near, source("liar", 18, 20, within_ms=5))
    assert letters(selection) == {"mad": "x", "hatter": "x", "a": "*", "b": "+", "liar": "x"}


def test_two_of_four_are_enough_where_the_others_plausibly_contradict_everybody() -> None:
    """Regression: judged by what is possible, the pair was believed and dropped at each poll."""
    near = [source(name, number, 20, within_ms=5) for number, name in enumerate("ab")]
    liars = [source("late", 30, 20, within_ms=5), source("early", -30, 20, within_ms=5)]
    assert letters(choose(*near, *liars)) == {"a": "*", "b": "+", "late": "x", "early": "x"}


def test_two_against_two_stays_undecided_where_one_honest_source_is_wide() -> None:
    """Regression: with what plainly intersects as voters, both liars were believed, and `a` not."""
    honest = [source("a", 0, 5, within_ms=2), source("wide", 0, 40, within_ms=10)]
    liars = [source("liar", 30, 10, within_ms=5), source("accomplice", 31, 10, within_ms=5)]
    assert set(letters(choose(*honest, *liars)).values()) == {"m"}


def test_a_liar_that_splits_the_majority_does_not_take_honest_ones_with_it() -> None:
    """Regression: the liar reaches `a` and `b` at their edges, so both camps have three members.

    Taking no side, a liar of 10 ms had honest servers called falsetickers 5 % of the time.
    """
    honest = [source(name, error, 20, within_ms=10) for name, error in (("a", 0), ("b", 1))]
    selection = choose(*honest, source("c", 0, 3, within_ms=2), source("liar", 11, 5, within_ms=3))
    assert letters(selection) == {"a": "+", "b": "+", "c": "*", "liar": "x"}


def test_who_was_wrong_before_does_not_split_the_others() -> None:
    """Regression: `c` and the liar both lay within the wide intervals of `a` and `b`."""
    wide = [source(name, 0, 20) for name in "ab"]
    near, liar = source("c", 0, 1), source("liar", 10, 1)
    assert letters(choose(*wide, near, liar))["c"] == "~", "without a past no side is taken"
    doubted = dataclasses.replace(liar, doubted=True)
    assert letters(choose(*wide, near, doubted)) == {"a": "+", "b": "+", "c": "*", "liar": "x"}


def test_who_was_wrong_before_may_agree_again() -> None:
    back = dataclasses.replace(source("back", 1), doubted=True)
    assert letters(choose(source("a", 0), source("b", 0), back))["back"] == "+"
    assert letters(choose(source("a", 0), back)) == {"a": "*", "back": "+"}


def test_two_of_five_are_no_majority_though_the_rest_were_wrong_before() -> None:
    back = [dataclasses.replace(source(n, at), doubted=True) for n, at in (("d", 200), ("e", 300))]
    trusted = [source("a", 0), source("b", 1), source("c", 100)]
    assert set(letters(choose(*trusted, *back)).values()) == {"m"}


def test_two_against_two_stays_undecided_though_one_was_wrong_before() -> None:
    camps = [source("a", 0), source("b", 1), source("c", 100)]
    doubted = dataclasses.replace(source("d", 101), doubted=True)
    assert set(letters(choose(*camps, doubted)).values()) == {"m"}


def test_sources_that_touch_do_not_contradict_each_other() -> None:
    far = [source("late", 100), source("early", -100)]
    assert choose(source("a", 0), source("b", 20), *far).survivors == ("a", "b")
    assert choose(source("a", 20), source("b", 0), *far).survivors == ("a", "b")


def test_no_side_is_taken_between_camps_of_the_same_right() -> None:
    wide = [source(name, 0, 20) for name in "ab"]
    camps = [source("left", -10, 5), source("right", 10, 5)]
    assert letters(choose(*wide, *camps)) == {"a": "*", "b": "+", "left": "~", "right": "~"}


@pytest.mark.parametrize(("size", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4)])
def test_more_than_half_must_agree(size: int, needed: int) -> None:
    def believed(count: int) -> bool:
        camp = [source(f"{number}", 0) for number in range(count)]
        rest = [source(f"rest {number}", 100) for number in range(size - count)]
        return camp[0] in agreeing([*camp, *rest]).agreed

    counts = range(1, size + 1)
    assert [believed(count) for count in counts] == [count >= needed for count in counts]


def test_two_of_four_agree_where_the_others_contradict_everybody() -> None:
    mad = [source("mad", 3_600_000), source("hatter", -3_600_000)]
    assert letters(choose(source("a", 0), source("b", 1), *mad))["a"] == "*"
    assert set(letters(choose(source("a", 0), source("b", 100), *mad)).values()) == {"m"}


def test_a_lower_stratum_leads_before_a_smaller_distance() -> None:
    selection = choose(source("second", 0, 1, stratum=2), source("first", 0, 20, stratum=1))
    assert selection.survivors == ("first", "second")


def test_a_stratum_is_worth_a_second_and_a_half() -> None:
    far, near = source("far", 0, 1500, stratum=1), source("near", 0, 0, stratum=2)
    assert far.metric == near.metric


def test_letters_are_unique_and_explained() -> None:
    assert all(len(reason.value) == 1 and reason.words for reason in Reason)


intervals = st.tuples(st.integers(-80, 80), st.integers(-80, 80)).map(
    lambda ends: (min(ends), max(ends))
)
candidates = st.lists(
    st.builds(
        Candidate,
        source=st.uuids().map(str),
        unusable=st.sampled_from([None, None, None, Reason.UNREACHABLE]),
        stratum=st.integers(1, 15),
        offset_ns=st.integers(-50, 50),
        root_distance_ns=st.integers(0, 60),
        plausible=st.none() | intervals,
    ),
    max_size=8,
    unique_by=lambda candidate: candidate.source,
)


@given(candidates, st.integers(1, 4))
def test_survivors_are_a_consistent_majority(found: list[Candidate], min_sources: int) -> None:
    selection = select(found, Limits(min_sources=min_sources), raw_ns=0)
    assert set(selection.reasons) == {candidate.source for candidate in found}
    used = {name for name, why in selection.reasons.items() if why.value in "*+"}
    assert used == set(selection.survivors)
    if not selection.survivors:
        return
    assert selection.low_ns is not None
    assert selection.high_ns is not None
    assert selection.low_ns <= selection.high_ns
    chimers = [
        each for each in found if selection.reasons[each.source] in {Reason.BEST, Reason.USED}
    ]
    assert len(chimers) >= min_sources
    for each in [each for each in chimers if each.source in used]:
        assert each.possible[0] <= selection.low_ns <= selection.high_ns <= each.possible[1]


def told(name: str, error: int, spare: int, wide: int, *, true: bool) -> Candidate:
    """A source whose plausible interval, wide or not, lies in its possible one."""
    within = (abs(error) if true else 0) + spare
    return Candidate(
        source=name,
        stratum=2,
        offset_ns=error,
        root_distance_ns=within + wide,
        plausible=(error - within, error + within),
    )


errors = st.tuples(st.integers(-300, 300), st.integers(0, 100), st.integers(0, 300))


@st.composite
def honest_and_liars(draw: st.DrawFn) -> tuple[list[Candidate], list[Candidate]]:
    """Honest sources, whose intervals hold true time (0), and fewer that say anything."""
    honest = draw(st.lists(errors, min_size=1, max_size=6))
    liars = draw(st.lists(errors, max_size=len(honest) - 1))
    return (
        [told(f"honest {number}", *each, true=True) for number, each in enumerate(honest)],
        [told(f"liar {number}", *each, true=False) for number, each in enumerate(liars)],
    )


@given(honest_and_liars(), st.randoms())
def test_an_honest_majority_is_never_silenced(
    world: tuple[list[Candidate], list[Candidate]], chance: random.Random
) -> None:
    """Whatever fewer liars say, some honest source is believed."""
    honest, liars = world
    everyone = [*honest, *liars]
    chance.shuffle(everyone)
    survivors = set(select(everyone, LIMITS, raw_ns=0).survivors)
    assert survivors & {each.source for each in honest}


@given(honest_and_liars())
def test_honest_sources_alone_are_all_believed_and_true_time_is_within_their_bound(
    world: tuple[list[Candidate], list[Candidate]],
) -> None:
    honest, _ = world
    selection = select(honest, LIMITS, raw_ns=0)
    assert len(selection.survivors) == len(honest)
    assert selection.low_ns is not None
    assert selection.high_ns is not None
    assert selection.low_ns <= 0 <= selection.high_ns
