"""A simulation: a world, how it is measured, and for how long. It is what makes a pair of files."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pydantic import Field, model_validator

from chronotick.lab.description import Description, Interval, Positive
from chronotick.lab.polling import Polling
from chronotick.lab.world import World

DAY_S = 86_400.0
DEFAULT_SERVERS = 4
DEFAULT_EVERY_S = 10.0
ADAPTIVE = Polling(maximum_s=1024.0)
"""64 s to 1024 s, as chrony's default and the recorded ``def``."""
ONLY_LIVE = ("kiss", "fault", "min_interval_s")
"""What a server does to packets, which a simulation does not have."""
_RECORDED = re.compile(
    r"(?P<network>[^_]+)_(?P<clock>[^_]+)(_(?P<poll>p\d{1,2}|def|\d+s))?"
    r"(_s(?P<servers>\d{1,3}))?(_false(?P<false>\d{0,3}))?"
)


class Simulation(Description):
    """All that decides what ``chronotick lab simulate`` writes.

    Attributes:
        name: what it is called; letters, digits, ``_``, ``-`` and ``.``.
        world: clock, servers and networks.
        polling: when the servers are asked.
        duration_s: how long.
        every_s: truth is stated at multiples of this, of the local clock since the start.
    """

    name: str = Field(pattern=r"^[\w.-]+$")
    world: World
    polling: Polling = Polling()
    duration_s: Positive = DAY_S
    every_s: Interval = DEFAULT_EVERY_S

    @model_validator(mode="after")
    def _has_truth(self) -> Simulation:
        if self.every_s > self.duration_s:
            raise ValueError(
                f"every_s ({self.every_s:g}) is longer than duration_s ({self.duration_s:g}): "
                "there would be no truth"
            )
        return self

    @model_validator(mode="after")
    def _needs_no_packets(self) -> Simulation:
        for number, server in enumerate(self.world.servers):
            found = [key for key in ONLY_LIVE if getattr(server, key)]
            if found:
                raise ValueError(
                    f"world.servers.{number}.{found[0]}: only `chronotick lab serve`, which "
                    "answers real packets, can do that. Leave it out of a simulation"
                )
        return self

    @classmethod
    def named(
        cls, name: str, *, servers: int | None = None, false: int | None = None, seed: int = 0
    ) -> Simulation:
        """A simulation by name.

        ``wan-hvac`` is a preset of `World.from_preset`, polled every 64 s.
        ``wan_hvacs_p6_s4_false`` is in the style of the recorded worlds: network, clock, poll
        (``p6`` is 2**6 s, ``180s`` exactly that without burst and jitter, ``def`` adaptive), number
        of servers, and whether the last one (or how many, ``_false2``) is wrong.

        Args:
            name: either.
            servers: how many servers; None is what the name says, else `DEFAULT_SERVERS`.
            false: how many of them, the last ones, are wrong; None is what the name says.
            seed: chance.

        Raises:
            ValueError: there is no such world.
        """
        said = _RECORDED.fullmatch(name)
        if said is None:
            preset, poll, told, liars = name, None, DEFAULT_SERVERS, 0
        else:
            preset, poll = f"{said['network']}-{said['clock']}", said["poll"]
            told = int(said["servers"] or DEFAULT_SERVERS)
            liars = int(said["false"] or 1) if said["false"] is not None else 0
        count = told if servers is None else servers
        wrong = liars if false is None else false
        world = World.from_preset(preset, servers=count, false=wrong, seed=seed)
        return cls(name=name, world=world, polling=_polling(poll))

    @classmethod
    def read(cls, path: Path) -> Simulation:
        """A simulation from its description, or from that of a world alone.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is no such description.
        """
        text = path.read_text(encoding="utf-8")
        try:
            described = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"this is not JSON: {error}") from None
        if isinstance(described, dict) and "oscillator" in described:
            return cls(name=path.stem, world=World.model_validate_json(text))
        return cls.model_validate_json(text)

    def seeded(self, seed: int) -> Simulation:
        """The same with other chance: the same routes and start, other delays and fluctuations."""
        world = self.world.model_copy(update={"seed": seed})
        return self.model_copy(update={"world": world})


def _polling(said: str | None) -> Polling:
    """What the recorded worlds mean by it."""
    if said is None:
        return Polling()
    if said == "def":
        return ADAPTIVE
    if said.startswith("p"):
        return Polling(interval_s=2.0 ** int(said[1:]))
    return Polling(interval_s=float(said[:-1]), jitter=0.0, burst=0, start_s=1.0)
