"""What is selected does not depend on the order in which sources are looked at."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.selection import Candidate, Limits, Reason, select

intervals = st.tuples(st.integers(-80, 80), st.integers(-80, 80)).map(
    lambda ends: (min(ends), max(ends))
)
candidates = st.lists(
    st.builds(
        Candidate,
        source=st.uuids().map(str),
        unusable=st.sampled_from([None, None, None, Reason.UNREACHABLE]),
        stratum=st.integers(0, 16),
        offset_ns=st.integers(-50, 50),
        root_distance_ns=st.integers(0, 60),
        plausible=st.none() | intervals,
        usual=st.none() | intervals,
        doubted=st.booleans(),
        authenticated=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda candidate: candidate.source,
)
limits = st.builds(
    Limits,
    min_sources=st.integers(1, 4),
    authentication=st.sampled_from(["require", "prefer", "ignore"]),
)


@given(candidates, limits, st.randoms(use_true_random=False))
def test_every_order_gives_the_same(
    found: list[Candidate], wanted: Limits, chance: random.Random
) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)
    one, other = select(found, wanted, raw_ns=0), select(shuffled, wanted, raw_ns=0)
    assert dict(one.reasons) == dict(other.reasons)
    assert one.survivors == other.survivors
    assert (one.low_ns, one.high_ns) == (other.low_ns, other.high_ns)
    assert one.voters == other.voters
