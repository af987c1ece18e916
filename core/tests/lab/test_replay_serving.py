"""Served time in a replay: steered as the daemon steers it, and never backwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chronotick.config.schema import Config
from chronotick.daemon.publisher import Description, Plan
from chronotick.daemon.steering import Served, Steering
from chronotick.daemon.timekeeper import Target
from chronotick.fusion import Fused
from chronotick.lab.replaying import SteppedBackError
from chronotick.lab.replaying.serving import PERIOD_NS, ServedTime
from chronotick.shm.layout import Flags, Source, Status

SECOND = 1_000_000_000
SHM = Config().shm
ABOUT = Description(
    status=Status.SYNCHRONISED,
    flags=Flags(0),
    source=Source.NTP,
    confidence=1.0,
    last_sync_raw_ns=0,
    measurements=1,
)


def plan(at_s: float, offset_ns: int | None, rate: float = 0.0, generation: int = 0) -> Plan:
    raw_ns = round(at_s * SECOND)
    if offset_ns is None:
        return Plan(raw_ns, None, ABOUT, 0, generation)
    fused = Fused(raw_ns=raw_ns, offset_ns=offset_ns, sigma_s=1e-6, members=())
    target = Target(
        raw_ns=raw_ns,
        offset_ns=offset_ns,
        rate=rate,
        sigma_ns=1_000,
        sigma_rate=0.0,
        low_ns=offset_ns - 1_000_000,
        high_ns=offset_ns + 1_000_000,
        low_rate=0.0,
        high_rate=0.0,
        fused=fused,
    )
    return Plan(raw_ns, target, ABOUT, 0, generation)


def test_there_is_no_served_time_before_the_first_estimate():
    served = ServedTime(SHM, SECOND)
    served.follow(plan(1, None), 5 * SECOND)
    assert served.offset_at(5 * SECOND) is None


def test_a_correction_is_slewed_as_the_daemon_slews_it():
    served = ServedTime(SHM, SECOND)
    served.follow(plan(1, 0), 10 * SECOND)
    served.follow(plan(10, -100_000), 14 * SECOND)
    steering, raw_ns = Steering(500e-6, 250_000_000), SECOND
    while raw_ns <= 14 * SECOND:
        offset_ns = 0 if raw_ns <= 10 * SECOND else -100_000
        standing = steering.steer(raw_ns, raw_ns + offset_ns, 0.0)
        raw_ns += PERIOD_NS
    assert served.offset_at(14 * SECOND) == standing.utc_at(14 * SECOND) - 14 * SECOND
    assert -100_000 < served.offset_at(14 * SECOND) < -80_000
    assert served.steps == 0


def test_an_offset_beyond_the_threshold_is_a_new_epoch():
    served = ServedTime(SHM, SECOND)
    served.follow(plan(1, 0), 10 * SECOND)
    served.follow(plan(10, -SECOND), 11 * SECOND)
    assert served.offset_at(11 * SECOND) == -SECOND
    assert served.steps == 1


def test_a_disruption_lets_time_jump():
    served = ServedTime(SHM, SECOND)
    served.follow(plan(1, 0), 10 * SECOND)
    served.follow(plan(10, -1_000_000, generation=1), 11 * SECOND)
    assert served.offset_at(11 * SECOND) == -1_000_000


def test_a_step_backwards_within_an_epoch_is_an_error(monkeypatch: pytest.MonkeyPatch):
    """Steering that forgets what it served: the mistake that this check is for."""
    served = ServedTime(SHM, SECOND)
    served.follow(plan(1, 0), 10 * SECOND)
    whole = Steering.steer

    def forgetful(self: Steering, raw_ns: int, utc_ns: int, rate: float) -> Served:
        self.forget()
        return replace(whole(self, raw_ns, utc_ns, rate), stepped=False)

    monkeypatch.setattr(Steering, "steer", forgetful)
    with pytest.raises(SteppedBackError) as caught:
        served.follow(plan(10, -400_000_000), 11 * SECOND)
    assert caught.value.raw_ns == 10 * SECOND + PERIOD_NS
    assert caught.value.back_ns == pytest.approx(400_000_000, abs=2)
