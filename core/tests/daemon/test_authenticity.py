"""When it is told that no authenticated server is behind the time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest

from chronotick.config.schema import Ntp
from chronotick.daemon.authenticity import AuthenticatedSources, Authenticity
from chronotick.shm.layout import Status

KEYED = frozenset({"key://1@192.0.2.1", "nts://192.0.2.2:4460"})
SERVERS = ["key://1@a.example", "nts://b.example", "c.example"]
PLAIN = {"192.0.2.3"}
LOST = (
    "time is not authenticated: none of the 2 servers with NTS or a key is believed. "
    "See: chronotick sources"
)


@dataclass
class Sources(AuthenticatedSources):
    """What a monitor knows of authenticated servers."""

    authenticated: frozenset[str] = KEYED
    awaits_authenticated: bool = False


def configured(authentication: str = "prefer", servers: list[str] = SERVERS) -> Ntp:
    return Ntp.model_validate({"servers": servers, "authentication": authentication})


def events(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, Any]]]:
    return [(record.event, record.fields) for record in caplog.records]  # type: ignore[attr-defined]


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "chronotick.daemon")
    return caplog


@pytest.fixture
def authenticity() -> Authenticity:
    return Authenticity(Sources())


@pytest.mark.parametrize("status", [Status.SYNCHRONISED, Status.HOLDOVER])
def test_that_others_alone_are_believed_is_a_problem_and_told_once(authenticity, caplog, status):
    for _ in range(3):
        authenticity.look(configured(), status, PLAIN)
    assert authenticity.problem == LOST
    assert caplog.messages == [LOST]
    assert caplog.records[0].levelno == logging.WARNING
    assert events(caplog) == [("authentication_lost", {"servers": 2})]


def test_one_authenticated_source_that_is_believed_ends_it_and_is_named(authenticity, caplog):
    authenticity.look(configured(), Status.SYNCHRONISED, PLAIN)
    caplog.clear()
    for _ in range(3):
        authenticity.look(configured(), Status.SYNCHRONISED, PLAIN | {"nts://192.0.2.2:4460"})
    assert authenticity.problem == ""
    assert events(caplog) == [("authentication_restored", {"source": "nts://192.0.2.2:4460"})]
    assert caplog.messages[0].endswith("is believed again: nts://192.0.2.2:4460")


@pytest.mark.parametrize("believed", [KEYED, KEYED | PLAIN, PLAIN | {"key://1@192.0.2.1"}])
def test_that_others_are_believed_beside_authenticated_ones_is_no_problem(
    authenticity, caplog, believed
):
    authenticity.look(configured(), Status.SYNCHRONISED, believed)
    assert (authenticity.problem, caplog.messages) == ("", [])


@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.WARMING_UP, Status.DISRUPTED])
def test_nothing_is_missed_before_the_end_of_the_warm_up(authenticity, status):
    authenticity.look(configured(), status, PLAIN)
    assert authenticity.problem == ""


def test_a_warm_up_does_not_end_it(authenticity, caplog):
    for status in (Status.SYNCHRONISED, Status.DISRUPTED, Status.WARMING_UP, Status.SYNCHRONISED):
        authenticity.look(configured(), status, PLAIN)
    assert authenticity.problem == LOST
    assert len(caplog.records) == 1


def test_servers_that_were_not_asked_yet_are_waited_for(caplog):
    sources = Sources(awaits_authenticated=True)
    authenticity = Authenticity(sources)
    authenticity.look(configured(), Status.SYNCHRONISED, PLAIN)
    assert authenticity.problem == ""
    sources.awaits_authenticated = False
    authenticity.look(configured(), Status.SYNCHRONISED, PLAIN)
    assert authenticity.problem == LOST


@pytest.mark.parametrize(
    "after", [configured(servers=["c.example"]), configured("ignore")], ids=["plain", "ignore"]
)
def test_where_nobody_has_to_authenticate_nothing_is_missed(authenticity, caplog, after):
    authenticity.look(after, Status.SYNCHRONISED, PLAIN)
    assert (authenticity.problem, caplog.messages) == ("", [])
    authenticity.look(configured(), Status.SYNCHRONISED, PLAIN)
    caplog.clear()
    authenticity.look(after, Status.SYNCHRONISED, PLAIN)
    assert authenticity.problem == ""
    assert events(caplog) == [("authentication_dropped", {})]


def test_the_problem_counts_the_servers_that_are_configured_now(authenticity, caplog):
    authenticity.look(configured(), Status.SYNCHRONISED, PLAIN)
    authenticity.look(configured(servers=SERVERS[1:]), Status.SYNCHRONISED, PLAIN)
    assert "the server with NTS or a key is not believed. See" in authenticity.problem
    assert len(caplog.records) == 1
