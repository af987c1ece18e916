"""What authenticated sources are worth: required, preferred, or no more than others."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.answers import Answers
from chronotick.ntp.measurement import Measurement
from chronotick.ntp.selection import Candidate, Limits, Selection, agreeing, select
from chronotick.ntp.selector import Selector

MS = 1_000_000
SECOND = 1_000_000_000
REQUIRE, PREFER, IGNORE = (
    Limits(authentication=authentication) for authentication in ("require", "prefer", "ignore")
)


def source(
    name: str,
    offset_ms: float,
    distance_ms: float = 10,
    *,
    within_ms: float | None = None,
    usually_ms: float | None = None,
) -> Candidate:
    """A source; one whose name begins with "nts" is authenticated."""

    def around(half_ms: float | None) -> tuple[int, int] | None:
        if half_ms is None:
            return None
        return round((offset_ms - half_ms) * MS), round((offset_ms + half_ms) * MS)

    return Candidate(
        source=name,
        stratum=2,
        offset_ns=round(offset_ms * MS),
        root_distance_ns=round(distance_ms * MS),
        plausible=around(within_ms),
        usual=around(usually_ms),
        authenticated=name.startswith("nts"),
    )


def choose(*candidates: Candidate, limits: Limits) -> Selection:
    return select(candidates, limits, raw_ns=1)


def letters(selection: Selection) -> dict[str, str]:
    return {name: reason.value for name, reason in selection.reasons.items()}


@pytest.mark.parametrize("offset_ms", [-20, 20])
def test_who_touches_what_authenticated_sources_agree_on_does_not_contradict_them(
    offset_ms: int,
) -> None:
    selection = choose(source("nts", 0), source("other", offset_ms), limits=PREFER)
    assert letters(selection) == {"nts": "*", "other": "+"}
    beyond = choose(source("nts", 0), source("other", offset_ms * 1.001), limits=PREFER)
    assert letters(beyond) == {"nts": "*", "other": "x"}


def test_without_a_word_authenticated_sources_are_preferred() -> None:
    assert Limits() == PREFER


def test_where_it_is_required_nobody_else_is_believed() -> None:
    selection = choose(source("a", 0), source("nts", 1), source("b", 0), limits=REQUIRE)
    assert letters(selection) == {"a": "A", "nts": "*", "b": "A"}
    assert selection.survivors == ("nts",)
    nobody = choose(source("a", 0), source("b", 0), limits=REQUIRE)
    assert letters(nobody) == {"a": "A", "b": "A"}
    assert (nobody.survivors, nobody.low_ns) == ((), None)


def test_a_majority_that_contradicts_authenticated_sources_is_not_believed() -> None:
    liars = [source(name, 100) for name in "abcde"]
    selection = choose(*liars, source("nts", 0), limits=PREFER)
    assert letters(selection) == dict.fromkeys("abcde", "x") | {"nts": "*"}
    assert (selection.low_ns, selection.high_ns) == (-10 * MS, 10 * MS)


def test_where_it_is_ignored_the_majority_is_believed() -> None:
    liars = [source(name, 100) for name in "abc"]
    selection = choose(*liars, source("nts", 0), limits=IGNORE)
    assert letters(selection) == {"a": "*", "b": "+", "c": "+", "nts": "x"}


def test_who_agrees_with_authenticated_sources_is_used_beside_them() -> None:
    selection = choose(source("nts", 0), source("a", 1), source("liar", 100), limits=PREFER)
    assert letters(selection) == {"nts": "*", "a": "+", "liar": "x"}


def test_who_is_possible_but_not_plausible_contradicts_them() -> None:
    trusted = source("nts", 0, 100, within_ms=5)
    selection = choose(trusted, *[source(n, 40, 100, within_ms=5) for n in "ab"], limits=PREFER)
    assert letters(selection) == {"nts": "*", "a": "x", "b": "x"}


def test_others_that_agree_with_them_but_not_with_each_other_do_not_vote_them_out() -> None:
    """Three close to one end of what an authenticated source allows, three close to the other."""
    left, right = (
        [source(f"{side}{n}", at, 1) for n in "123"] for side, at in (("l", -9), ("r", 9))
    )
    selection = choose(source("nts", 0), *left, *right, limits=PREFER)
    assert letters(selection)["nts"] == "*"
    assert not [name for name, letter in letters(selection).items() if letter == "x"]


def test_they_are_never_left_out_for_a_closer_majority_of_others() -> None:
    trusted = source("nts", 0, 20, within_ms=10, usually_ms=1)
    others = [source(name, 9, 20, within_ms=10, usually_ms=1) for name in "abc"]
    assert letters(choose(trusted, *others, limits=IGNORE))["nts"] == "~"
    assert letters(choose(trusted, *others, limits=PREFER))["nts"] in "*+"


def test_among_themselves_authenticated_sources_are_sorted_out_as_any() -> None:
    selection = choose(
        source("nts1", 0), source("nts2", 1), source("nts3", 100), source("a", 100), limits=PREFER
    )
    assert letters(selection) == {"nts1": "*", "nts2": "+", "nts3": "x", "a": "x"}


def test_where_they_contradict_each_other_all_vote_as_equals() -> None:
    selection = choose(
        source("nts1", 0), source("nts2", 100), source("a", 1), source("b", 2), limits=PREFER
    )
    assert letters(selection) == {"nts1": "*", "nts2": "x", "a": "+", "b": "+"}


candidates = st.lists(
    st.builds(
        source,
        st.sampled_from(["nts", "plain"]),
        st.integers(-60, 60),
        st.integers(1, 40),
        within_ms=st.none() | st.integers(1, 20),
        usually_ms=st.none() | st.integers(1, 10),
    ),
    max_size=8,
).map(
    lambda found: [
        dataclasses.replace(each, source=f"{each.source}{n}") for n, each in enumerate(found)
    ]
)


@given(candidates)
def test_who_is_not_authenticated_takes_nothing_from_those_who_are(found: list[Candidate]) -> None:
    trusted = [each for each in found if each.authenticated]
    believed = {each.source for each in agreeing(trusted).agreed}
    used = choose(*found, limits=PREFER)
    if believed:
        assert (
            believed <= set(used.survivors)
            or used.survivors == choose(*trusted, limits=PREFER).survivors
        )
    else:
        equals = choose(*found, limits=IGNORE)
        more = {*used.survivors} - {*equals.survivors}
        assert {*equals.survivors} <= {*used.survivors}
        assert more <= {each.source for each in trusted}  # not left out for a closer majority


@given(candidates)
def test_survivors_share_what_is_possible(found: list[Candidate]) -> None:
    for limits in (REQUIRE, PREFER, IGNORE):
        selection = choose(*found, limits=limits)
        if selection.survivors:
            assert selection.low_ns is not None
            assert selection.high_ns is not None
            assert selection.low_ns <= selection.high_ns


@given(candidates)
def test_what_authenticated_sources_exclude_is_never_believed(found: list[Candidate]) -> None:
    trusted = agreeing([each for each in found if each.authenticated]).agreed
    used = choose(*found, limits=PREFER)
    for each in found:
        if trusted and each.source in used.survivors:
            assert each.possible[0] <= min(other.possible[1] for other in trusted)
            assert each.possible[1] >= max(other.possible[0] for other in trusted)


def measurement(source: str, *, offset_ns: int = 0, authenticated: bool) -> Measurement:
    return Measurement(
        source=source,
        raw_ns=SECOND,
        offset_ns=offset_ns,
        delay_ns=MS,
        precision_ns=1,
        root_delay_ns=0,
        root_dispersion_ns=0,
        stratum=1,
        authenticated=authenticated,
    )


@pytest.mark.parametrize("authenticated", [True, False])
def test_what_is_measured_says_whether_it_is_authenticated(*, authenticated: bool) -> None:
    selector = Selector(REQUIRE)
    selector.take(measurement("a", authenticated=authenticated))
    assert selector.select(SECOND).reasons["a"].value == ("*" if authenticated else "A")


def test_a_watched_source_is_preferred_over_a_majority() -> None:
    selector = Selector(PREFER)
    everybody = {name: Answers(name) for name in ("nts", "a", "b", "c")}
    for name, answers in everybody.items():
        trusted = name == "nts"
        for _ in range(3):
            answers.take(
                measurement(name, offset_ns=0 if trusted else 5 * MS, authenticated=trusted)
            )
    selector.watch(everybody.values())
    assert selector.select(SECOND).survivors == ("nts",)


def test_their_word_alone_makes_the_bound_where_they_agree() -> None:
    plain = [source(name, 0) for name in "abc"]
    assert choose(*plain, source("nts", 0), limits=PREFER).voters == {"nts"}
    assert choose(*plain, source("nts", 0), limits=IGNORE).voters == {"a", "b", "c", "nts"}


def test_where_they_contradict_each_other_everybodys_word_counts() -> None:
    selection = choose(source("nts1", 0), source("nts2", 100), source("a", 0), limits=PREFER)
    assert letters(selection)["nts2"] == "x"
    assert selection.voters == {"nts1", "nts2", "a"}
