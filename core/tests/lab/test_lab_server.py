"""Real packets over loopback, asked for by a plain socket with kernel timestamps."""

import asyncio
import random
import socket
from dataclasses import dataclass

import pytest

from chronotick.lab.network import Leg, Outage, PathModel
from chronotick.lab.oscillator import OSCILLATORS
from chronotick.lab.server import serve
from chronotick.lab.simulated_server import SimulatedServer
from chronotick.lab.world import Lie, ServerModel, World
from chronotick.ntp.packet import Packet, ntp_to_unix_ns
from chronotick.ntp.timestamps import (
    RawScale,
    enable_kernel_stamps,
    raw_now_ns,
    read_pair,
    receive,
    transmit_stamp,
)

SILENCE_S = 0.3
PLENTY_S = 10.0
LOOPBACK_NS = 200_000
"""More than the real way through this machine takes, on top of the simulated one."""


@dataclass(frozen=True)
class Reply:
    packet: Packet
    t1_ns: int
    t4_ns: int

    @property
    def t2_ns(self) -> int:
        return ntp_to_unix_ns(self.packet.receive_timestamp, 0)

    @property
    def t3_ns(self) -> int:
        return ntp_to_unix_ns(self.packet.transmit_timestamp, 0)

    @property
    def delay_ns(self) -> int:
        return (self.t4_ns - self.t1_ns) - (self.t3_ns - self.t2_ns)

    @property
    def middle_ns(self) -> int:
        return (self.t1_ns + self.t4_ns) // 2

    @property
    def offset_ns(self) -> int:
        return ((self.t2_ns - self.t1_ns) + (self.t3_ns - self.t4_ns)) // 2


async def send(server: SimulatedServer, data: bytes, patience_s: float) -> tuple | None:
    """Send a datagram; give what came back, when it left and when it arrived (RAW, ns)."""
    family = socket.AF_INET6 if ":" in server.address[0] else socket.AF_INET
    loop = asyncio.get_running_loop()
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0)
        sock.connect(server.address)
        enable_kernel_stamps(sock)
        before, user_ns = read_pair(), raw_now_ns()
        sock.send(data)
        sent = transmit_stamp(sock)
        arrival = loop.create_future()
        loop.add_reader(sock, lambda: arrival.done() or arrival.set_result(receive(sock)))
        try:
            received = await asyncio.wait_for(arrival, patience_s)
        except asyncio.TimeoutError:
            return None
        finally:
            loop.remove_reader(sock)
        scale = RawScale(before, read_pair())
        t1_ns = user_ns if sent is None else scale.to_raw_ns(sent)
        kernel_ns = received.kernel_ns
        t4_ns = received.raw_ns if kernel_ns is None else scale.to_raw_ns(kernel_ns)
        return received.data, t1_ns, t4_ns


async def ask(server: SimulatedServer, patience_s: float = PLENTY_S) -> Reply | None:
    nonce = random.getrandbits(64)
    answer = await send(server, Packet(transmit_timestamp=nonce).pack(), patience_s)
    if answer is None:
        return None
    packet = Packet.unpack(answer[0])
    assert packet.origin_timestamp == nonce
    return Reply(packet, answer[1], answer[2])


def world(*servers: ServerModel, clock: str = "rough") -> World:
    chosen = servers or (ServerModel(),)
    return World(oscillator=OSCILLATORS[clock], servers=chosen, seed=1).starting_now()


def constant(forward_s: float, backward_s: float) -> PathModel:
    return PathModel(forward=Leg(minimum_s=forward_s), backward=Leg(minimum_s=backward_s))


async def test_offset_and_delay_are_those_of_the_simulated_path():
    """The real way adds a little; the lateness of this process does not."""
    async with serve(world(ServerModel(path=constant(0.010, 0.004)))) as servers:
        for _ in range(5):
            reply = await ask(servers[0])
            true_ns = servers.truth(reply.middle_ns) - reply.middle_ns
            real_ns = reply.delay_ns - 14_000_000
            assert -20_000 <= real_ns <= LOOPBACK_NS
            assert abs(reply.offset_ns - true_ns - 3_000_000) <= 20_000 + LOOPBACK_NS
            assert reply.t3_ns >= reply.t2_ns


async def test_a_busy_server_process_does_not_show_in_the_offset():
    async with serve(world(ServerModel(path=constant(0.002, 0.002)))) as servers:
        asyncio.get_running_loop().call_later(0.001, lambda: sum(range(2_000_000)))
        reply = await ask(servers[0])
        true_ns = servers.truth(reply.middle_ns) - reply.middle_ns
        assert reply.t3_ns - reply.t2_ns > 1_000_000  # it was held up
        assert abs(reply.offset_ns - true_ns) <= LOOPBACK_NS


async def test_the_half_delay_bound_holds_on_a_real_path_without_simulated_delay():
    async with serve(world(ServerModel(), clock="calm")) as servers:
        for _ in range(20):
            reply = await ask(servers[0])
            true_ns = servers.truth(reply.middle_ns) - reply.middle_ns
            precision_ns = 2_000
            assert abs(reply.offset_ns - true_ns) <= reply.delay_ns / 2 + precision_ns


async def test_the_drift_of_the_simulated_oscillator_is_served():
    model = OSCILLATORS["ideal"].model_copy(update={"frequency": 5e-3, "offset_s": 0.25})
    drifting = world().model_copy(update={"oscillator": model})
    async with serve(drifting) as servers:
        first = await ask(servers[0])
        await asyncio.sleep(0.2)
        second = await ask(servers[0])
    gained_ns = second.offset_ns - first.offset_ns
    expected_ns = 5e-3 * (second.middle_ns - first.middle_ns)
    assert gained_ns == pytest.approx(expected_ns, abs=LOOPBACK_NS)
    assert gained_ns > 900_000


