"""Requests that get an error: the right one, with what to do, and nothing of our insides."""

from __future__ import annotations

import base64

import pytest

from chronotick.http.gate import Gate

TOKEN = "correct-horse+battery/staple=="  # noqa: S105 - of tests only
LOCAL = Gate(None, frozenset({"localhost", "127.0.0.1", "[::1]"}))


async def test_unknown_routes_are_answered_by_those_that_there_are(asking):
    async with asking() as client:
        answer = await client.get("/v2/time")
    assert answer.status_code == 404
    assert "/v1/time" in answer.json()["error"]["hint"]


@pytest.mark.parametrize(
    "path", ["/v1/time/", "//v1/time", "/V1/time", "/static", "/static/{name}"]
)
async def test_paths_are_exact(asking, path: str):
    async with asking() as client:
        assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
async def test_nothing_can_be_changed(asking, method: str):
    async with asking() as client:
        answer = await client.request(method, "/v1/time")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_bodies_are_refused(asking, writer):
    async with asking() as client:
        answer = await client.request("GET", "/v1/time", content=b"x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_refused")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("value", ["-1", "3601", "nan", "inf", "1e999", "soon", "", "0x10", "1,5"])
async def test_times_out_of_range(asking, writer, value: str):
    async with asking() as client:
        answer = await client.get("/v1/time", params={"ahead_s": value})
    assert answer.status_code == 400
    assert "ahead_s" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        ("/v1/time?ahead_s=3601", "ahead_s: Input should be less", "(0 to 3600)"),
        ("/v1/history?points=0", "points: Input should be greater", "(1 to 10000)"),
        ("/v1/history?from=-1&to=-2", "`from` must be before", "-SECONDS before now"),
        ("/v1/history?from=5", "5 s before now are from=-5", "-SECONDS before now"),
        ("/v1/history?from=-9&points=1&from=-8", "the parameter 'from' is given twice", "once"),
    ],
)
async def test_what_is_wrong_is_told_with_what_would_be_right(asking, writer, asked, message, hint):
    async with asking() as client:
        error = (await client.get(asked)).json()["error"]
    assert message in error["message"]
    assert hint in error["hint"]
    assert "Value error" not in str(error)


async def test_unknown_parameters_are_named_with_those_that_there_are(asking, writer):
    async with asking() as client:
        error = (await client.get("/v1/time?ahead=1")).json()["error"]
        none = (await client.get("/v1/status?x=1")).json()["error"]
    assert "'ahead'" in error["message"]
    assert "ahead_s" in error["hint"]
    assert "none" in none["hint"]


@pytest.mark.parametrize("path", ["/v1/time", "/v1/status", "/v1/sources", "/v1/models", "/readyz"])
async def test_without_a_daemon_503_and_how_to_start_one(asking, places, path: str):
    async with asking() as client:
        answer = await client.get(path)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "daemon_unavailable")
    assert "chronotick run" in error["hint"]
    assert answer.headers["retry-after"] == "1"
    assert str(places.directory) not in answer.text


@pytest.mark.usefixtures("writer")
async def test_a_fault_of_ours_is_in_the_log_and_not_in_the_answer(asking, answers, caplog):
    del answers["status"]  # the daemon answers that it cannot
    async with asking() as client:
        refused = await client.get("/v1/status")
    assert refused.status_code == 503
    assert "KeyError" not in refused.text
    assert "KeyError" in caplog.text


async def test_an_unforeseen_exception_is_500(asking, monkeypatch, caplog):
    monkeypatch.setattr("chronotick.views.Snapshot.time", lambda *_: 1 / 0)
    async with asking() as client:
        answer = await client.get("/v1/time")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "ZeroDivision" not in answer.text
    assert "ZeroDivision" in caplog.text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1:1:2"])
async def test_a_name_that_points_here_is_refused(asking, writer, host: str):
    """DNS rebinding: a page elsewhere would read this server by a name of its own."""
    async with asking(LOCAL) as client:
        for path in ("/v1/time", "/", "/nowhere"):
            answer = await client.get(path, headers={"host": host})
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden_host")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1:8123", "[::1]:8123", "[::1]"]
)
async def test_names_of_loopback_pass_with_any_port(asking, writer, host: str):
    async with asking(LOCAL) as client:
        assert (await client.get("/v1/time", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        TOKEN,
        f"Basic {TOKEN}",
        "Bearer",
        "Bearer x",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
    ],
)
async def test_data_wants_the_token(asking, writer, sent: str | None):
    headers = {} if sent is None else {"authorization": sent}
    async with asking(Gate(TOKEN.encode())) as client:
        for path in ("/v1/time", "/v1/history", "/metrics", "/v1/stream"):
            answer = await client.get(path, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorised")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        for path in ("/", "/healthz", "/openapi.json", "/readyz"):
            assert (await client.get(path, headers=headers)).status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_the_token_opens(asking, writer, scheme: str):
    async with asking(Gate(TOKEN.encode())) as client:
        answer = await client.get("/v1/time", headers={"authorization": f"{scheme} {TOKEN}"})
    assert answer.status_code == 200


def test_the_token_in_a_subprotocol_is_read_without_padding():
    secret = base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")
    Gate(TOKEN.encode()).check_stream("a", "", ["chronotick.v1", f"chronotick.bearer.{secret}"], "")
