"""Which worlds models are trained on: ranges that each world is drawn from.

Every range is either log-uniform (from a lowest to a highest value above zero) or a probability.
``docs/training.md`` says where the numbers come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar, get_args

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from chronotick.lab.description import Description, NonNegative, Positive, Probability
from chronotick.lab.environment import Cycle, Load
from chronotick.lab.network import Leg, Outage, PathModel, Queue, RouteChange
from chronotick.lab.oscillator import DAY_S, OscillatorModel
from chronotick.lab.path_presets import PATHS
from chronotick.lab.polling import Polling
from chronotick.lab.simulation import Simulation
from chronotick.lab.world import INITIAL_FREQUENCY_LIMIT, INITIAL_OFFSET_SD_S, ServerModel, World

Kind = Literal["steady", "daily", "cycle", "load", "mixed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Kinds of worlds: no structure; a daily cycle; a shorter cycle; computing load; both of these."""
Network = Literal["dc", "wan", "wans", "wifi"]
WORLD = 17
"""Spawn key of the draws of worlds; the worlds' own chance is seeded with a number drawn here."""
GRID = 8.0  # grid points of the simulated oscillator's fluctuations per poll
FINEST_S, COARSEST_S = 1.0, 32.0  # its step: short against thermal constants, cheap for days
MAX_SERVERS = 4


_Name = TypeVar("_Name", bound="str | int")


def _ascending(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"the lowest value first: [{limits[1]:g}, {limits[0]:g}]")
    return limits


Share = Annotated[float, Field(ge=0, le=1)]
"""A probability; certainty is one, too."""
Range = Annotated[tuple[Positive, Positive], AfterValidator(_ascending)]
"""Lowest and highest value; drawn log-uniformly."""


class Prior(Description):
    """Ranges of worlds.

    Attributes:
        cycles: whether clocks may have periodic changes of frequency; without, only the kinds
            ``steady`` and ``load`` are drawn.
        filter: whether contexts are the estimator's residuals, as in the daemon; without, they are
            raw offsets minus a straight line.
        shares: how often each kind of world is drawn, relatively.
        networks: how often each kind of path is drawn, relatively.
        servers: how often worlds have one, two, three, ... servers, relatively.
        poll_s: pause between questions to a server.
        polls: length of a world in polls.
        longest_s: length of a world at most.
        white_fm, flicker_fm, wander: noise of the oscillator (see `OscillatorModel`).
        flicker: probability that there is flicker noise; without, its floor is zero.
        ageing: change of frequency in a day, either way, at most.
        cycle_period_s, cycle_amplitude: of cycles shorter than a day.
        cycle_jitter: of a cycle's length, uniformly up to this.
        regular: probability that a cycle has no jitter at all.
        second_cycle: probability of one more cycle.
        daily: probability of a daily cycle where there is other structure.
        daily_amplitude: of that.
        load_amplitude, load_hold_s, thermal_s: of computing load (see `Load`).
        noise: by how much queues are longer or shorter than the preset's.
        symmetric: probability that all routes of a world are symmetric.
        outages: probability of outages; then one or two.
        outage_polls: length of an outage.
        route_changes: probability that the route to a server changes once.
    """

    cycles: bool = True
    filter: bool = True
    shares: dict[Kind, NonNegative] = Field(
        default={"steady": 0.25, "daily": 0.1, "cycle": 0.3, "load": 0.2, "mixed": 0.15}
    )
    networks: dict[Network, NonNegative] = Field(
        default={"dc": 0.3, "wan": 0.2, "wans": 0.25, "wifi": 0.25}
    )
    servers: tuple[NonNegative, ...] = Field(
        default=(0.75, 0.1, 0.05, 0.1), min_length=1, max_length=MAX_SERVERS
    )
    poll_s: Range = (16.0, 1024.0)
    polls: Range = (700.0, 2400.0)
    longest_s: Positive = 10 * DAY_S
    white_fm: Range = (1e-9, 3e-8)
    flicker_fm: Range = (1e-8, 1.2e-7)
    flicker: Share = 0.5
    wander: Range = (1e-10, 1e-8)
    ageing: NonNegative = 3e-8
    cycle_period_s: Range = (300.0, 5400.0)
    cycle_amplitude: Range = (3e-8, 1e-6)
    cycle_jitter: Probability = 0.2
    regular: Share = 0.35
    second_cycle: Share = 0.2
    daily: Share = 0.5
    daily_amplitude: Range = (5e-8, 1e-6)
    load_amplitude: Range = (5e-8, 1e-6)
    load_hold_s: Range = (300.0, 7200.0)
    thermal_s: Range = (30.0, 1200.0)
    noise: Range = (0.3, 2.0)
    symmetric: Share = 0.5
    outages: Share = 0.2
    outage_polls: Range = (5.0, 80.0)
    route_changes: Share = 0.05

    @model_validator(mode="after")
    def _possible(self) -> Prior:
        shares = {"shares": self.allowed.values(), "networks": self.networks.values()}
        for key, told in shares.items():
            if not sum(told) > 0:
                raise ValueError(f"{key}: nothing can be drawn, all shares are 0")
        if not sum(self.servers) > 0:
            raise ValueError("servers: nothing can be drawn, all shares are 0")
        return self

    @property
    def allowed(self) -> dict[Kind, float]:
        """Share of each kind that may be drawn."""
        periodic: set[Kind] = set() if self.cycles else {"daily", "cycle", "mixed"}
        told = self.shares.items()
        return {kind: share for kind, share in told if share and kind not in periodic}


