from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.selection import (
    Candidate,
    Limits,
    Reason,
    Selection,
    cluster,
    intersect,
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
    jitter_ms: float = 0.1,
    unusable: Reason | None = None,
) -> Candidate:
    return Candidate(
        source=name,
        unusable=unusable,
        stratum=stratum,
        offset_ns=round(offset_ms * MS),
        root_distance_ns=round(distance_ms * MS),
        jitter_ns=round(jitter_ms * MS),
    )


def letters(selection: Selection) -> dict[str, str]:
    return {name: reason.value for name, reason in selection.reasons.items()}


def choose(*candidates: Candidate, limits: Limits = LIMITS) -> Selection:
    return select(candidates, limits, raw_ns=1)


def test_nobody_is_believed_when_there_is_nobody() -> None:
    selection = choose()
    assert (selection.survivors, selection.best, selection.low_ns) == ((), None, None)


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
    assert letters(selection) == {"left": "x", "wide": "*", "right": "x"}


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


def test_too_few_agreeing_sources_wait() -> None:
    candidates = [source("a", 0), source("b", 1), source("liar", 100)]
    selection = choose(*candidates, limits=Limits(min_sources=3))
    assert letters(selection) == {"a": "W", "b": "W", "liar": "x"}


def test_an_outlier_beyond_the_jitter_is_clustered_out() -> None:
    close = [source(name, number * 0.01) for number, name in enumerate("abc")]
    selection = choose(*close, source("outlier", 6))
    assert selection.reasons["outlier"] is Reason.CLUSTERED_OUT
    assert selection.survivors == ("a", "b", "c")


def test_outliers_within_the_jitter_stay() -> None:
    sources = [source(name, number, jitter_ms=10) for number, name in enumerate("abcde")]
    assert len(choose(*sources).survivors) == 5


def test_clustering_leaves_three_or_as_many_as_are_required() -> None:
    sources = [source(name, number) for number, name in enumerate("abcdef")]
    assert len(cluster(sources, at_least=3)) == 3
    assert len(choose(*sources, limits=Limits(min_sources=5)).survivors) == 5


def test_a_lower_stratum_leads_before_a_smaller_distance() -> None:
    selection = choose(source("second", 0, 1, stratum=2), source("first", 0, 20, stratum=1))
    assert selection.survivors == ("first", "second")


def test_letters_are_unique_and_explained() -> None:
    assert all(len(reason.value) == 1 and reason.words for reason in Reason)


candidates = st.lists(
    st.builds(
        Candidate,
        source=st.uuids().map(str),
        unusable=st.sampled_from([None, None, None, Reason.UNREACHABLE]),
        stratum=st.integers(1, 15),
        offset_ns=st.integers(-50, 50),
        root_distance_ns=st.integers(0, 60),
        jitter_ns=st.integers(0, 20),
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
        each
        for each in found
        if selection.reasons[each.source] in {Reason.BEST, Reason.USED, Reason.CLUSTERED_OUT}
    ]
    assert len(chimers) >= min_sources
    for each in chimers:
        assert each.low_ns <= selection.low_ns <= selection.high_ns <= each.high_ns


@given(st.integers(-1000, 1000), st.lists(st.integers(-1000, 1000), min_size=1, max_size=7))
def test_true_time_is_never_lost_while_every_source_is_honest(
    true_ns: int, errors: list[int]
) -> None:
    honest = [
        Candidate(source=str(number), offset_ns=true_ns + error, root_distance_ns=abs(error))
        for number, error in enumerate(errors)
    ]
    shared = intersect(honest)
    assert shared is not None
    assert shared[0] <= true_ns <= shared[1]
