"""``/v1/history``: stretches of time, in all the ways they can be asked for."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from urllib.parse import quote

import pytest

from chronotick.http import past as telling
from chronotick.http.queries import FIELDS, instant_ns
from chronotick.http.shapes import History
from chronotick.views import Past

EPOCH_NS = 1_800_000_000 * 10**9  # of the rows in the fixture
WHOLE = f"from={EPOCH_NS}&to={EPOCH_NS + 10**12}"

pytestmark = pytest.mark.usefixtures("history")


async def test_it_is_what_its_type_describes(asking):
    async with asking() as client:
        answer = (await client.get(f"/v1/history?{WHOLE}")).json()
    told = History.model_validate(answer, strict=True)
    assert [len(rows) for _, rows in told.rows] == [3, 3, 0, 0, 1]
    assert told.rows.weights[0].weights == {"kalman": 0.75, "time": 0.25}


async def test_only_fields_that_were_asked_for(asking):
    async with asking() as client:
        answer = await client.get(f"/v1/history?{WHOLE}&fields=transitions,clock,clock")
    assert list(answer.json()["rows"]) == ["transitions", "clock"]


async def test_every_time_is_told_twice_and_both_agree(asking):
    async with asking() as client:
        answer = (await client.get(f"/v1/history?{WHOLE}")).json()
    for rows in answer["rows"].values():
        for row in rows:
            assert row["time_ns"] == instant_ns(row["time"])
    assert (answer["from_ns"], answer["to_ns"]) == (
        instant_ns(answer["from"]),
        instant_ns(answer["to"]),
    )
    assert datetime.fromisoformat(answer["from"].replace(".000000000", "")).timestamp() == 1.8e9


def test_fields_are_those_of_the_history(places):
    assert tuple(Past(places.history).fields) == FIELDS


async def test_about_as_many_points_as_were_asked_for(asking):
    async with asking() as client:
        answer = await client.get(f"/v1/history?{WHOLE}&fields=clock&points=1")
    assert len(answer.json()["rows"]["clock"]) == 1


async def test_the_last_hour_is_counted_from_served_time(asking, writer):
    async with asking() as client:
        answer = (await client.get("/v1/history")).json()
    assert answer["to_ns"] - answer["from_ns"] == pytest.approx(3600e9, abs=1e9)
    assert answer["to_ns"] > time.time_ns() + 1_000_000_000  # the record is 1.5 s ahead


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("0", 0),
        ("1796031234123456789", 1796031234123456789),
        ("2026-11-30T09:33:54.123456789+00:00", 1796031234123456789),
        ("2026-11-30T09:33:54Z", 1796031234000000000),
        ("2026-11-30T10:33:54.5+01:00", 1796031234500000000),
        ("2026-11-30T10:33:54.5 01:00", 1796031234500000000),  # a plus that was not escaped
        ("2026-11-30 04:33:54-05:00", 1796031234000000000),
        ("-0", 10**18),
        ("-1.5", 10**18 - 1_500_000_000),
    ],
)
def test_forms_of_an_instant(text: str, expected_ns: int):
    assert instant_ns(text, lambda: 10**18) == expected_ns


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "from=2026-11-30T09:33:54",  # where?
        "from=2026-13-30T09:33:54Z",
        "from=1969-12-31T23:59:59Z",
        "from=99999999999999999999",
        "from=1e18",
        "from=",
        "from=%D9%A3",  # a digit, in Arabic
        "from=5&to=5",
        "from=0&to=1796031234123456789",  # half a century
        "points=0",
        "points=10001",
        "points=1.5",
        "fields=",
        "fields=clock,secrets",
        "fields[]=clock",
        "from=1&from=2",
        "from=%FF",
        "&".join(f"a{n}=1" for n in range(50)),
    ],
)
async def test_what_cannot_be_told_is_refused_with_a_sentence(asking, query: str):
    async with asking() as client:
        answer = await client.get(f"/v1/history?{query}")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "bad_request")
    assert error["message"]
    assert "Traceback" not in answer.text


async def test_a_long_value_is_not_echoed_in_full(asking):
    async with asking() as client:
        answer = await client.get(f"/v1/history?from={quote('<b>' * 300)}")
    assert len(answer.content) < 500


async def test_without_a_history_the_answer_says_so_and_names_no_path(asking, places):
    places.history.rename(places.directory / "elsewhere")
    async with asking() as client:
        answer = await client.get("/v1/history")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "history_unreadable")
    assert str(places.directory) not in answer.text


async def test_too_many_at_once_are_told_to_come_again(asking, monkeypatch):
    monkeypatch.setattr(telling, "MOST_AT_ONCE", 1)
    async with asking() as client:
        answers = await asyncio.gather(*(client.get(f"/v1/history?{WHOLE}") for _ in range(3)))
    assert sorted(each.status_code for each in answers) == [200, 503, 503]
