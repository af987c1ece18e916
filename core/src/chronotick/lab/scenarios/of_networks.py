"""Scenarios of networks: what happens to packets on their way."""

from __future__ import annotations

from chronotick.lab.network import RouteChange
from chronotick.lab.scenarios.events import Mischief
from chronotick.lab.scenarios.of_clocks import HELD
from chronotick.lab.scenarios.scenario import Expected, Scenario
from chronotick.lab.scenarios.worlds import leg, silent, with_paths, with_servers, world

ALL = range(4)

OF_NETWORKS = (
    Scenario(
        name="largejitter",
        happens="queues of 50 ms on the mean, both ways, to every server",
        asserts="true at all times, and the quiet packets are found in the end",
        world=with_paths(world(), ALL, forward=leg(0.01, 0.05), backward=leg(0.01, 0.05)),
        expected=Expected(error_s=30e-3, within_s=600.0),
        duration_s=1500.0,
    ),
    Scenario(
        name="asymjitter",
        happens="queues of 50 ms on the mean, on the way there only",
        asserts="as largejitter",
        world=with_paths(world(), ALL, forward=leg(0.01, 0.05), backward=leg(0.01)),
        expected=Expected(error_s=30e-3, within_s=600.0),
        duration_s=1500.0,
    ),
    Scenario(
        name="packetloss",
        happens="every fifth packet is lost, each way",
        asserts="as calm, only later",
        world=with_paths(world(), ALL, forward=leg(0.01, 1e-3, 0.2), backward=leg(0.01, 1e-3, 0.2)),
        expected=Expected(error_s=10e-3, within_s=60.0),
        duration_s=1500.0,
    ),
    Scenario(
        name="intermittent",
        happens="the network is there for a minute of five only",
        asserts="holdover in between, synchronised when it is there",
        world=with_paths(
            world(), ALL, outages=tuple(silent(60.0 + 300.0 * n, 300.0 + 300.0 * n) for n in ALL)
        ),
        expected=Expected(error_s=10e-3, within_s=60.0, statuses=HELD),
        over_s=1200.0,
        duration_s=1500.0,
    ),
    Scenario(
        name="offline",
        happens="no server can be reached for 45 min",
        asserts="holdover, true within its bound; synchronised soon after",
        world=with_paths(world(), ALL, outages=(silent(600.0, 3300.0),)),
        expected=Expected(error_s=10e-3, within_s=120.0, statuses=HELD),
        over_s=3300.0,
        duration_s=3600.0,
    ),
    Scenario(
        name="coldstart",
        happens="the network comes up five minutes after the daemon",
        asserts="no time before, synchronised soon after",
        world=with_paths(world(), ALL, outages=(silent(0.0, 300.0),)),
        expected=Expected(error_s=10e-3, within_s=30.0, silent_s=((0.0, 300.0),)),
        over_s=300.0,
        duration_s=600.0,
    ),
    Scenario(
        name="maxdelay",
        happens="one server of four answers 150 ms later than max_delay allows",
        asserts="it is not used, the others are",
        world=with_paths(world(), (3,), forward=leg(0.2), backward=leg(0.05)),
        ntp={"max_delay": 0.1},
        expected=Expected(error_s=10e-3, within_s=10.0, reasons={3: "?"}),
        duration_s=600.0,
    ),
    Scenario(
        name="routechange",
        happens="the ways to all servers become longer after 10 min, one way only, by 4 ms",
        asserts="true at all times: half of that nobody can see",
        world=with_paths(
            world(), ALL, route_changes=(RouteChange(at_s=600.0, forward_s=4e-3, backward_s=0.0),)
        ),
        expected=Expected(error_s=10e-3, within_s=60.0),
        over_s=600.0,
        duration_s=1500.0,
    ),
    Scenario(
        name="routelonger",
        happens="the way to one server becomes 40 ms longer after 10 min, one way only",
        asserts="the estimate stays where the others are",
        world=with_paths(
            world(), (0,), route_changes=(RouteChange(at_s=600.0, forward_s=40e-3, backward_s=0.0),)
        ),
        expected=Expected(error_s=10e-3, within_s=60.0),
        over_s=600.0,
        duration_s=1500.0,
    ),
    Scenario(
        name="duplicates",
        happens="each reply comes twice",
        asserts="as calm",
        world=world(),
        mischief=Mischief(duplicated=0.999),
        expected=Expected(error_s=10e-3, within_s=10.0),
        duration_s=600.0,
    ),
    Scenario(
        name="reordering",
        happens="every fifth reply is overtaken by the replies to later questions",
        asserts="as calm",
        world=world(),
        mischief=Mischief(overtaken=0.2),
        expected=Expected(error_s=10e-3, within_s=15.0),
        duration_s=600.0,
    ),
    Scenario(
        name="forgeries",
        happens="20 forged replies, an hour ahead, come before each genuine one",
        asserts="as calm",
        world=world(),
        mischief=Mischief(forged=20),
        expected=Expected(error_s=10e-3, within_s=10.0),
        duration_s=600.0,
    ),
    Scenario(
        name="replays",
        happens="one server's replies are each the one before, once more",
        asserts="it is not used, the others are",
        world=with_servers(world(), (0,), fault="replay"),
        expected=Expected(error_s=10e-3, within_s=10.0, reasons={0: "?"}),
        duration_s=600.0,
    ),
)
