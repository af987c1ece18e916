"""A simulated world: one local oscillator, some time servers, and the paths between them."""

from __future__ import annotations

import difflib
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from chronotick.history import boot_id
from chronotick.lab.description import Description, NonNegative, Positive, Signed
from chronotick.lab.network import NS_PER_S, Path, PathModel
from chronotick.lab.oscillator import OSCILLATORS, Oscillator, OscillatorModel
from chronotick.lab.path_presets import PATHS
from chronotick.ntp.measurement import Measurement

FALSE_OFFSET_S = 0.030
"""How wrong the false servers of a preset are."""
INITIAL_OFFSET_SD_S = 0.025
INITIAL_FREQUENCY_LIMIT = 30e-6
PRECISION_NS = 1000
"""What the embedded server states and kernel stamps achieve."""
DEFAULT_START_UTC_NS = 1_767_225_600 * NS_PER_S
"""2026-01-01T00:00:00Z."""


Fault = Literal["origin", "replay", "truncated", "mode", "version", "no-time"]


class Lie(Description):
    """How a server's time is wrong, and when.

    Attributes:
        offset_s: its time - true time, when the lie begins.
        drift: how that changes (s/s).
        from_s: when the lie begins, in seconds since the start of the world.
        until_s: from when on the server tells the truth again; None is never.
    """

    offset_s: Signed = 0.0
    drift: Signed = 0.0
    from_s: NonNegative = 0.0
    until_s: Positive | None = None

    @model_validator(mode="after")
    def _lasts(self) -> Lie:
        if self.until_s is not None and self.until_s <= self.from_s:
            raise ValueError(f"until_s ({self.until_s:g}) must be after from_s ({self.from_s:g})")
        return self

    def at_ns(self, elapsed_s: float) -> int:
        """The error `elapsed_s` after the start of the world."""
        since_s = elapsed_s - self.from_s
        if since_s < 0 or (self.until_s is not None and elapsed_s >= self.until_s):
            return 0
        return round((self.offset_s + self.drift * since_s) * NS_PER_S)


class ServerModel(Description):
    """A time server: where it is, what it says of itself, how it behaves.

    Attributes:
        path: the way there and back.
        lie: how its time is wrong; None is an honest server.
        stratum: as stated in its replies; 0 and 16 are for testing clients.
        leap: leap indicator, as stated.
        root_delay_s: as stated.
        root_dispersion_s: as stated.
        hold_s: how long it takes to answer, at least.
        kiss: answer everything with this kiss code (RFC 5905, section 7.4), and no time.
        min_interval_s: requests of one client address that come faster get the kiss code RATE.
        fault: what is wrong with its replies (see `chronotick.lab.responder.spoil`).
    """

    path: PathModel = PathModel()
    lie: Lie | None = None
    stratum: int = Field(default=1, ge=0, le=16)
    leap: int = Field(default=0, ge=0, le=3)
    root_delay_s: NonNegative = 0.0
    root_dispersion_s: NonNegative = 0.0
    hold_s: NonNegative = 0.0
    kiss: Literal["DENY", "RSTR", "RATE"] | None = None
    min_interval_s: NonNegative = 0.0
    fault: Fault | None = None


class World(Description):
    """Everything that decides what a simulation does.

    Two processes with the same description (it is JSON: ``model_dump_json``,
    ``model_validate_json``), the same version of numpy and, where it runs in real time, on the same
    boot of the same machine, know the same truth.

    Attributes:
        oscillator: the local clock.
        servers: at least one.
        seed: chance.
        start_raw_ns: reading of the local clock (CLOCK_MONOTONIC_RAW where it runs in real time)
            at the start.
        start_utc_ns: true time at the start, without the oscillator's ``offset_s``.
        boot_id: the boot that `start_raw_ns` belongs to; empty where time is virtual.
    """

    oscillator: OscillatorModel
    servers: tuple[ServerModel, ...] = Field(min_length=1)
    seed: int = Field(ge=0)
    start_raw_ns: int = Field(default=0, ge=0)
    start_utc_ns: int = Field(default=DEFAULT_START_UTC_NS, gt=0)
    boot_id: str = ""

    @classmethod
    def from_preset(cls, name: str, *, servers: int = 1, false: int = 0, seed: int = 0) -> World:
        """A world named ``NETWORK-CLOCK``, e.g. ``dc-hvac``, that starts at local time 0.

        Routes, initial offset and initial frequency are drawn with the seed.

        Args:
            name: a key of `PATHS`, a hyphen, a key of `OSCILLATORS`.
            servers: how many servers there are.
            false: how many of them, the last ones, are `FALSE_OFFSET_S` wrong.
            seed: chance.

        Raises:
            ValueError: there is no such preset, or the counts make no sense.
        """
        network, _, clock = name.partition("-")
        _require(network, PATHS, f"world {name!r}: network")
        _require(clock, OSCILLATORS, f"world {name!r}: clock")
        if not 0 <= false <= servers:
            raise ValueError(f"{false} false servers of {servers}: give 0 to {servers}")
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
        oscillator = _randomised(OSCILLATORS[clock], rng)
        honest = [ServerModel(path=PATHS[network](rng, index)) for index in range(servers)]
        lie = Lie(offset_s=FALSE_OFFSET_S)
        wrong = [server.model_copy(update={"lie": lie}) for server in honest[servers - false :]]
        return cls(oscillator=oscillator, servers=(*honest[: servers - false], *wrong), seed=seed)

    @model_validator(mode="after")
    def _route_changes_in_order(self) -> World:
        for number, server in enumerate(self.servers):
            times = [change.at_s for change in server.path.route_changes]
            if times != sorted(times):
                raise ValueError(f"servers.{number}.path.route_changes: put them in order of at_s")
        return self

    def starting_now(self) -> World:
        """The same world starting at this instant of this machine, at about its UTC."""
        now = {
            "start_raw_ns": time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW),
            "start_utc_ns": time.time_ns(),
            "boot_id": boot_id(),
        }
        return self.model_copy(update=now)

    def live(self) -> LiveWorld:
        """The world in motion. Several of them never disturb each other."""
        return LiveWorld(self)