def draw(prior: Prior, seed: int, number: int, kind: Kind | None = None) -> tuple[Simulation, Kind]:
    """Draw a world; what it is depends on nothing but the arguments.

    Args:
        prior: ranges.
        seed: of the stream of worlds.
        number: of the world in it.
        kind: draw one of this kind.

    Returns:
        A simulation, and which kind it is of.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(WORLD, number)))
    drawn_kind = _choice(rng, prior.allowed)
    chosen = kind or drawn_kind
    poll_s = _log_uniform(rng, prior.poll_s)
    duration_s = min(_log_uniform(rng, prior.polls) * poll_s, prior.longest_s)
    oscillator = _oscillator(rng, prior, chosen, min(max(poll_s / GRID, FINEST_S), COARSEST_S))
    world = World(
        oscillator=oscillator,
        servers=_servers(rng, prior, poll_s, duration_s),
        seed=int(rng.integers(2**62)),
    )
    polling = Polling(interval_s=poll_s)
    name = f"{chosen}-{seed}-{number}"
    return Simulation(name=name, world=world, polling=polling, duration_s=duration_s), chosen


def _oscillator(
    rng: np.random.Generator, prior: Prior, kind: Kind, step_s: float
) -> OscillatorModel:
    return OscillatorModel(
        offset_s=float(rng.normal(0.0, INITIAL_OFFSET_SD_S)),
        frequency=float(rng.uniform(-INITIAL_FREQUENCY_LIMIT, INITIAL_FREQUENCY_LIMIT)),
        ageing=float(rng.uniform(-prior.ageing, prior.ageing)) / DAY_S,
        white_fm=_log_uniform(rng, prior.white_fm),
        flicker_fm=_log_uniform(rng, prior.flicker_fm) if rng.random() < prior.flicker else 0.0,
        wander=_log_uniform(rng, prior.wander),
        cycles=_cycles(rng, prior, kind),
        load=_load(rng, prior) if kind in {"load", "mixed"} else None,
        step_s=step_s,
    )


def _cycles(rng: np.random.Generator, prior: Prior, kind: Kind) -> tuple[Cycle, ...]:
    found = []
    if kind == "daily" or (prior.cycles and kind != "steady" and rng.random() < prior.daily):
        found.append(Cycle(period_s=DAY_S, amplitude=_log_uniform(rng, prior.daily_amplitude)))
    if kind in {"cycle", "mixed"}:
        found.append(_cycle(rng, prior))
        if rng.random() < prior.second_cycle:
            found.append(_cycle(rng, prior))
    return tuple(found)


def _cycle(rng: np.random.Generator, prior: Prior) -> Cycle:
    waveforms: tuple[Literal["sine", "triangle", "sawtooth"], ...] = (
        "sine",
        "triangle",
        "sawtooth",
    )
    jitter = 0.0 if rng.random() < prior.regular else float(rng.uniform(0, prior.cycle_jitter))
    return Cycle(
        period_s=_log_uniform(rng, prior.cycle_period_s),
        amplitude=_log_uniform(rng, prior.cycle_amplitude),
        waveform=waveforms[int(rng.integers(len(waveforms)))],
        jitter=jitter,
    )


def _load(rng: np.random.Generator, prior: Prior) -> Load:
    return Load(
        amplitude=_log_uniform(rng, prior.load_amplitude),
        mean_hold_s=_log_uniform(rng, prior.load_hold_s),
        thermal_constant_s=_log_uniform(rng, prior.thermal_s),
    )


def _servers(
    rng: np.random.Generator, prior: Prior, poll_s: float, duration_s: float
) -> tuple[ServerModel, ...]:
    network = _choice(rng, prior.networks)
    count = _choice(rng, dict(enumerate(prior.servers, start=1)))
    noise, symmetric = _log_uniform(rng, prior.noise), bool(rng.random() < prior.symmetric)
    outages = _outages(rng, prior, poll_s, duration_s)
    found = []
    for index in range(count):
        path = PATHS[network](rng, index)
        legs = (path.forward, path.backward)
        mean_s = (legs[0].minimum_s + legs[1].minimum_s) / 2
        forward, backward = (_leg(leg, noise, mean_s if symmetric else None) for leg in legs)
        changes = _route_changes(rng, prior, mean_s, duration_s)
        found.append(
            ServerModel(
                path=PathModel(
                    forward=forward, backward=backward, route_changes=changes, outages=outages
                )
            )
        )
    return tuple(found)


def _leg(leg: Leg, noise: float, minimum_s: float | None) -> Leg:
    queue = Queue(shape=leg.queue.shape, scale_s=leg.queue.scale_s * noise)
    update: dict[str, object] = {"queue": queue}
    if minimum_s is not None:
        update["minimum_s"] = minimum_s
    return leg.model_copy(update=update)


def _outages(
    rng: np.random.Generator, prior: Prior, poll_s: float, duration_s: float
) -> tuple[Outage, ...]:
    if rng.random() >= prior.outages:
        return ()
    found = []
    for _ in range(int(rng.integers(1, 3))):
        begin_s = float(rng.uniform(0.1, 0.95)) * duration_s
        length_s = _log_uniform(rng, prior.outage_polls) * poll_s
        found.append(Outage(from_s=begin_s, until_s=begin_s + length_s))
    return tuple(found)


def _route_changes(
    rng: np.random.Generator, prior: Prior, mean_s: float, duration_s: float
) -> tuple[RouteChange, ...]:
    if rng.random() >= prior.route_changes:
        return ()
    longer_s = rng.uniform(0.0, mean_s, 2) / 2
    at_s = float(rng.uniform(0.2, 0.9)) * duration_s
    change = RouteChange(at_s=at_s, forward_s=float(longer_s[0]), backward_s=float(longer_s[1]))
    return (change,)


def _log_uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(limits))))


def _choice(rng: np.random.Generator, shares: Mapping[_Name, float]) -> _Name:
    names = list(shares)
    weights = np.array([shares[name] for name in names])
    return names[int(rng.choice(len(names), p=weights / weights.sum()))]
