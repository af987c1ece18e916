"""What each route answers, of a real record, control socket and history."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace

import pytest

from chronotick.http.answers import json_bytes
from chronotick.http.pages import PAGE
from chronotick.shm.layout import Status
from chronotick.shm.testing import good_record
from chronotick.views import TimeReading

pytestmark = pytest.mark.usefixtures("answers")

ROUTES = ("/v1/time", "/v1/status", "/v1/sources", "/v1/models", "/healthz", "/readyz")


async def test_the_time_is_that_of_the_record_and_described_by_its_type(asking, writer):
    async with asking() as client:
        before_ns = time.time_ns()
        answer = await client.get("/v1/time")
        after_ns = time.time_ns()
    reading = TimeReading.model_validate_json(answer.content)
    assert before_ns <= reading.time_ns - 1_500_000_000 <= after_ns + 1_000_000
    assert reading.reliable
    assert answer.headers["cache-control"] == "no-store"


async def test_the_time_ahead_has_a_wider_bound(asking, writer):
    async with asking() as client:
        now = (await client.get("/v1/time")).json()
        then = (await client.get("/v1/time", params={"ahead_s": 3600})).json()
    assert then["time_ns"] - now["time_ns"] == pytest.approx(3.6e12, rel=1e-3)
    assert then["bound_ns"] > now["bound_ns"]


async def test_what_the_daemon_tells_is_passed_on(asking, answers):
    async with asking() as client:
        assert (await client.get("/v1/status")).json() == answers["status"]
        assert (await client.get("/v1/sources")).json() == {"sources": answers["sources"]}
        assert (await client.get("/v1/models")).json() == {"models": answers["models"]}


@pytest.mark.parametrize("path", ROUTES)
async def test_head_has_the_headers_of_get(asking, writer, path: str):
    async with asking() as client:
        got, asked = await client.get(path), await client.head(path)
    assert asked.status_code == got.status_code == 200
    assert asked.headers["content-type"] == got.headers["content-type"] == "application/json"


async def test_ready_only_when_the_daemon_vouches_for_the_time(asking, writer):
    async with asking() as client:
        assert (await client.get("/readyz")).json() == {"status": "synchronised"}
        writer.write(replace(good_record(), status=Status.WARMING_UP))
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "warming-up" in answer.json()["error"]["message"]


async def test_alive_without_a_daemon(asking):
    async with asking() as client:
        assert (await client.get("/healthz")).json() == {"status": "alive"}


async def test_metrics_are_text(asking, writer):
    pytest.importorskip("chronotick.metrics")
    async with asking() as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "chronotick_up 1" in answer.text


async def test_the_page_is_kept_by_browsers_only_while_it_is_unchanged(asking):
    async with asking() as client:
        page = await client.get("/")
        tag = {"if-none-match": page.headers["etag"]}
        assert (await client.get("/", headers=tag)).status_code == 304
    assert page.content == (PAGE / "index.html").read_bytes()
    assert page.headers["content-type"].startswith("text/html")
    assert "'unsafe" not in page.headers["content-security-policy"]
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("suffix", "content_type"),
    [(".js", "text/javascript"), (".css", "text/css"), (".svg", "image/svg+xml")],
)
async def test_files_have_their_types(asking, suffix: str, content_type: str):
    name = next(path.name for path in sorted(PAGE.iterdir()) if path.suffix == suffix)
    async with asking() as client:
        answer = await client.get(f"/static/{name}")
    assert answer.headers["content-type"].startswith(content_type)


@pytest.mark.parametrize(
    "path", ["/static/%2e%2e/serving.py", "/static//etc/passwd", "/static/none.js", "/static/%00"]
)
async def test_no_other_file_can_be_had(asking, path: str):
    async with asking() as client:
        answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_nan_becomes_null():
    assert json.loads(json_bytes({"a": math.nan, "b": [math.inf, 1.5]})) == {
        "a": None,
        "b": [None, 1.5],
    }
