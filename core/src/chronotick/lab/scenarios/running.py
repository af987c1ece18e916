"""Running a scenario: the daemon lives through it, a reader watches."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from chronotick.config.schema import Config
from chronotick.lab.replaying.listening import WarningsHeard
from chronotick.lab.scenarios.daemon import VirtualDaemon
from chronotick.lab.scenarios.events import Stop
from chronotick.lab.scenarios.host import Host
from chronotick.lab.scenarios.inhabiting import inhabited
from chronotick.lab.scenarios.keyed_servers import write_keys
from chronotick.lab.scenarios.loop import HostLoop
from chronotick.lab.scenarios.network import Network, address_of
from chronotick.lab.scenarios.outcome import Lived, Outcome
from chronotick.lab.scenarios.scenario import Scenario
from chronotick.lab.scenarios.watching import Watcher
from chronotick.ntp.nts.siv import require

PUBLISH_S: Final = 1.0
"""Time between publications, the longest that can be configured: ten a second tell no more here."""
FORECAST_S: Final = 20.0
"""Time between forecasts: of the estimator alone they need not be more."""
BETWEEN_S: Final = 1e-3
"""A reader reads so long before a publication, and with it."""
START_RAW_NS: Final = 5_000_000_000_000
"""The host has been up for more than an hour."""


def run(scenario: Scenario, seed: int = 0) -> Outcome:
    """Let a daemon live through a scenario; the same seed gives the same outcome.

    Args:
        scenario: what happens.
        seed: of oscillator, networks and polls.

    Raises:
        KeyExchangeError: it needs a package that is not installed.
    """
    check_packages([scenario])
    changed = {"seed": seed, "start_raw_ns": START_RAW_NS}
    live = scenario.world.model_copy(update=changed).live()
    host = Host(live, scenario.events, scenario.system_offset_s)
    network = Network(live, host, scenario.events, scenario.mischief, scenario.pool)
    with ExitStack() as stack:
        heard = stack.enter_context(WarningsHeard())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chronotick-lab-")))
        loop = HostLoop(START_RAW_NS)
        stack.callback(loop.close)
        stack.enter_context(inhabited(host, loop, network, seed=seed))
        daemon = VirtualDaemon(configuration(scenario, folder), loop, folder / "record")
        stack.callback(daemon.close)
        watcher = Watcher(host, folder / "record")
        stack.callback(watcher.close)
        _live(scenario, loop, daemon, watcher)
        lived = Lived(
            readings=watcher.readings,
            transitions=daemon.transitions,
            sources=daemon.monitor.sources(),
            system_steps=daemon.publisher.system_steps,
            key_exchanges=network.key_exchanges(),
            warnings=dict(heard.counts),
        )
    return Outcome.of(scenario, seed, lived)


def check_packages(scenarios: Iterable[Scenario]) -> None:
    """Check that scenarios can be run.

    Raises:
        KeyExchangeError: one needs NTS, and the package for it is not installed.
    """
    if any("nts://" in server for each in scenarios for server in each.servers):
        require()


def configuration(scenario: Scenario, folder: Path) -> Config:
    """The daemon's configuration: the defaults, and the scenario's servers."""
    servers = scenario.servers or [address_of(n) for n in range(len(scenario.world.servers))]
    ntp = {"servers": list(servers), "key_file": write_keys(folder / "keys"), **scenario.ntp}
    return Config.model_validate(
        {
            "clock_measurement": {"ntp": ntp},
            "short_term": {"trigger": "interval", "inference_interval": FORECAST_S},
            "long_term": {"trigger": "interval", "inference_interval": FORECAST_S},
            "shm": {"path": folder / "record", "frequency": 1.0 / PUBLISH_S},
        }
    )


def _live(scenario: Scenario, loop: HostLoop, daemon: VirtualDaemon, watcher: Watcher) -> None:
    stops = [each for each in scenario.events if isinstance(each, Stop)]
    for at_s in _instants(scenario.duration_s):
        if any(stop.at_s <= at_s < stop.at_s + stop.for_s for stop in stops):
            loop.stand_still_until(at_s)
            watcher.read()
            continue
        for until_s, act in _turn(at_s, daemon, watcher):
            loop.run_until(until_s)
            act()
        error = daemon.failure()
        if error is not None:
            raise error


def _turn(
    at_s: float, daemon: VirtualDaemon, watcher: Watcher
) -> tuple[tuple[float, Callable[[], None]], ...]:
    """What is done around a publication, and when."""
    before = (at_s - BETWEEN_S, watcher.read)
    return before, (at_s, daemon.publish), (at_s, watcher.read)


def _instants(duration_s: float) -> Iterator[float]:
    yield from (PUBLISH_S * count for count in range(1, int(duration_s / PUBLISH_S) + 1))