@dataclass(frozen=True, slots=True)
class Exchange:
    """The four timestamps of one answered request (RFC 5905, section 8).

    Attributes:
        server: number of the server, 0 is the first.
        t1_ns: request sent, local clock.
        t2_ns: request received, server's clock (UTC).
        t3_ns: reply sent, server's clock (UTC).
        t4_ns: reply received, local clock.
    """

    server: int
    t1_ns: int
    t2_ns: int
    t3_ns: int
    t4_ns: int

    @property
    def offset_ns(self) -> int:
        """Server's clock - local clock as seen, ``((t2-t1)+(t3-t4))/2``."""
        return ((self.t2_ns - self.t1_ns) + (self.t3_ns - self.t4_ns)) // 2

    @property
    def delay_ns(self) -> int:
        """Round trip without the hold time, ``(t4-t1)-(t3-t2)``."""
        return (self.t4_ns - self.t1_ns) - (self.t3_ns - self.t2_ns)

    def measurement(self) -> Measurement:
        """What an NTP client makes of it; the source is the server's number."""
        return Measurement(
            source=str(self.server),
            raw_ns=(self.t1_ns + self.t4_ns) // 2,
            offset_ns=self.offset_ns,
            delay_ns=self.delay_ns,
            precision_ns=PRECISION_NS,
            root_delay_ns=0,
            root_dispersion_ns=0,
            stratum=1,
        )


class LiveWorld:
    """A world in motion: its truth, and exchanges with its servers on a virtual clock.

    Truth depends on the time alone. Delays are drawn per server in the order of its exchanges.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.oscillator = Oscillator(
            world.oscillator,
            seed=world.seed,
            start_raw_ns=world.start_raw_ns,
            start_utc_ns=world.start_utc_ns,
        )
        self.paths = [
            Path(server.path, np.random.SeedSequence(world.seed, spawn_key=(1, index)))
            for index, server in enumerate(world.servers)
        ]

    def truth(self, raw_ns: int) -> int:
        """True time (UTC, ns) when the local clock reads `raw_ns`.

        Raises:
            ValueError: `raw_ns` is before the start of the world.
        """
        return self.oscillator.truth(raw_ns)

    def elapsed_s(self, raw_ns: int) -> float:
        """Seconds of the local clock since the start of the world."""
        return (raw_ns - self.world.start_raw_ns) / NS_PER_S

    def seen(self, exchange: Exchange) -> tuple[int, int]:
        """Local time since the start and the offset beyond that of the start, as seen (ns).

        The middle of the exchange and its offset: small numbers, exact in floating point.
        """
        middle_ns = (exchange.t1_ns + exchange.t4_ns) // 2 - self.world.start_raw_ns
        return middle_ns, exchange.offset_ns - self.start_offset_ns

    @property
    def start_offset_ns(self) -> int:
        """UTC - local clock at the start, without the oscillator's ``offset_s``."""
        return self.world.start_utc_ns - self.world.start_raw_ns

    def exchange(self, server: int, raw_ns: int) -> Exchange | None:
        """Ask a server when the local clock reads `raw_ns`; None when no reply comes.

        No socket and no waiting: for replay on a virtual clock.

        Raises:
            IndexError: there is no such server.
            ValueError: `raw_ns` is before the start of the world.
        """
        model = self.world.servers[server]
        elapsed_s = self.elapsed_s(raw_ns)
        transit = self.paths[server].transit(elapsed_s)
        if transit is None:
            return None
        received_ns = raw_ns + transit.forward_ns
        sent_ns = received_ns + round(model.hold_s * NS_PER_S)
        lie_ns = model.lie.at_ns(elapsed_s) if model.lie else 0
        return Exchange(
            server=server,
            t1_ns=raw_ns,
            t2_ns=self.truth(received_ns) + lie_ns,
            t3_ns=self.truth(sent_ns) + lie_ns,
            t4_ns=sent_ns + transit.backward_ns,
        )


def _randomised(model: OscillatorModel, rng: np.random.Generator) -> OscillatorModel:
    """The model with an offset and a frequency of its own, unless it is ideal."""
    offset_s = float(rng.normal(0.0, INITIAL_OFFSET_SD_S))
    frequency = float(rng.uniform(-INITIAL_FREQUENCY_LIMIT, INITIAL_FREQUENCY_LIMIT))
    if model == OSCILLATORS["ideal"]:
        return model
    return model.model_copy(update={"offset_s": offset_s, "frequency": frequency})


def _require(name: str, known: Collection[str], what: str) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    suggestion = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{what} {name!r} is not one of {', '.join(sorted(known))}.{suggestion}")
