"""What attackers do to served time: from a minority, from a majority, on a virtual clock.

Each row is a simulated world (NETWORK-CLOCK) of five servers, of which some lie, or whose packets
somebody on the way holds up, from the second hour on. The daemon's own code is replayed over what
it would have measured, and compared with the truth every ten seconds. The columns:

- error: worst and last true error of the estimate since the attack began;
- bound: the worst hard bound since then;
- outside: share of those instants at which the truth was outside the bound;
- unserved: share of those instants at which the daemon would not have called the time synchronised;
- trusted: how long after the attack began the last attacked server was believed, "always" if it
  still is at the end: then nothing tells that there is an attack.

The first row of each world is without attack, in the same run: what the others are compared with.

Run: `python bench/attacks.py [--world wan-hvacs ...] [--attack S] [--seed N] [--rows WORD]`.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from operator import attrgetter

from chronotick.lab.network import NS_PER_S, Leg, PathModel, RouteChange
from chronotick.lab.polling import Polling, exchanges
from chronotick.lab.recordings.recording import Arrival, Recording
from chronotick.lab.replaying import Estimate, Excerpt, Replay
from chronotick.lab.world import Exchange, Lie, LiveWorld, ServerModel, World
from chronotick.ntp.selection import Limits, Reason
from chronotick.ntp.selector import Selector
from chronotick.shm.layout import Status

SERVERS = 5
POLLING = Polling(jitter=0.1)  # every 64 s, as the daemon
EVERY_S = 10.0
MAX_DELAY_NS = 1_000_000_000  # what the daemon accepts by default
BELIEVED = {Reason.BEST, Reason.USED}

Tamper = Callable[[ServerModel, float], ServerModel]
"""What becomes of a server, and from when on (s)."""


@dataclass(frozen=True)
class Attack:
    """One row: what is done, by how many, and which servers are authenticated."""

    name: str
    attacked: int
    tamper: Tamper
    authenticated: Collection[int] = ()


def lying(offset_s: float = 0.0, drift: float = 0.0) -> Tamper:
    """A server, or somebody on the way to it, whose time goes wrong."""

    def tamper(server: ServerModel, from_s: float) -> ServerModel:
        lie = Lie(offset_s=offset_s, drift=drift, from_s=from_s)
        return server.model_copy(update={"lie": lie})

    return tamper


def pretending(offset_s: float) -> Tamper:
    """A lying server that states to have held requests for as long as they were under way.

    The round trip then looks short and the server near, as that of no honest one does.
    """
    near = PathModel(forward=Leg(minimum_s=50e-6), backward=Leg(minimum_s=50e-6))
    lies = lying(offset_s)
    return lambda server, from_s: lies(server.model_copy(update={"path": near}), from_s)


def held_up(forward_s: float = 0.0, backward_s: float = 0.0) -> Tamper:
    """Somebody on the way who lets packets of one direction wait."""

    def tamper(server: ServerModel, from_s: float) -> ServerModel:
        change = RouteChange(at_s=from_s, forward_s=forward_s, backward_s=backward_s)
        path = server.path.model_copy(update={"route_changes": (change,)})
        return server.model_copy(update={"path": path})

    return tamper


ATTACKS = (
    Attack("nobody attacks", 0, lying()),
    Attack("2 of 5 jump by 50 ms", 2, lying(0.05)),
    Attack("2 of 5 jump by 1 s", 2, lying(1.0)),
    Attack("2 of 5 drift by 0.1 ppm", 2, lying(drift=1e-7)),
    Attack("2 of 5 drift by 1 ppm", 2, lying(drift=1e-6)),
    Attack("2 of 5 drift by 10 ppm", 2, lying(drift=1e-5)),
    Attack("2 of 5 drift by 100 ppm", 2, lying(drift=1e-4)),
    Attack("2 of 5: replies held for 50 ms", 2, held_up(backward_s=0.05)),
    Attack("1 of 5 seems near, jumps by 3 ms", 1, pretending(0.003)),
    Attack("2 of 5 seem near, jump by 3 ms", 2, pretending(0.003)),
    Attack("2 of 5 seem near, jump by 30 ms", 2, pretending(0.03)),
    Attack("all 5: replies held for 50 ms", 5, held_up(backward_s=0.05)),
    Attack("all 5: requests held for 400 ms", 5, held_up(forward_s=0.4)),
    Attack("3 of 5 jump by 1 s", 3, lying(1.0)),
    Attack("3 of 5 drift by 0.1 ppm", 3, lying(drift=1e-7)),
    Attack("3 of 5 drift by 10 ppm", 3, lying(drift=1e-5)),
    Attack("3 of 5 drift by 10 ppm, 1 of 2 honest has NTS", 3, lying(drift=1e-5), {0}),
    Attack("4 of 5 jump by 1 s, the honest one has NTS", 4, lying(1.0), {0}),
)


@dataclass
class Outcome:
    """What was served, since the attack began."""

    error_s: float = 0.0
    last_s: float = 0.0
    bound_s: float = 0.0
    instants: int = 0
    outside: int = 0
    unserved: int = 0
    trusted_s: float = 0.0

    def take(self, estimate: Estimate, live: LiveWorld) -> None:
        """Compare an estimate with the truth."""
        raw_ns = estimate.local_ns
        error_ns = estimate.offset_ns - (live.truth(raw_ns) - raw_ns)
        self.instants += 1
        self.last_s = error_ns / NS_PER_S
        self.error_s = max(self.error_s, abs(self.last_s))
        self.unserved += estimate.status is not Status.SYNCHRONISED
        if estimate.bound_ns is not None:
            self.bound_s = max(self.bound_s, estimate.bound_ns / NS_PER_S)
            self.outside += abs(error_ns) > estimate.bound_ns


def attacked(world: World, attack: Attack, from_s: float) -> World:
    """The world with its last servers tampered with."""
    honest = len(world.servers) - attack.attacked
    tampered = (attack.tamper(server, from_s) for server in world.servers[honest:])
    servers = (*world.servers[:honest], *tampered)
    return world.model_copy(update={"servers": servers})


def measured(live: LiveWorld, attack: Attack, seconds: float) -> Recording:
    """What the daemon would have measured."""
    answers = [
        exchange
        for server in range(len(live.world.servers))
        for exchange in exchanges(live, server, POLLING, seconds)
        if exchange is not None
    ]
    arrivals = [_arrival(each, attack) for each in sorted(answers, key=attrgetter("t4_ns"))]
    return Recording(path=attack.name, format="simulated", arrivals=tuple(arrivals))


def _arrival(exchange: Exchange, attack: Attack) -> Arrival:
    authenticated = exchange.server in attack.authenticated
    measurement = dataclasses.replace(exchange.measurement(), authenticated=authenticated)
    return Arrival(exchange.t4_ns, measurement)


def trusted_s(recording: Recording, attack: Attack, from_s: float) -> float:
    """How long after its begin the last attacked server was believed."""
    limits = Limits(max_distance_ns=10 * NS_PER_S, min_stratum=1, max_stratum=15, min_sources=1)
    selector, last_s = Selector(limits), 0.0
    attacked_ones = {str(SERVERS - 1 - number) for number in range(attack.attacked)}
    for arrival in recording.arrivals:
        if arrival.measurement.delay_ns > MAX_DELAY_NS:
            continue
        selector.take(arrival.measurement)
        reasons = selector.select(arrival.raw_ns).reasons
        if any(reasons[each] in BELIEVED for each in attacked_ones & reasons.keys()):
            last_s = arrival.raw_ns / NS_PER_S - from_s
    return last_s


def run(world: World, attack: Attack, from_s: float, seconds: float) -> Outcome:
    """Attack a world."""
    live = attacked(world, attack, from_s).live()
    live.truth(round(seconds * NS_PER_S))  # draws it once
    recording, outcome = measured(live, attack, seconds), Outcome()
    with Replay(recording, excerpt=Excerpt(every_ns=round(EVERY_S * NS_PER_S))) as replayed:
        for estimate in replayed:
            if estimate.local_ns > from_s * NS_PER_S:
                outcome.take(estimate, live)
    outcome.trusted_s = trusted_s(recording, attack, from_s)
    return outcome


def row(name: str, outcome: Outcome, longest_s: float) -> str:
    """One line of the table."""
    share, trusted = 1 / max(outcome.instants, 1), outcome.trusted_s
    cells = (
        f"{name:46}",
        f"{outcome.error_s * 1e3:10.3f}",
        f"{outcome.last_s * 1e3:10.3f}",
        f"{outcome.bound_s * 1e3:10.3f}",
        f"{outcome.outside * share:8.1%}",
        f"{outcome.unserved * share:8.1%}",
        f"{'always' if trusted > longest_s else f'{trusted:.0f} s':>8}",
    )
    return " ".join(cells)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--world", nargs="+", default=["wan-hvacs"], metavar="NETWORK-CLOCK")
    parser.add_argument("--before", type=float, default=3600.0, metavar="S", help="without attack")
    parser.add_argument("--attack", type=float, default=10800.0, metavar="S", help="how long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--rows", default="", metavar="WORD", help="only rows with this in their name"
    )
    return parser.parse_args()


def main() -> None:
    given = arguments()
    for name in given.world:
        world = World.from_preset(name, servers=SERVERS, seed=given.seed)
        heads = f"{'error ms':>10} {'last ms':>10} {'bound ms':>10} {'outside':>8} {'unserved':>8}"
        print(f"{name:46} {heads} {'trusted':>8}")
        for attack in ATTACKS:
            if given.rows in attack.name:
                outcome = run(world, attack, given.before, given.before + given.attack)
                still_s = given.attack - 2 * POLLING.interval_s
                print(row(attack.name, outcome, still_s), flush=True)


if __name__ == "__main__":
    main()
