"""Scenarios of servers: what they say, and whether it is true."""

from __future__ import annotations

from chronotick.lab.network import NS_PER_S
from chronotick.lab.scenarios.events import LeapSecond, ServerChange
from chronotick.lab.scenarios.of_clocks import ANEW, HELD
from chronotick.lab.scenarios.scenario import Expected, Scenario
from chronotick.lab.scenarios.worlds import leg, silent, with_paths, with_servers, world
from chronotick.lab.world import Lie

YEAR_ENDS_NS = 1_798_761_600 * NS_PER_S
"""2027-01-01T00:00:00Z."""
LEAP_S = 600.0
AROUND_THE_LEAP = ((LEAP_S - 2.0, LEAP_S + 1.0),)
"""When there must be no time; the daemon is silent for longer."""
SMEAR = 1.0 / 86_400.0
"""A second in a day, as public smearing servers do it."""
ALL = tuple(range(4))
GOOD = "*+~"
"""Letters of servers that agree."""

BEFORE_THE_YEARS_END = world().model_copy(
    update={"start_utc_ns": YEAR_ENDS_NS - round(LEAP_S) * NS_PER_S}
)

OF_SERVERS = (
    Scenario(
        name="sourceselection",
        happens="two servers of five are 30 ms wrong, each to its side",
        asserts="the three that agree are believed",
        world=with_servers(
            with_servers(world(servers=5), (0,), lie=Lie(offset_s=0.030)),
            (1,),
            lie=Lie(offset_s=-0.030),
        ),
        expected=Expected(error_s=10e-3, within_s=30.0, reasons={0: "x", 1: "x"}),
        duration_s=900.0,
    ),
    Scenario(
        name="falseticker",
        happens="one server of four begins to lie by 100 ms after 10 min",
        asserts="it is found out, and no time served is outside the bound",
        world=with_servers(world(), (0,), lie=Lie(offset_s=0.1, from_s=600.0)),
        expected=Expected(error_s=10e-3, within_s=30.0, reasons={0: "x"}),
        over_s=600.0,
        duration_s=900.0,
    ),
    Scenario(
        name="nearlie",
        happens="a server of five that is much nearer than the others lies by 2 ms after an hour",
        asserts="it contradicts nobody, and moves the time, within the bound; nothing is forgotten",
        world=with_servers(
            with_paths(world(servers=5), (0,), forward=leg(50e-6), backward=leg(50e-6)),
            (0,),
            lie=Lie(offset_s=2e-3, from_s=3600.0),
        ),
        expected=Expected(error_s=3e-3, within_s=10.0),
        over_s=3600.0,
        duration_s=5400.0,
    ),
    Scenario(
        name="slowlie",
        happens="one server of four goes away from true time by 50 ppm",
        asserts="it is found out",
        world=with_servers(world(), (0,), lie=Lie(drift=50e-6, from_s=600.0)),
        expected=Expected(error_s=10e-3, within_s=10.0, reasons={0: "x"}),
        over_s=600.0,
        duration_s=1500.0,
    ),
    Scenario(
        name="halflying",
        happens="two servers of four lie by 100 ms for ten minutes",
        asserts="nobody is believed meanwhile: holdover; then synchronised again",
        world=with_servers(world(), (0, 1), lie=Lie(offset_s=0.1, from_s=600.0, until_s=1200.0)),
        expected=Expected(error_s=10e-3, within_s=300.0, statuses=HELD),
        over_s=1200.0,
        duration_s=1500.0,
    ),
    Scenario(
        name="serverrestart",
        happens="a server is away for a minute, then a day wrong for five, then right again",
        asserts="the others go on; it is used again in the end",
        world=with_servers(
            with_paths(world(), (0,), outages=(silent(600.0, 660.0),)),
            (0,),
            lie=Lie(offset_s=-86_400.0, from_s=600.0, until_s=960.0),
        ),
        expected=Expected(error_s=10e-3, within_s=30.0, reasons={0: GOOD}),
        over_s=600.0,
        duration_s=1500.0,
    ),
    Scenario(
        name="unsynchronised",
        happens="all servers say for ten minutes that they are not synchronised",
        asserts="holdover meanwhile",
        world=world(),
        events=(
            ServerChange(at_s=600.0, servers=ALL, behaviour={"leap": 3, "stratum": 16}),
            ServerChange(at_s=1200.0, servers=ALL, behaviour={"leap": 0, "stratum": 1}),
        ),
        expected=Expected(error_s=10e-3, within_s=120.0, statuses=HELD),
        over_s=1200.0,
        duration_s=1500.0,
    ),
    Scenario(
        name="replacement",
        happens="two servers of a pool fall silent for good after 10 min",
        asserts="others of the pool take their place",
        world=with_paths(world(servers=6), (0, 1), outages=(silent(600.0, 1e6),)),
        servers=("pool.example",),
        pool=tuple(range(6)),
        expected=Expected(error_s=10e-3, within_s=10.0, reasons={4: GOOD, 5: GOOD}),
        over_s=600.0,
        duration_s=1800.0,
    ),
    Scenario(
        name="kisscodes",
        happens="a server refuses service (DENY), another tells us to ask less often (RATE)",
        asserts="the first is given up, the second is used all the same",
        world=with_servers(with_servers(world(), (0,), kiss="DENY"), (1,), min_interval_s=30.0),
        expected=Expected(error_s=10e-3, within_s=10.0, reasons={0: "K", 1: GOOD}),
        duration_s=1200.0,
    ),
    Scenario(
        name="leapsecond",
        happens="a leap second is inserted, which all servers have announced",
        asserts="no time for some seconds around it; true before and after",
        world=with_servers(BEFORE_THE_YEARS_END, ALL, leap=1),
        events=(
            LeapSecond(at_utc_ns=YEAR_ENDS_NS, by_s=-1),
            ServerChange(at_s=LEAP_S + 1.0, servers=ALL, behaviour={"leap": 0}),
        ),
        expected=Expected(
            error_s=10e-3, within_s=15.0, statuses=ANEW, epochs=1, silent_s=AROUND_THE_LEAP
        ),
        over_s=LEAP_S,
        duration_s=900.0,
    ),
    Scenario(
        name="leapdeleted",
        happens="a second is left out, which all servers have announced",
        asserts="no time for some seconds around it; true before and after",
        world=with_servers(BEFORE_THE_YEARS_END, ALL, leap=2),
        events=(
            LeapSecond(at_utc_ns=YEAR_ENDS_NS - NS_PER_S, by_s=1),
            ServerChange(at_s=LEAP_S + 1.0, servers=ALL, behaviour={"leap": 0}),
        ),
        expected=Expected(
            error_s=10e-3, within_s=15.0, statuses=ANEW, epochs=1, silent_s=AROUND_THE_LEAP
        ),
        over_s=LEAP_S,
        duration_s=900.0,
    ),
    Scenario(
        name="leapsmear",
        happens="a leap second is inserted; one server of four smears it, half a second off then",
        asserts="the smearing server is not mixed with the leaping ones; else as leapsecond",
        world=with_servers(
            with_servers(BEFORE_THE_YEARS_END, (0, 1, 2), leap=1),
            (3,),
            lie=Lie(offset_s=-0.5, drift=-SMEAR),
        ),
        events=(
            LeapSecond(at_utc_ns=YEAR_ENDS_NS, by_s=-1),
            ServerChange(at_s=LEAP_S + 1.0, servers=(0, 1, 2), behaviour={"leap": 0}),
            ServerChange(
                at_s=LEAP_S, servers=(3,), behaviour={"lie": Lie(offset_s=0.5, drift=-SMEAR)}
            ),
        ),
        expected=Expected(
            error_s=10e-3,
            within_s=15.0,
            statuses=ANEW,
            epochs=1,
            silent_s=AROUND_THE_LEAP,
            reasons={3: "x"},
        ),
        over_s=LEAP_S,
        duration_s=900.0,
    ),
    Scenario(
        name="smearing",
        happens="one server of four spreads a leap second over a day",
        asserts="it is not mixed with the others",
        world=with_servers(world(), (3,), lie=Lie(offset_s=0.25, drift=-SMEAR)),
        expected=Expected(error_s=10e-3, within_s=10.0, reasons={3: "x"}),
        duration_s=900.0,
    ),
)
