from __future__ import annotations

import pytest
from pydantic import ValidationError

from chronotick.lab.oscillator import DAY_S
from chronotick.lab.training.prior import KINDS, Kind, Prior, draw


def test_a_world_depends_on_seed_and_number_alone() -> None:
    prior = Prior()
    assert draw(prior, 1, 5) == draw(prior, 1, 5)
    assert draw(prior, 1, 5) != draw(prior, 1, 6)
    assert draw(prior, 1, 5) != draw(prior, 2, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_worlds_have_the_structure_of_their_kind(kind: Kind) -> None:
    for number in range(20):
        simulation, said = draw(Prior(), 3, number, kind)
        oscillator = simulation.world.oscillator
        short = [cycle for cycle in oscillator.cycles if cycle.period_s < DAY_S]
        assert said == kind
        assert bool(short) == (kind in {"cycle", "mixed"})
        assert (oscillator.load is not None) == (kind in {"load", "mixed"})
        if kind in {"steady", "daily"}:
            assert len(oscillator.cycles) == (kind == "daily")


def test_all_kinds_are_drawn_and_values_stay_in_their_ranges() -> None:
    prior = Prior()
    drawn = [draw(prior, 4, number) for number in range(200)]
    assert {kind for _, kind in drawn} == set(KINDS)
    for simulation, _ in drawn:
        polling, oscillator = simulation.polling, simulation.world.oscillator
        assert prior.poll_s[0] <= polling.interval_s <= prior.poll_s[1]
        assert simulation.duration_s <= prior.longest_s
        assert prior.wander[0] <= oscillator.wander <= prior.wander[1]
        assert all(server.lie is None for server in simulation.world.servers)


def test_without_cycles_there_are_none() -> None:
    prior = Prior(cycles=False)
    drawn = [draw(prior, 5, number) for number in range(60)]
    assert {kind for _, kind in drawn} == {"steady", "load"}
    assert not any(simulation.world.oscillator.cycles for simulation, _ in drawn)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"wander": (1e-8, 1e-9)}, "the lowest value first"),
        ({"shares": {"cycle": 1.0}, "cycles": False}, "shares: nothing can be drawn"),
        ({"networks": {"dc": 0.0}}, "networks: nothing can be drawn"),
        ({"servers": (0.0,)}, "servers: nothing can be drawn"),
        ({"wanders": 1}, "Extra inputs"),
        ({"networks": {"lan": 1.0}}, "'dc', 'wan', 'wans' or 'wifi'"),
    ],
)
def test_impossible_priors_are_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Prior.model_validate(wrong)
