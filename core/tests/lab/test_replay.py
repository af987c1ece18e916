"""Replays: causal, deterministic, and the daemon's own estimates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.config.schema import Config
from chronotick.lab import World
from chronotick.lab.recordings import Arrival, Recording
from chronotick.lab.replaying import (
    Estimate,
    Excerpt,
    NothingToReplayError,
    Replay,
    Summary,
    replay,
)
from chronotick.models.builtin import chronotick_models
from chronotick.ntp.selection import Reason
from chronotick.plugin.registry import Plugins
from chronotick.shm.layout import Source, Status

SECOND = 1_000_000_000
MODELS = {spec.name: spec for spec in chronotick_models()}
PLUGINS = Plugins(models=MODELS, origins=dict.fromkeys(MODELS, "chronotick 0"))
ALL = Config.model_validate(
    {section: {"models": ["kalman", "line", "hold"]} for section in ("short_term", "long_term")}
)


def recorded(
    duration_s: float = 900, preset: str = "dc-hvac", servers: int = 3, seed: int = 3
) -> Recording:
    """What a client of a simulated world measures, every 16 s."""
    live = World.from_preset(preset, servers=servers, seed=seed).live()
    arrivals = []
    for step in range(round(duration_s / 16)):
        for server in range(servers):
            exchange = live.exchange(server, (1 + 16 * step) * SECOND + server * SECOND // 5)
            if exchange is not None:
                arrivals.append(Arrival(exchange.t4_ns, exchange.measurement()))
    arrivals.sort(key=lambda arrival: arrival.raw_ns)
    return Recording(path="test", format="a world", arrivals=tuple(arrivals))


def replayed(
    recording: Recording, config: Config = ALL, **course: int | tuple[tuple[int, int], ...] | None
) -> tuple[list[Estimate], Summary]:
    with Replay(recording, config, Excerpt(**course), PLUGINS) as running:
        estimates = list(running)
        assert running.summary is not None
        return estimates, running.summary


def before(estimates: Iterable[Estimate], local_ns: int) -> list[Estimate]:
    return [each for each in estimates if each.local_ns < local_ns]


def unix(recording: Recording) -> Recording:
    return shifted(recording, 1_763_640_000 * SECOND)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return recorded()


@pytest.fixture(scope="module")
def estimates(recording: Recording) -> list[Estimate]:
    return replayed(recording)[0]


def test_rows_lie_on_the_grid_from_the_first_estimate_to_the_last_measurement(recording, estimates):
    assert [each.local_ns for each in estimates] == [
        n * 10 * SECOND for n in range(1, recording.arrivals[-1].raw_ns // (10 * SECOND) + 1)
    ]


def test_estimates_are_true_and_their_bounds_hold(estimates):
    truth = World.from_preset("dc-hvac", servers=3, seed=3).live()
    for each in estimates[6:]:
        error_ns = each.local_ns + each.offset_ns - truth.truth(each.local_ns)
        assert abs(error_ns) < 100_000
        assert each.bound_ns is not None
        assert abs(error_ns) <= each.bound_ns
        assert each.status is Status.SYNCHRONISED
        assert each.served_offset_ns is not None
        assert abs(each.served_offset_ns - each.offset_ns) < 100_000


def test_two_replays_are_identical(recording, estimates):
    assert replayed(recording)[0] == estimates


@pytest.mark.parametrize("share", [0.1, 0.37, 0.62, 0.9])
def test_the_future_changes_nothing_before_it(recording, estimates, share: float):
    """Everything that arrives from some instant on is made wrong, in every way there is."""
    first = int(share * len(recording.arrivals))
    instant_ns = recording.arrivals[first].raw_ns
    changed = [
        Arrival(
            arrival.raw_ns,
            replace(
                arrival.measurement,
                offset_ns=arrival.measurement.offset_ns + 40_000_000 * (-1) ** n,
                delay_ns=arrival.measurement.delay_ns // 2,
                leap=1,
            ),
        )
        for n, arrival in enumerate(recording.arrivals[first:])
    ]
    future = replace(recording, arrivals=(*recording.arrivals[:first], *changed))
    found = replayed(future)[0]
    assert before(found, instant_ns) == before(estimates, instant_ns)
    assert found[-1] != estimates[-1]


@pytest.mark.parametrize("count", [3, 5, 20, 77, 150])
def test_the_estimates_of_a_part_are_the_first_of_the_whole(recording, estimates, count: int):
    part = replace(recording, arrivals=recording.arrivals[:count])
    instant_ns = recording.arrivals[count].raw_ns
    found = replayed(part, until_ns=instant_ns)[0]
    assert before(found, instant_ns) == before(estimates, instant_ns)


def test_an_answer_counts_from_when_it_was_there(recording):
    """Not from the middle of its exchange: that is before anybody could know."""
    late = recording.arrivals[30]
    delayed = [
        Arrival(late.raw_ns + 40 * SECOND, each.measurement) if each is late else each
        for each in recording.arrivals
    ]
    delayed.sort(key=lambda each: each.raw_ns)
    without = [each for each in recording.arrivals if each is not late]
    until_ns = late.raw_ns + 39 * SECOND
    estimates = [
        before(replayed(replace(recording, arrivals=tuple(seen)))[0], until_ns)
        for seen in (delayed, without)
    ]
    assert estimates[0] == estimates[1]


def shifted(recording: Recording, by_ns: int) -> Recording:
    """The same on a local clock that shows another time."""
    return replace(recording, shift_ns=recording.shift_ns - by_ns)


def test_what_the_local_clock_shows_makes_no_difference(recording, estimates):
    """Unix time in 2026, and a time before zero."""
    for by_ns in (1_763_640_000 * SECOND, -5_000 * SECOND):
        found = replayed(shifted(recording, by_ns))[0]
        assert [(each.local_ns - by_ns, each.offset_ns + by_ns) for each in found] == [
            (each.local_ns, each.offset_ns) for each in estimates
        ]
        assert [each.served_offset_ns is None for each in found[:3]] == [False] * 3


def test_beyond_the_last_measurement_it_is_holdover(recording):
    last_ns = recording.arrivals[-1].raw_ns
    estimates, summary = replayed(recording, until_ns=last_ns + 600 * SECOND)
    final = estimates[-1]
    assert final.local_ns > last_ns + 589 * SECOND
    assert (final.status, final.source) == (Status.HOLDOVER, Source.HOLDOVER)
    growing = [each.sigma_ns for each in estimates if each.local_ns > last_ns + 100 * SECOND]
    assert growing == sorted(growing)
    assert summary.transitions[-1][1] == "holdover"


def test_estimates_can_be_asked_for_at_any_instants(recording):
    whole, _ = replayed(recording, Config())
    wanted = whole[5:50:9]
    found, _ = replayed(recording, Config(), at_ns=tuple(each.local_ns for each in wanted))
    assert [each.local_ns for each in found] == [each.local_ns for each in wanted]
    assert [each.offset_ns for each in found] == [each.offset_ns for each in wanted]


def test_an_excerpt_needs_time_between_estimates():
    with pytest.raises(ValueError, match="it must be above 0"):
        Excerpt(every_ns=0)


def test_a_gap_hides_what_arrives_in_it(recording):
    gap = 300 * SECOND, 700 * SECOND
    estimates, _ = replayed(recording, gaps=(gap,))
    hidden = replace(
        recording, arrivals=tuple(a for a in recording.arrivals if not gap[0] <= a.raw_ns < gap[1])
    )
    assert estimates == replayed(hidden)[0]
    inside = [each.status for each in estimates if 400 * SECOND < each.local_ns < gap[1]]
    assert set(inside) == {Status.HOLDOVER}
    assert estimates[-1].status is Status.SYNCHRONISED


def test_a_replay_may_begin_late_and_end_early(recording):
    estimates, summary = replayed(recording, start_ns=200 * SECOND, until_ns=500 * SECOND)
    assert estimates[0].local_ns >= 200 * SECOND
    assert estimates[-1].local_ns == 500 * SECOND
    assert sum(told.measurements for told in summary.sources.values()) == 3 * 19


def test_nothing_to_replay_is_an_error(recording):
    with pytest.raises(NothingToReplayError, match="no measurement lies in what is replayed"):
        replayed(recording, start_ns=10**15)


def test_the_error_names_the_times_of_the_recording(recording):
    """Hours since the beginning mean nothing where times are Unix times."""
    with pytest.raises(NothingToReplayError, match=r"are 1763640001\.000 to 17636408"):
        replayed(unix(recording), until_ns=3600 * SECOND)


def test_what_hides_nothing_is_noted(recording):
    late = unix(recording)
    inside = 1_763_640_100 * SECOND, 1_763_640_200 * SECOND
    excerpt = Excerpt(start_ns=10 * SECOND, gaps=((300 * SECOND, 700 * SECOND), inside))
    first, second = excerpt.notes(late)
    assert first.startswith("beginning at 10.000 s hides no measurement. Its local times are 17636")
    assert second.startswith("the gap from 300.000 to 700.000 s hides no measurement")
    assert Excerpt().notes(late) == ()


def test_no_estimate_is_an_error_that_says_who_was_left_out(recording):
    blind = tuple(
        replace(each, measurement=replace(each.measurement, stratum=16))
        for each in recording.arrivals
    )
    slow = tuple(
        replace(each, measurement=replace(each.measurement, delay_ns=4 * SECOND))
        for each in recording.arrivals
    )
    for arrivals, why in (
        (blind, "2: stratum outside .* 56"),
        (slow, "2: slower than max_delay 56"),
    ):
        with pytest.raises(NothingToReplayError, match=f"no estimate. What became .*{why}"):
            replayed(replace(recording, arrivals=arrivals))


def test_no_instant_on_the_grid_is_an_error_that_says_so(recording):
    with pytest.raises(NothingToReplayError, match="lies no multiple of 10 s"):
        replayed(recording, until_ns=5 * SECOND)


def test_polls_after_a_burst_are_no_holdover():
    """Until the second interval was seen, its length was not known: that is no silence."""
    live = World.from_preset("dc-calm", servers=2, seed=3).live()
    times = [1, 3, 5, 7, *range(71, 1200, 64)]
    exchanges = [live.exchange(n, t * SECOND + n * SECOND // 5) for t in times for n in (0, 1)]
    arrivals = [Arrival(each.t4_ns, each.measurement()) for each in exchanges if each is not None]
    recording = Recording(path="test", format="a world", arrivals=tuple(arrivals))
    _, summary = replayed(recording)
    assert "holdover" not in summary.statuses


def test_times_of_transitions_are_as_exact_as_they_are(recording):
    _, summary = replayed(recording)
    for at_s, _, _ in summary.transitions:
        assert at_s == round(at_s, 9)


def test_models_are_told_in_the_order_of_the_configuration(recording):
    for order in (["line", "hold"], ["hold", "line"]):
        config = Config.model_validate(
            {section: {"models": order} for section in ("short_term", "long_term")}
        )
        _, summary = replayed(recording, config, until_ns=60 * SECOND)
        assert list(summary.models) == ["kalman", *order]


def test_a_liar_is_sorted_out():
    world = World.from_preset("dc-calm", servers=4, false=1, seed=5)
    live, arrivals = world.live(), []
    for number in range(240):
        exchange = live.exchange(number % 4, (1 + 4 * number) * SECOND)
        if exchange is not None:
            arrivals.append(Arrival(exchange.t4_ns, exchange.measurement()))
    recording = Recording(path="test", format="a world", arrivals=tuple(arrivals))
    estimates, summary = replayed(recording, Config())
    final = estimates[-1]
    assert abs(final.local_ns + final.offset_ns - live.truth(final.local_ns)) < 200_000
    reasons = summary.sources["3"].reasons
    assert reasons[Reason.FALSETICKER.words] > 0.9 * summary.sources["3"].measurements


def test_a_source_that_falls_silent_becomes_unreachable(recording):
    gone_ns = 400 * SECOND
    rest = tuple(
        each
        for each in recording.arrivals
        if each.measurement.source != "2" or each.raw_ns < gone_ns
    )
    estimates, summary = replayed(replace(recording, arrivals=rest))
    assert estimates[-1].status is Status.SYNCHRONISED
    assert summary.sources["2"].selected is Reason.UNREACHABLE
    assert summary.sources["1"].selected in {Reason.BEST, Reason.USED}


def test_what_took_longer_than_max_delay_is_not_accepted(recording):
    slow = replace(recording.arrivals[10].measurement, delay_ns=4 * SECOND)
    arrivals = list(recording.arrivals)
    arrivals[10] = Arrival(arrivals[10].raw_ns, slow)
    _, summary = replayed(replace(recording, arrivals=tuple(arrivals)))
    assert sum(told.too_slow for told in summary.sources.values()) == 1


def test_an_unbounded_recording_has_no_bounds(recording):
    blind = tuple(
        Arrival(
            each.raw_ns,
            replace(each.measurement, delay_known=False, root_dispersion_ns=SECOND),
            bounded=False,
        )
        for each in recording.arrivals
    )
    estimates, _ = replayed(replace(recording, arrivals=blind))
    assert {each.bound_ns for each in estimates} == {None}


def test_members_are_what_the_models_said(estimates):
    final = estimates[-1]
    assert {member.model for member in final.members} == {"kalman", "line", "hold"}
    assert sum(member.weight for member in final.members) == pytest.approx(1.0)


def test_the_summary_counts(recording):
    estimates, summary = replayed(recording)
    assert summary.rows == len(estimates)
    counts = {name: told.measurements for name, told in summary.sources.items()}
    assert counts == recording.counts
    assert sum(summary.statuses.values()) == pytest.approx(1.0)
    # Every 5 s and every 30 s at least, and both with each measurement.
    assert summary.models["line"].asked > 900 / 5 + 900 / 30
    assert summary.models["line"].answered == summary.models["line"].asked
    assert summary.models["line"].scored > 0
    assert summary.steps == 0
    assert summary.wall_s > 0
    assert summary.speed_up == pytest.approx(summary.replayed_s / summary.wall_s)


def test_no_file_is_written(recording, tmp_path: Path):
    history = tmp_path / "history.sqlite3"
    config = ALL.model_copy(update={"history": ALL.history.model_copy(update={"path": history})})
    replayed(recording, config, until_ns=100 * SECOND)
    assert list(tmp_path.iterdir()) == []


def test_there_is_a_short_form_and_the_long_one_needs_a_with(recording, estimates):
    assert list(replay(recording, ALL, plugins=PLUGINS)) == estimates
    with pytest.raises(RuntimeError, match="inside its `with` statement"):
        next(iter(Replay(recording, ALL, plugins=PLUGINS)))
