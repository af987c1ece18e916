"""The pool is gathered slowly and asked politely, and outlasts a restart."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.config.servers import ServerName, parse_server
from chronotick.ntp.address import Endpoint, ResolveError
from chronotick.ntp.asking import Answer, Terms
from chronotick.ntp.watchdog.member import Member, fair_third, mixed, place_of
from chronotick.ntp.watchdog.pool import GIVEN_UP_AFTER, LISTED_S, REFUSED_S, TAKEN_AT_ONCE, Pool
from chronotick.ntp.watchdog.saved import SavedPool, SavedServer, SavedWatch, SavedWatchdog

POOL = ServerName("pool.example.org")
TERMS = Terms(timeout_s=0.2, max_delay_ns=10**9)


def endpoints(count: int, first: int = 1) -> list[Endpoint]:
    return [Endpoint(2, (f"192.0.2.{n}", 123)) for n in range(first, first + count)]


class Names:
    """Answers with what the test has put there."""

    def __init__(self, found: list[Endpoint]) -> None:
        self.found = found
        self.error = ""
        self.asked = 0

    async def look_up(self, name: ServerName) -> list[Endpoint]:
        self.asked += 1
        if self.error:
            raise ResolveError(name.host, self.error)
        return list(self.found)


@pytest.fixture
def at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look-up is a round of its own."""
    monkeypatch.setattr("chronotick.ntp.watchdog.pool.ROUND_S", 0.0)


def pool_of(names: Names, size: int = 100, taken: frozenset[str] = frozenset()) -> Pool:
    return Pool([POOL], size, taken=lambda: taken, lookup=names.look_up)


async def test_one_answer_of_many_addresses_gives_a_few_servers_only(at_any_time):
    names = Names(endpoints(89))
    pool = pool_of(names)
    await pool.gather(15)
    assert len(pool) == TAKEN_AT_ONCE
    await pool.gather(15)
    assert len(pool) == 2 * TAKEN_AT_ONCE


async def test_a_full_pool_is_not_looked_up_for(at_any_time):
    names = Names(endpoints(6))
    pool = pool_of(names, size=2)
    for _ in range(4):
        await pool.gather(3)
    assert (len(pool), names.asked) == (2, 2)


def four_names(names: Names, size: int = 500) -> Pool:
    """As many as there are by default, all answered by the same hand."""
    four = [ServerName(f"{n}.pool.example.org") for n in range(4)]
    return Pool(four, size, lookup=names.look_up)


async def test_who_answers_for_all_names_at_the_start_has_a_third_of_a_sample_at_most():
    names = Names(endpoints(89))
    pool = four_names(names)
    for _ in range(20):  # all within ten minutes
        await pool.gather(15)
    assert (len(pool), pool.usable(15)) == (5, 5)
    assert pool.whole() == []


@pytest.mark.parametrize(("size", "sample_size"), [(500, 15), (24, 22), (15, 15), (3, 3), (5, 4)])
async def test_a_forged_round_has_a_third_of_every_sample_and_of_the_whole_pool(
    monkeypatch: pytest.MonkeyPatch, size: int, sample_size: int
):
    monkeypatch.setattr("chronotick.ntp.watchdog.pool.ROUND_S", 0.0)
    names = Names(endpoints(200))
    pool = four_names(names, size)
    await pool.gather(sample_size)
    forged = {member.id for member in pool.members}
    names.found = endpoints(200, first=201)
    rounds = 1
    while pool.usable(sample_size) < sample_size:
        await pool.gather(sample_size)
        rounds += 1
    assert 3 <= rounds <= 5
    for members in (*(pool.sample(sample_size) for _ in range(50)), pool.whole()):
        assert len(members) >= sample_size
        assert len({member.id for member in members}) == len(members)
        assert sum(member.id in forged for member in members) <= len(members) // 3


