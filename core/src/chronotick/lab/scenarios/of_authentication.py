"""Scenarios of authenticated time: what holds while somebody else would have it otherwise."""

from __future__ import annotations

from chronotick.lab.scenarios.events import CookieKeyLost, KeyReplaced, NoKeys, Stripping
from chronotick.lab.scenarios.keyed_servers import SHARED
from chronotick.lab.scenarios.network import address_of
from chronotick.lab.scenarios.of_clocks import HELD
from chronotick.lab.scenarios.of_servers import ALL, GOOD
from chronotick.lab.scenarios.scenario import Expected, Scenario
from chronotick.lab.scenarios.worlds import with_servers, world
from chronotick.lab.world import Lie

PLAIN = (3, 4, 5, 6)
BY_KEY = tuple(f"key://{SHARED.number}@{address_of(number)}" for number in ALL)
BY_NTS = tuple(f"nts://{address_of(number)}" for number in ALL)

OF_AUTHENTICATION = (
    Scenario(
        name="nts",
        happens="three servers of seven are asked by NTS, the others agree on a lie of 100 ms; "
        "after an hour one of the three loses its key for cookies",
        asserts="every time served is authenticated; cookies are refilled, so that keys are "
        "exchanged once only, and once more with that one",
        world=with_servers(world(servers=7), PLAIN, lie=Lie(offset_s=0.1)),
        servers=(*BY_NTS[:3], *map(address_of, PLAIN)),
        events=(CookieKeyLost(at_s=3600.0, servers=(0,)),),
        expected=Expected(
            error_s=10e-3,
            within_s=10.0,
            authenticated=True,
            reasons=dict.fromkeys(PLAIN, "x"),
            key_exchanges={0: 2, 1: 1, 2: 1},
            dropped={0: "nts-refused"},
        ),
        duration_s=5400.0,
    ),
    Scenario(
        name="ntsstripped",
        happens="for ten minutes somebody on the way takes the authentication off all replies, "
        "and moves them by an hour",
        asserts="none of them is believed: holdover, in which the cookies run out; then "
        "synchronised again, with new keys",
        world=world(),
        servers=BY_NTS,
        events=(Stripping(at_s=600.0, until_s=1200.0, servers=ALL),),
        expected=Expected(
            error_s=10e-3,
            within_s=60.0,
            statuses=HELD,
            authenticated=True,
            key_exchanges=dict.fromkeys(ALL, 2),
            dropped=dict.fromkeys(ALL, "unauthenticated"),
        ),
        over_s=1200.0,
        duration_s=1800.0,
    ),
    Scenario(
        name="ntsnokeys",
        happens="all servers lose their key for cookies after 10 min, and give no new keys for "
        "another ten",
        asserts="holdover; synchronised again when the next key exchange is due, after pauses "
        "that have grown",
        world=world(),
        servers=BY_NTS,
        events=(
            CookieKeyLost(at_s=600.0, servers=ALL),
            NoKeys(at_s=600.0, until_s=1200.0, servers=ALL),
        ),
        expected=Expected(
            error_s=10e-3,
            within_s=400.0,
            statuses=HELD,
            authenticated=True,
            key_exchanges=dict.fromkeys(ALL, 2),
            dropped=dict.fromkeys(ALL, "nts-waiting"),
        ),
        over_s=1200.0,
        duration_s=1800.0,
    ),
    Scenario(
        name="keys",
        happens="three servers of seven are asked with a symmetric key, the others agree on a lie "
        "of 100 ms; after 10 min one of the three has another key; the replies of a second are "
        "stripped and moved as in ntsstripped, for five minutes before that",
        asserts="every time served is authenticated; the first gives no more answers, the second "
        "is used again in the end",
        world=with_servers(world(servers=7), PLAIN, lie=Lie(offset_s=0.1)),
        servers=(*BY_KEY[:3], *map(address_of, PLAIN)),
        events=(
            Stripping(at_s=300.0, until_s=600.0, servers=(1,)),
            KeyReplaced(at_s=600.0, servers=(0,)),
        ),
        expected=Expected(
            error_s=10e-3,
            within_s=10.0,
            authenticated=True,
            reasons={0: "?", 1: GOOD} | dict.fromkeys(PLAIN, "x"),
            dropped={0: "timeout", 1: "unauthenticated"},
        ),
        duration_s=1500.0,
    ),
)
