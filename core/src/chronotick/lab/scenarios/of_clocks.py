"""Scenarios of clocks: what happens to the oscillator, the system clock, the host, the daemon."""

from __future__ import annotations

from chronotick.lab.environment import Step
from chronotick.lab.network import NS_PER_S
from chronotick.lab.scenarios.events import (
    Standstill,
    Stop,
    Suspend,
    SystemSlew,
    SystemStep,
)
from chronotick.lab.scenarios.scenario import Expected, Scenario
from chronotick.lab.scenarios.worlds import world
from chronotick.shm.layout import Status

TEN_YEARS_S = 315_576_000.0
ERA_ENDS_NS = (2**32 - 2_208_988_800) * NS_PER_S
"""2036-02-07T06:28:16Z, when 32 bits of seconds since 1900 are used up."""
ANEW = (
    Status.WARMING_UP,
    Status.SYNCHRONISED,
    Status.DISRUPTED,
    Status.WARMING_UP,
    Status.SYNCHRONISED,
)
HELD = (Status.WARMING_UP, Status.SYNCHRONISED, Status.HOLDOVER, Status.SYNCHRONISED)

OF_CLOCKS = (
    Scenario(
        name="calm",
        happens="nothing: four servers over a WAN, an ordinary host",
        asserts="synchronised within seconds, and for good",
        world=world(),
        expected=Expected(error_s=10e-3, within_s=10.0),
        duration_s=900.0,
    ),
    Scenario(
        name="largefreqoffset",
        happens="the oscillator is 450 ppm off, near the limit of the configuration",
        asserts="as calm",
        world=world(frequency=450e-6),
        expected=Expected(error_s=10e-3, within_s=10.0),
        duration_s=900.0,
    ),
    Scenario(
        name="largetimeoffset",
        happens="the system clock is ten years behind, as without a clock battery",
        asserts="as calm",
        world=world(),
        expected=Expected(error_s=10e-3, within_s=10.0),
        duration_s=600.0,
        system_offset_s=-TEN_YEARS_S,
    ),
    Scenario(
        name="largewander",
        happens="the oscillator's frequency wanders by 0.1 ppm in a second",
        asserts="the estimator follows",
        world=world(wander=1e-7),
        expected=Expected(error_s=10e-3, within_s=10.0),
        duration_s=1500.0,
    ),
    Scenario(
        name="freqstep",
        happens="a fan stops: the frequency changes by 8 ppm at once, after 10 min",
        asserts="inside the bound at all times, and followed",
        world=world(steps=(Step(at_s=600.0, frequency=8e-6),)),
        expected=Expected(error_s=10e-3, within_s=600.0),
        over_s=600.0,
        duration_s=1500.0,
    ),
    Scenario(
        name="externalstep",
        happens="somebody sets the system clock five times, by up to a day",
        asserts="served time does not move",
        world=world(),
        events=(
            SystemStep(at_s=600.0, by_s=1.0),
            SystemStep(at_s=700.0, by_s=-86_400.0),
            SystemStep(at_s=800.0, by_s=3600.0),
            SystemStep(at_s=800.01, by_s=-0.02),
            SystemStep(at_s=1000.0, by_s=0.05),
        ),
        expected=Expected(error_s=10e-3, within_s=1.0),
        over_s=600.0,
        duration_s=1200.0,
    ),
    Scenario(
        name="externalslew",
        happens="somebody slews the system clock by 500 ppm for 10 min, then back by 900 ppm",
        asserts="served time does not move",
        world=world(),
        events=(
            SystemSlew(at_s=600.0, until_s=1200.0, rate=500e-6),
            SystemSlew(at_s=1200.0, until_s=1533.0, rate=-900e-6),
        ),
        expected=Expected(error_s=10e-3, within_s=1.0),
        over_s=600.0,
        duration_s=1800.0,
    ),
    Scenario(
        name="suspend",
        happens="the host sleeps for two hours; the battery clock is 0.4 s wrong afterwards",
        asserts="no time until it has been measured anew; then as after a start",
        world=world(),
        events=(Suspend(at_s=600.0, for_s=7200.0, misjudged_s=0.4),),
        expected=Expected(
            error_s=10e-3, within_s=15.0, statuses=ANEW, epochs=1, silent_s=((600.0, 600.5),)
        ),
        over_s=600.0,
        duration_s=900.0,
    ),
    Scenario(
        name="migration",
        happens="a virtual machine is restored from a snapshot 30 s old, and nothing tells it",
        asserts="disrupted by the first measurements; until then no bound can hold",
        world=world(),
        events=(Standstill(at_s=600.0, for_s=30.0),),
        expected=Expected(
            error_s=10e-3, within_s=90.0, statuses=ANEW, epochs=1, blind_s=((600.0, 680.0),)
        ),
        over_s=600.0,
        duration_s=900.0,
    ),
    Scenario(
        name="stopped",
        happens="the daemon is stopped for ten minutes (SIGSTOP) and goes on (SIGCONT)",
        asserts="readers get no time while it is stopped, and a true one at once afterwards",
        world=world(),
        events=(Stop(at_s=600.0, for_s=600.0),),
        expected=Expected(error_s=10e-3, within_s=60.0, statuses=HELD, silent_s=((604.0, 1200.0),)),
        over_s=1200.0,
        duration_s=1500.0,
    ),
    Scenario(
        name="ntpera",
        happens="the first era of NTP's timestamps ends, on 7 February 2036",
        asserts="as calm",
        world=world().model_copy(update={"start_utc_ns": ERA_ENDS_NS - 600 * NS_PER_S}),
        expected=Expected(error_s=10e-3, within_s=10.0),
        duration_s=900.0,
    ),
)
