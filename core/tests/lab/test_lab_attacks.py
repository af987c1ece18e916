"""Every attack on one exchange of the real client, by an attacker on loopback."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator

import pytest

from chronotick.lab import attacks
from chronotick.lab.attacker import Attacker, attacking
from chronotick.lab.network import Leg, PathModel
from chronotick.lab.oscillator import OSCILLATORS
from chronotick.lab.server import Servers, serve
from chronotick.lab.world import Lie, ServerModel, World
from chronotick.ntp.address import Endpoint
from chronotick.ntp.checks import Drop
from chronotick.ntp.exchange import Outcome, Query, run_exchange

PATIENCE_S = 5.0
QUIET_S = 0.3
SHORT = Leg(minimum_s=100e-6)
WORLD = World(
    oscillator=OSCILLATORS["calm"],
    servers=(ServerModel(path=PathModel(forward=SHORT, backward=SHORT)),),
    seed=1,
)


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with serve(WORLD.starting_now()) as served:
        yield served


@pytest.fixture
async def attacker(servers: Servers) -> AsyncIterator[Attacker]:
    async with attacking(servers[0].address) as man:
        yield man


async def ask(
    man: Attacker, *, timeout_s: float = PATIENCE_S, previous: int | None = None
) -> Outcome:
    host, _, port = man.address.rpartition(":")
    endpoint = Endpoint(socket.AF_INET, (host, int(port)))
    return await run_exchange(
        Query(
            endpoint=endpoint,
            timeout_s=timeout_s,
            max_delay_ns=10**9,
            previous_transmit=previous,
        )
    )


def error_and_bound_ns(outcome: Outcome, servers: Servers) -> tuple[int, int]:
    assert outcome.reply is not None, outcome.error
    found = outcome.reply.measurement
    return found.offset_ns - (servers.truth(found.raw_ns) - found.raw_ns), found.root_distance_ns


def assert_genuine(outcome: Outcome, servers: Servers) -> None:
    error_ns, bound_ns = error_and_bound_ns(outcome, servers)
    assert abs(error_ns) <= bound_ns < 1e9


HARMLESS = {
    "nothing": (attacks.nothing, set()),
    "blind": (attacks.blind(), {Drop.ORIGIN}),
    "another address": (attacks.elsewhere, set()),  # the kernel drops it
    "flood": (attacks.flood(100), {Drop.TRUNCATED, Drop.MODE, Drop.VERSION, Drop.ORIGIN}),
    "a kiss of somebody who sees nothing": (attacks.kiss("DENY", sees=False), {Drop.ORIGIN}),
    "a kiss of somebody who sees all": (attacks.kiss("DENY"), {Drop.KISS}),
}


@pytest.mark.parametrize(("attack", "drops"), HARMLESS.values(), ids=HARMLESS)
async def test_the_genuine_reply_is_waited_for_and_taken(servers, attacker, attack, drops):
    attacker.attack = attack
    outcome = await ask(attacker)
    assert_genuine(outcome, servers)
    assert set(outcome.drops) <= drops
    assert bool(outcome.drops) == bool(drops)


async def test_a_reply_that_was_recorded_before_is_dropped(servers, attacker):
    before = await ask(attacker)
    attacker.attack = attacks.replayed
    assert before.reply is not None
    outcome = await ask(attacker, previous=before.reply.packet.transmit_timestamp)
    assert_genuine(outcome, servers)
    assert outcome.drops == {Drop.DUPLICATE: 1}


async def test_what_answers_from_elsewhere_only_is_no_answer(servers, attacker):
    def without_the_reply(seen: attacks.Seen) -> list[attacks.Sent]:
        return [each for each in attacks.elsewhere(seen) if each.elsewhere]

    attacker.attack = without_the_reply
    outcome = await ask(attacker, timeout_s=QUIET_S)
    assert outcome.reply is None
    assert outcome.drops == {Drop.TIMEOUT: 1}


async def test_silence_is_a_timeout(servers, attacker):
    attacker.attack = attacks.silence
    outcome = await ask(attacker, timeout_s=QUIET_S)
    assert outcome.drops == {Drop.TIMEOUT: 1}


async def test_a_kiss_in_place_of_the_reply_is_told(servers, attacker):
    attacker.attack = attacks.kiss("RATE", passes=False)
    outcome = await ask(attacker, timeout_s=QUIET_S)
    assert (outcome.reply, outcome.kiss) == (None, "RATE")


@pytest.mark.parametrize("ways", [{"forward_s": 0.05}, {"backward_s": 0.05}], ids=["out", "back"])
async def test_a_packet_that_is_held_moves_the_offset_by_half_within_the_bound(
    servers, attacker, ways
):
    for name, value in ways.items():
        setattr(attacker, name, value)
    error_ns, bound_ns = error_and_bound_ns(await ask(attacker), servers)
    assert abs(error_ns) > 0.4 * 0.05e9
    assert abs(error_ns) <= bound_ns


async def test_who_sees_the_packets_can_change_the_time_unnoticed(servers, attacker):
    """Plain NTP: this is what several servers, and NTS, are for."""
    attacker.attack = attacks.shifted(Lie(offset_s=-7.0))
    outcome = await ask(attacker)
    error_ns, bound_ns = error_and_bound_ns(outcome, servers)
    assert error_ns == pytest.approx(-7e9, abs=bound_ns)
    assert not outcome.drops


async def test_a_server_can_seem_nearer_than_it_is_but_not_nearer_than_here(servers, attacker):
    """What it states to have held is subtracted: nobody can tell that from a fast network."""
    attacker.forward_s = 0.02
    attacker.attack = attacks.nearer(0.019, Lie(offset_s=1e-3))
    outcome = await ask(attacker)
    assert outcome.reply is not None
    error_ns, bound_ns = error_and_bound_ns(outcome, servers)
    honest_ns = outcome.reply.measurement.delay_ns + 19_000_000
    assert bound_ns < honest_ns / 2 - 9_000_000
    assert abs(error_ns) > 1_000_000
    attacker.attack = attacks.nearer(1.0, Lie())
    assert (await ask(attacker)).drops == {Drop.HOLD_TIME: 1}


async def test_an_attacker_counts_and_leaves_his_port(servers):
    async with attacking(servers[0].address, attacks.blind(3)) as man:
        await ask(man)
        assert (man.requests, man.sent) == (1, 4)
    await asyncio.sleep(0)  # asyncio closes sockets a turn later
    assert (await ask(man, timeout_s=QUIET_S)).drops == {Drop.REFUSED: 1}


def test_attacks_take_any_time_of_a_server():
    random_reply = random.Random(1).randbytes(48)
    for by_s in (-1e6, 0.0, 1e6):
        (sent,) = attacks.shifted(Lie(offset_s=by_s))(
            attacks.Seen(request=bytes(48), reply=random_reply, earlier=(), elapsed_s=0.0)
        )
        assert len(sent.data) == 48
        assert (sent.data == random_reply) == (by_s == 0.0)