async def test_a_large_round_is_not_asked_whole_beside_small_ones(at_any_time):
    names = Names(endpoints(15))
    pool = four_names(names)
    for _ in range(3):
        await pool.gather(15)
    names.found = endpoints(89, first=100)
    await pool.gather(15)
    assert len(pool) == 15 + 4 * TAKEN_AT_ONCE
    whole = pool.whole()
    assert len(whole) == 15 + 7
    assert max(Counter(member.round for member in whole).values()) == 7


@given(st.dictionaries(st.none() | st.integers(1, 9), st.integers(0, 40)))
def test_as_much_of_the_pool_is_asked_whole_as_a_third_of_one_round_allows(sizes):
    endpoint = Endpoint(2, ("192.0.2.1", 123))
    members = [
        Member(endpoint, Mute(endpoint), POOL, of_round, 0.0)
        for of_round, size in sizes.items()
        for _ in range(size)
    ]
    tried = range(len(members) // 3 + 1)
    fair = [most for most in tried if most <= len(mixed(members, most)) // 3]
    assert fair_third(members) == max(fair)


async def test_servers_that_the_clock_is_measured_by_are_not_in_the_pool():
    pool = pool_of(Names(endpoints(3)), taken=frozenset({"192.0.2.2"}))
    await pool.gather(15)
    assert [member.id for member in pool.members] == ["192.0.2.1:123", "192.0.2.3:123"]


async def test_several_servers_of_this_host_are_told_apart_by_their_ports():
    found = [Endpoint(2, ("127.0.0.1", port)) for port in (1123, 2123)]
    pool = pool_of(Names(found), taken=frozenset({place_of("127.0.0.1", 1123)}))
    await pool.gather(15)
    assert [member.id for member in pool.members] == ["127.0.0.1:2123"]


async def test_who_becomes_a_server_of_the_clock_is_no_longer_asked(at_any_time):
    taken: set[str] = set()
    names = Names(endpoints(9))
    pool = Pool([POOL], 100, taken=lambda: taken, lookup=names.look_up)
    for _ in range(3):
        await pool.gather(9)
    taken.add("192.0.2.2")
    drawn = {member.id for member in (*pool.sample(9), *pool.whole())}
    assert (len(pool), "192.0.2.2:123" in drawn) == (8, False)


async def test_whom_the_clock_takes_away_is_replaced(at_any_time):
    taken: set[str] = set()
    pool = Pool([POOL], 3, taken=lambda: taken, lookup=Names(endpoints(9)).look_up)
    for _ in range(3):
        await pool.gather(3)
    taken.add("192.0.2.2")
    assert pool.usable(3) == 2
    await pool.gather(3)
    assert pool.usable(3) == 3


async def test_a_name_that_is_no_pool_gives_one_server(at_any_time):
    names = Names(endpoints(3))
    pool = Pool([parse_server("time.example.org")], 10, lookup=names.look_up)
    for _ in range(3):
        await pool.gather(3)
    assert (len(pool), names.asked) == (1, 1)


async def test_single_servers_are_all_asked_though_they_were_found_at_once():
    """A private network's: whoever named them has chosen to trust them."""
    names = [parse_server(f"ntp{n}.example.org") for n in range(5)]
    found = dict(zip(names, endpoints(5), strict=True))

    async def look_up(name: ServerName) -> list[Endpoint]:
        return [found[name]]

    pool = Pool(names, 5, lookup=look_up)
    await pool.gather(5)
    assert len(pool.sample(5)) == len(pool.whole()) == 5


@dataclasses.dataclass
class Mute:
    """Whoever is asked says nothing."""

    endpoint: Endpoint

    async def ask(self, _terms: Terms) -> Answer:
        return Answer(error="no reply in time")


@pytest.mark.parametrize(("host", "rest"), [("192.0.2.1", 0), ("127.0.0.1", 1), ("::1", 1)])
async def test_a_server_rests_for_a_minute_after_a_question_unless_it_is_our_own(
    monkeypatch: pytest.MonkeyPatch, host: str, rest: int
):
    pool = Pool([parse_server(host)], 1, asker=Mute)
    await pool.gather(3)
    await pool.ask(pool.members[0], TERMS)
    assert (len(pool), len(pool.sample(3)), len(pool.whole())) == (1, rest, rest)
    monkeypatch.setattr("chronotick.ntp.watchdog.member.REST_S", 0.0)
    assert len(pool.sample(3)) == len(pool.whole()) == 1


async def test_who_stays_silent_leaves_and_may_come_back():
    names = Names(endpoints(1))
    pool = pool_of(names)
    await pool.gather(15)
    (member,) = pool.members
    for _ in range(GIVEN_UP_AFTER - 1):
        pool.missed(member, None)
    pool.answered(member)
    for _ in range(GIVEN_UP_AFTER - 1):
        pool.missed(member, None)
    assert len(pool) == 1
    pool.missed(member, None)
    assert len(pool) == 0
    await pool.gather(15)
    assert len(pool) == 1


async def test_a_named_server_that_has_left_in_silence_is_told_until_the_next_look_up():
    pool = Pool([parse_server("192.0.2.1"), parse_server("192.0.2.2")], 9, asker=Mute)
    await pool.gather(3)
    silent, refusing = pool.members
    for _ in range(GIVEN_UP_AFTER):
        assert pool.silenced == set()
        await pool.ask(silent, TERMS)
    pool.missed(refusing, "RATE")
    assert pool.silenced == {parse_server("192.0.2.1")}
    await pool.gather(3)
    assert (len(pool), pool.silenced) == (1, set())


async def test_a_server_of_a_pool_that_leaves_is_not_told_by_name():
    pool = pool_of(Names(endpoints(1)))
    await pool.gather(15)
    (member,) = pool.members
    for _ in range(GIVEN_UP_AFTER):
        pool.missed(member, None)
    assert (len(pool), pool.silenced) == (0, set())


async def test_who_refuses_leaves_at_once_and_is_left_alone_for_a_day(
    monkeypatch: pytest.MonkeyPatch,
):
    pool = pool_of(Names(endpoints(1)))
    await pool.gather(15)
    pool.missed(pool.members[0], "RATE")
    await pool.gather(15)
    assert len(pool) == 0
    monkeypatch.setattr("chronotick.ntp.watchdog.pool.REFUSED_S", 0.0)
    await pool.gather(15)
    assert len(pool) == 1


async def test_a_name_without_address_is_told_once_with_its_key(
    caplog: pytest.LogCaptureFixture,
):
    names = Names(endpoints(1))
    names.error = "no such host"
    pool = pool_of(names)
    await pool.gather(15)
    await pool.gather(15)
    assert [record.getMessage() for record in caplog.records] == [pool.error]
    assert "pool.example.org" in pool.error
    assert "clock_measurement.watchdog.servers" in pool.error
    names.error = ""
    await pool.gather(15)
    assert pool.error == ""


def saved_by(pool: Pool) -> SavedPool:
    """What a restart finds, by way of JSON."""
    body = SavedWatchdog(watch=SavedWatch(pool=pool.saved())).as_json()
    return SavedWatchdog.from_json(json.loads(json.dumps(body))).watch.pool


def found(pool: Pool) -> list[tuple[str, int | None, str]]:
    return [(member.id, member.round, str(member.name)) for member in pool.members]


async def test_what_was_gathered_outlasts_a_restart(at_any_time):
    addresses = [*endpoints(9), Endpoint(10, ("2001:db8::1", 123, 0, 0))]
    before = four_names(Names(addresses))
    for _ in range(3):
        await before.gather(9)
    assert before.usable(9) == 9
    after = four_names(Names([]))
    after.restore(saved_by(before), elapsed_s=7200.0)
    assert found(after) == found(before)
    assert [m.endpoint for m in after.members] == [m.endpoint for m in before.members]
    assert after.usable(9) == 9
    (age_s,) = {round(server.age_s) for server in after.saved().servers}
    assert age_s == 7200


async def test_a_restart_gives_who_answers_dns_no_further_round():
    names = Names(endpoints(200))
    before = four_names(names)
    await before.gather(15)
    soon, later = four_names(names), four_names(names)
    soon.restore(saved_by(before), elapsed_s=1.0)
    await soon.gather(15)
    assert {member.round for member in soon.members} == {1}
    assert (len(soon), soon.usable(15)) == (5, 5)
    later.restore(saved_by(before), elapsed_s=600.0)
    await later.gather(15)
    assert Counter(member.round for member in later.members) == {1: 5, 2: 5}


async def test_a_restart_with_nothing_saved_is_a_first_start():
    pool = four_names(Names(endpoints(89)))
    pool.restore(SavedPool(), elapsed_s=0.0)
    await pool.gather(15)
    assert {member.round for member in pool.members} == {1}


async def test_servers_of_names_that_are_no_longer_asked_for_are_not_taken_up(at_any_time):
    before = four_names(Names(endpoints(9)))
    for _ in range(3):
        await before.gather(9)
    for name, servers in (("0.pool.example.org", 9), ("9.pool.example.org", 0)):
        after = Pool([ServerName(name)], 100, lookup=Names([]).look_up)
        after.restore(saved_by(before), elapsed_s=0.0)
        assert len(after) == servers
    fewer = four_names(Names([]), size=4)
    fewer.restore(saved_by(before), elapsed_s=0.0)
    assert len(fewer) == 4


async def test_single_servers_are_looked_up_anew_after_a_restart():
    pool = Pool([parse_server("192.0.2.1")], 10)
    await pool.gather(3)
    assert (len(pool), pool.saved().servers) == (1, ())


async def test_who_refused_is_left_alone_after_a_restart_as_well():
    before = pool_of(Names(endpoints(1)))
    await before.gather(15)
    before.missed(before.members[0], "RATE")
    for elapsed_s, servers in ((0.0, 0), (REFUSED_S, 1)):
        after = pool_of(Names(endpoints(1)))
        after.restore(saved_by(before), elapsed_s)
        await after.gather(15)
        assert len(after) == servers


async def test_whom_dns_named_a_month_ago_is_looked_up_again(monkeypatch: pytest.MonkeyPatch):
    names = Names(endpoints(4))
    before = pool_of(names)
    await before.gather(15)
    after = pool_of(names)
    after.restore(saved_by(before), elapsed_s=LISTED_S)
    assert len(after) == 0
    monkeypatch.setattr("chronotick.ntp.watchdog.pool.LISTED_S", 0.0)
    names.found = endpoints(4, first=5)
    await before.gather(15)
    assert {member.endpoint for member in before.members} == set(names.found)


async def test_old_servers_stay_while_dns_does_not_answer(monkeypatch: pytest.MonkeyPatch):
    names = Names(endpoints(4))
    pool = pool_of(names)
    await pool.gather(15)
    names.error = "no such host"
    await pool.gather(15)
    monkeypatch.setattr("chronotick.ntp.watchdog.pool.LISTED_S", 0.0)
    await pool.gather(15)
    assert len(pool) == 4


async def test_what_is_no_address_is_not_looked_up_but_refused_whole():
    servers = tuple(SavedServer(host, str(POOL), 1, 0.0) for host in ("192.0.2.1", "evil.example"))
    pool = pool_of(Names([]))
    with pytest.raises(ValueError, match=r"evil\.example"):
        pool.restore(SavedPool(servers=servers, round=1), 0.0)
    assert (len(pool), pool.saved()) == (0, SavedPool())


async def test_coming_and_leaving_is_counted_for_who_saves_it():
    pool = pool_of(Names(endpoints(1)))
    await pool.gather(15)
    assert pool.changes == 1
    await pool.gather(15)
    assert pool.changes == 1
    pool.missed(pool.members[0], "RATE")
    assert pool.changes == 2
