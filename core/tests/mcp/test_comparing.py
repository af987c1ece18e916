from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chronotick.mcp.comparing import compare
from chronotick.mcp.moments import Moment

ends = st.integers(min_value=0, max_value=20)
moments = st.tuples(ends, ends).map(lambda pair: Moment(min(pair), max(pair)))


def instants(moment: Moment) -> range:
    return range(moment.earliest_ns, moment.latest_ns + 1)


@given(moments, moments)
def test_an_order_is_told_only_if_it_holds_for_all_instants(a: Moment, b: Moment):
    told = compare(a, b).order
    orders = {(x > y) - (x < y) for x in instants(a) for y in instants(b)}
    assert told == {(-1,): "before", (1,): "after"}.get(tuple(orders), "unknown")


@given(moments, moments)
def test_the_difference_is_within_what_is_told(a: Moment, b: Moment):
    told = compare(a, b)
    differences = [y - x for x in instants(a) for y in instants(b)]
    assert (told.b_minus_a_least_ns, told.b_minus_a_most_ns) == (
        min(differences),
        max(differences),
    )


def test_the_sentence_tells_by_how_much():
    assert "at least 4 ns" in compare(Moment(0, 1), Moment(5, 9)).explanation
    assert "at least 4 ns" in compare(Moment(5, 9), Moment(0, 1)).explanation
    assert "overlap by 2 ns" in compare(Moment(0, 5), Moment(3, 9)).explanation
    assert "overlap by 4 ns" in compare(Moment(3, 7), Moment(0, 9)).explanation
    assert "overlap by 0 ns" in compare(Moment(3, 3), Moment(3, 3)).explanation