async def test_each_server_has_a_port_and_a_behaviour_of_its_own():
    honest, liar = ServerModel(stratum=2), ServerModel(lie=Lie(offset_s=0.5), leap=1)
    async with serve(world(honest, liar)) as servers:
        one, other = await ask(servers[0]), await ask(servers[1])
        assert servers.addresses == tuple(f"127.0.0.1:{s.address[1]}" for s in servers)
    assert len(set(servers.addresses)) == 2
    assert (one.packet.stratum, other.packet.leap) == (2, 1)
    assert other.offset_ns - one.offset_ns == pytest.approx(500_000_000, abs=1_000_000)


async def test_a_lie_can_be_told_and_taken_back_while_running():
    async with serve(world(clock="ideal")) as servers:
        errors_ms = []
        for lie in (None, Lie(offset_s=0.03), None):
            servers[0].change(lie=lie)
            reply = await ask(servers[0])
            true_ns = servers.truth(reply.middle_ns) - reply.middle_ns
            errors_ms.append(round((reply.offset_ns - true_ns) / 1e6))
    assert errors_ms == [0, 30, 0]


async def test_a_path_can_be_changed_while_running():
    async with serve(world()) as servers:
        servers[0].change(path=constant(0.02, 0.0), stratum=4)
        reply = await ask(servers[0])
    assert reply.packet.stratum == 4
    assert reply.delay_ns == pytest.approx(20_000_000, abs=LOOPBACK_NS)


async def test_a_behaviour_that_does_not_exist_is_refused_and_changes_nothing():
    async with serve(world()) as servers:
        with pytest.raises(ValueError, match="stratumm"):
            servers[0].change(stratumm=4)
        with pytest.raises(ValueError, match="stratum"):
            servers[0].change(stratum=17)
        assert servers[0].model == ServerModel()


async def test_an_outage_is_silent_and_ends():
    async with serve(world()) as servers:
        servers[0].outage = True
        assert await ask(servers[0], SILENCE_S) is None
        servers[0].outage = False
        assert await ask(servers[0]) is not None
        assert (servers[0].counters.silenced, servers[0].counters.answered) == (1, 1)


async def test_lost_packets_and_outages_of_the_network_give_no_reply():
    lossy = ServerModel(path=PathModel(forward=Leg(loss=0.999)))
    out = ServerModel(path=PathModel(outages=(Outage(from_s=0.0, until_s=3600.0),)))
    async with serve(world(lossy, out)) as servers:
        for server in servers:
            assert await ask(server, SILENCE_S) is None
            assert (server.counters.requests, server.counters.lost) == (1, 1)


@pytest.mark.parametrize("garbage", [b"", b"hello", bytes(48), bytes(2000), b"\xff" * 48])
async def test_garbage_is_counted_and_ignored(garbage: bytes):
    async with serve(world()) as servers:
        assert await send(servers[0], garbage, SILENCE_S) is None
        assert servers[0].counters.malformed == 1
        assert await ask(servers[0]) is not None


async def test_requests_that_come_too_fast_get_the_kiss_code_rate():
    async with serve(world(ServerModel(min_interval_s=30.0))) as servers:
        first, second = await ask(servers[0]), await ask(servers[0])
    assert first.packet.kiss_code is None
    assert second.packet.kiss_code == "RATE"
    assert servers[0].counters.kissed == 1


async def test_a_server_can_refuse_service():
    async with serve(world(ServerModel(kiss="DENY"))) as servers:
        reply = await ask(servers[0])
    assert reply.packet.kiss_code == "DENY"


async def test_a_fault_reaches_the_wire():
    async with serve(world(ServerModel(fault="truncated"))) as servers:
        data, _, _ = await send(servers[0], Packet(transmit_timestamp=1).pack(), PLENTY_S)
    assert len(data) == 46


async def test_a_replayed_reply_is_the_previous_one():
    async with serve(world()) as servers:
        request = Packet(transmit_timestamp=1).pack()
        first, _, _ = await send(servers[0], request, PLENTY_S)
        servers[0].change(fault="replay")
        second, _, _ = await send(servers[0], request, PLENTY_S)
    assert first == second


async def test_ipv6_on_request():
    async with serve(world(), host="::1") as servers:
        assert servers.addresses[0].startswith("[::1]:")
        assert await ask(servers[0]) is not None


async def test_ports_are_free_again_afterwards_even_with_replies_under_way():
    slow = ServerModel(path=constant(0.2, 0.2))
    async with serve(world(slow)) as servers:
        port = servers[0].address[1]
        assert await ask(servers[0], 0.05) is None
    await asyncio.sleep(0.4)  # when the reply would have left
    assert servers[0].counters.answered == 0
    async with serve(world(), ports=[port]) as again:
        assert again[0].address[1] == port
        assert await ask(again[0]) is not None


async def test_a_taken_port_is_an_error_that_says_what_to_do():
    async with serve(world()) as servers:
        port = servers[0].address[1]
        with pytest.raises(OSError, match=f"port {port}.*Choose another port"):
            async with serve(world(), ports=[port]):
                pass


async def test_a_world_on_virtual_time_is_not_served():
    with pytest.raises(ValueError, match=r"World|world.starting_now"):
        async with serve(World.from_preset("dc-calm")):
            pass


async def test_the_number_of_ports_must_be_that_of_servers():
    with pytest.raises(ValueError, match="2 ports for 1"):
        async with serve(world(), ports=[0, 0]):
            pass
