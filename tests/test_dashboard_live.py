"""The dashboard in a real browser, of the real server, with a real daemon or without."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from choreographer import Browser

from chronotick.lab.reporting.palette import COLOURS, styles
from chronotick.shm.layout import Status

pytestmark = [pytest.mark.chromium, pytest.mark.timeout(300)]

WAIT_S = 60.0
TOKEN = "c2VjcmV0LXRva2VuLTEyMw=="  # noqa: S105 - of a test
EVIL = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


@dataclass
class Page:
    """A page in the browser, and what it did."""

    session: Any
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def do(self, method: str, **parameters: object) -> dict[str, Any]:
        answer = await self.session.send_command(method, parameters)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    async def run(self, script: str) -> Any:  # noqa: ANN401 - any JSON type
        """What an expression becomes; promises are waited for."""
        told = await self.do(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, script: str) -> Any:  # noqa: ANN401 - any JSON type
        """Wait until an expression is true, and return what it is."""
        deadline = time.monotonic() + WAIT_S
        while not (value := await self.run(script)):
            if time.monotonic() > deadline:
                shown = await self.run("document.body.innerText")
                pytest.fail(f"not within {WAIT_S} s: {script}\n{shown}\n{self.complaints}")
            await asyncio.sleep(0.05)
        return value

    async def text(self, name: str) -> str:
        shown: str = await self.run(f"document.getElementById('{name}').innerText")
        return shown

    async def open(self, address: str) -> None:
        await self.do("Page.navigate", url=address)
        await self.until("document.readyState === 'complete'")


@asynccontextmanager
async def browsing(chromium: str) -> AsyncIterator[Page]:
    async with Browser(path=chromium, headless=True, enable_sandbox=False) as browser:
        tab = await browser.create_tab("about:blank")
        page = Page(await tab.create_session())

        async def complained(event: dict[str, Any]) -> None:
            page.complaints.append(json.dumps(event["params"])[:500])

        async def requested(event: dict[str, Any]) -> None:
            told = event["params"]
            page.requested.append(told.get("url") or told["request"]["url"])

        for event in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            page.session.subscribe(event, complained)
        for event in ("Network.requestWillBeSent", "Network.webSocketCreated"):
            page.session.subscribe(event, requested)
        for domain in ("Runtime", "Network", "Page"):
            await page.do(f"{domain}.enable")
        yield page


@pytest.fixture
def chromium() -> str:
    """A Chromium; skipped where there is none, but not under CI."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        reason = "no Chromium. Install it: apt install chromium"
        if os.environ.get("CI"):
            pytest.fail(f"{reason} (CI is set: skipping is not allowed)")
        pytest.skip(reason)
    return found


Serve = Callable[..., str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Run ``chronotick http`` for a daemon's directory and return its address."""
    with ExitStack() as stack:

        def start(directory: Path = tmp_path, *options: str) -> str:
            port = free_port()
            line = [sys.executable, "-m", "chronotick", "http", "--listen", f"127.0.0.1:{port}"]
            line += [
                "--shm",
                str(directory / "record"),
                "--socket",
                str(directory / "control.sock"),
            ]
            line += ["--history", str(directory / "history.sqlite3"), *options]
            process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            stack.enter_context(process)
            stack.callback(process.kill)
            wait_for_port(port, process)
            return f"http://127.0.0.1:{port}/"

        yield start


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"chronotick http ended: {process.communicate()[1].decode()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"chronotick http does not listen within {WAIT_S} s")


@pytest.mark.chronyd
async def test_it_shows_a_live_daemon_and_outlives_it(start_daemon, serve, chronyd, chromium):
    daemon = start_daemon("--models", "kalman,line", "--server", chronyd)
    daemon.wait_for(Status.SYNCHRONISED)
    address = serve(daemon.directory)
    async with browsing(chromium) as page:
        before = daemon.clock.now()
        await page.open(address)
        await page.until("document.documentElement.dataset.state === 'live'")
        await page.until("document.getElementById('status').textContent === 'synchronised'")
        shown = await page.run("document.getElementById('utc').dateTime")
        assert before.earliest <= unix_s(shown) <= daemon.clock.now().latest
        await shows_everything(page, chronyd)
        await page.until(f"document.getElementById('utc').dateTime > {shown!r}")  # it goes on

        assert daemon.stop() == 0
        await page.until("document.documentElement.dataset.state === 'stale'")
        assert "has stopped" in await page.text("banner")
        assert "old" in await page.text("banner-age")
        still = await page.run("document.getElementById('utc').dateTime")

        daemon.start()
        await page.until(f"document.getElementById('utc').dateTime > {still!r}")
        await page.until("document.documentElement.dataset.state === 'live'")
        await page.until("document.getElementById('banner').hidden")
        assert page.complaints == []
        assert await page.run("document.documentElement.dataset.errors") is None
        assert outside(page, address) == []


async def shows_everything(page: Page, source: str) -> None:
    await page.until("document.documentElement.dataset.drawn === '600'")  # a short history
    assert await page.run("document.querySelector('#ranges input:checked').value") == "600"
    assert await page.run("document.getElementById('zone').value") == "UTC"
    assert "noise of measurements included" in await page.text("forecasts-note")
    assert "noise of the measurements that judged is taken off" in await page.text("skill-panel")
    await page.until("document.getElementById('daemon').innerText.includes('never')")
    await page.until("document.querySelectorAll('#models tbody tr').length === 2")
    assert source in await page.text("sources")
    assert "baseline, always a member" in await page.text("models")
    assert "first measurement accepted" in await page.text("changes")
    assert "\u00b1" in await page.text("facts")
    assert "No problem is known." in await page.text("problems")
    assert await page.run("document.querySelectorAll('#offset canvas, #bound canvas').length") == 2


def unix_s(iso: str) -> float:
    whole, rest = iso.split(".")
    return (
        time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
        - time.timezone
        + float("0." + rest.partition("+")[0])
    )


def outside(page: Page, address: str) -> list[str]:
    """What was asked of anyone but the server."""
    assert any("/v1/stream" in each for each in page.requested)
    own = (address, address.replace("http:", "ws:"))
    return [each for each in page.requested if not each.startswith((*own, "about:", "data:"))]


async def test_a_token_is_asked_for_and_no_daemon_is_said(serve, chromium, tmp_path):
    secret = tmp_path / "token"
    secret.touch(mode=0o600)
    secret.write_text(TOKEN + "\n")
    address = serve(tmp_path, "--token-file", str(secret))
    async with browsing(chromium) as page:
        await page.open(address)
        await page.until("!document.getElementById('login').hidden")
        assert await page.run("document.getElementById('main').hidden")
        await log_in(page, "a-wrong-one-of-some-length")
        await page.until("document.getElementById('login-why').textContent.includes('token')")
        await log_in(page, TOKEN)
        await page.until("document.getElementById('login').hidden")
        await page.until("document.documentElement.dataset.state === 'stale'")
        assert "chronotick run" in await page.text("banner")
        assert await page.text("utc") == "--:--:--"
        assert not any(TOKEN in each for each in page.requested)
        await page.open(address)
        await page.until("!document.getElementById('main').hidden")  # it is kept


async def log_in(page: Page, token: str) -> None:
    await page.run(f"document.getElementById('token').value = {token!r}")
    await page.run("document.querySelector('#login button').click()")


HOSTILE = """
(async () => {
  const load = (name) => import(`/static/${name}.js`);
  const [sources, models, changes, daemon] = await Promise.all(
    ["view-sources", "view-models", "view-changes", "view-daemon"].map(load));
  document.getElementById("main").hidden = false;
  new sources.SourcesView().describe([{id: EVIL, name: EVIL, reason: EVIL, reason_words: EVIL,
    stratum: null, reach: EVIL, poll_s: null, age_s: null, delay_s: null, system_offset_s: null,
    root_distance_s: null, last_error: EVIL}]);
  new models.ModelsView().describe({[EVIL]: {state: EVIL, weight: 1, reason: EVIL, title: EVIL,
    last_error: EVIL, advice: [EVIL], skill: [], loops: {}}});
  new changes.ChangesView().add(
    {time_ns: 1e18, time: EVIL, before: EVIL, after: EVIL, reason: EVIL});
  daemon.writeDaemon({version: EVIL, problems: [EVIL], companions: {[EVIL]: {problem: EVIL}},
    publication: {}, history: {path: EVIL}});
  const places = ["sources", "models", "changes", "problems"];
  return places.map((place) => document.getElementById(place).innerText);
})()
"""

FUNCTIONS = """
(async () => {
  const load = (name) => import(`/static/${name}.js`);
  const [amounts, palette, calibration, served, chart] = await Promise.all(
    ["amounts", "palette", "view-calibration", "served", "chart"].map(load));
  const clock = new served.Served();
  clock.take({time_ns: 5000e6, epoch: 1}, 1000);
  clock.take({time_ns: 6000e6, epoch: 1}, 2030);
  const late = clock.nowMs(3000);
  clock.take({time_ns: 99000e6, epoch: 2}, 3000);
  return {
    amounts: [0, 7.4, -12345, 34.44e6, 2.5e9, 999.9e3, NaN, null].map(amounts.amount),
    signed: [1500, -1500].map(amounts.signed),
    ticks: amounts.ticks([-2000, -1000, 0, 1000]),
    finer: amounts.ticks([10e6, 10.5e6, 11e6]),
    spans: [3.14, 75, 600, 90000].map(amounts.span),
    looks: [...palette.modelLooks(NAMES)].map(
      ([name, look]) => [name, look.colours[0], look.dash.length > 0]),
    wilson: calibration.wilson(0.95, 100),
    unknown: calibration.wilson(1, 0),
    late, stepped: clock.nowMs(3000),
    gaps: chart.withGaps([{t: 0}, {t: 10}, {t: 100}], 35).map((row) => row.t),
    joined: chart.joined([[{t: 2, y: 1}], [{t: 1, y: 3}, {t: 2, y: 4}]]),
  };
})()
"""


LATE = """
(async () => {
  const load = (name) => import(`/static/${name}.js`);
  const [models, past] = await Promise.all(["view-models", "past"].map(load));
  const select = document.getElementById("horizon");
  const skill = [4, 256].map((horizon_s) => ({horizon_s, scores: 3, rms_s: 1e-3}));
  new models.ModelsView().describe({kalman: {state: "ready", weight: 1, reason: "", skill}});
  const offered = [...select.options].map((option) => [option.value, option.selected]);
  const was = new past.Past();
  was.rangeS = 3600;
  was.rows.clock = [{t: 1e9}];
  await was.refresh(512);
  select.dispatchEvent(new Event("change"));
  return offered;
})()
"""

SILENCE = """
Promise.race([
  import("/static/link.js").then(({ask}) => ask("v1/silence", 0.1)).catch(({code}) => code),
  new Promise((resolve) => setTimeout(() => resolve("still waited for"), 10_000)),
])
"""


async def test_hostile_text_stays_text_and_numbers_are_right(serve, chromium, tmp_path):
    """One browser for all of it, since it takes seconds to start."""
    async with browsing(chromium) as page:
        await page.open(serve(tmp_path))
        shown = await page.run(HOSTILE.replace("EVIL", json.dumps(EVIL)))
        assert [EVIL in text for text in shown] == [True] * 4
        assert await page.run("document.querySelectorAll('main img, main script').length") == 0
        assert await page.run("document.title") == "ChronoTick"
        names = ["kalman", "line", "hold", "mine", *(f"other-{number:02}" for number in range(14))]
        told = await page.run(FUNCTIONS.replace("NAMES", json.dumps(names)))
        numbers_are_right(told)
        looks_are_those_of_reports(told["looks"], names)
        await a_phone_shows_it_in_order(page)
        await forecasts_judged_late_are_asked_for(page)
        await a_server_that_does_not_answer_is_given_up(page)
        assert page.complaints == []
        assert await page.run("document.documentElement.dataset.errors") is None


async def a_phone_shows_it_in_order(page: Page) -> None:
    screen = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    await page.do("Emulation.setDeviceMetricsOverride", **screen)
    below = await page.run("""
        document.querySelector("#sources .reason").getBoundingClientRect().top -
        document.querySelector("#sources tbody tr").getBoundingClientRect().top""")
    assert below > 5  # px: not on the line between two sources
    style = "getComputedStyle(document.querySelector('.scroll'))"
    assert "local" in await page.run(f"{style}.backgroundAttachment")  # there is more: a shadow
    await page.do("Emulation.clearDeviceMetricsOverride")


async def forecasts_judged_late_are_asked_for(page: Page) -> None:
    """Those to a long horizon are told long after their time, and only of the chosen one."""
    await page.until("document.documentElement.dataset.drawn")
    loads = questions(page, "fields=transitions")  # only a load asks for them
    assert await page.run(LATE) == [["4", True], ["256", False]]
    assert questions(page, f"from={10**9 - 512 - 60}000000000&") == 1
    deadline = time.monotonic() + WAIT_S
    while questions(page, "fields=transitions") == loads:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def questions(page: Page, text: str) -> int:
    return sum(text in each for each in page.requested)


async def a_server_that_does_not_answer_is_given_up(page: Page) -> None:
    """As behind a forwarded port whose other end is gone."""
    await page.do("Fetch.enable", patterns=[{"urlPattern": "*/v1/silence"}])  # holds them
    assert await page.run(SILENCE) == "unreachable"
    await page.do("Fetch.disable")


def numbers_are_right(told: dict[str, Any]) -> None:
    plain = {key: [str(each).replace("\u00a0", " ") for each in told[key]] for key in SAID}
    assert plain == SAID
    assert told["wilson"] == pytest.approx([0.8882, 0.9785], abs=1e-4)
    assert told["unknown"] == [0, 1]
    assert told["late"] == 7000  # the second message was 30 ms late
    assert told["stepped"] == 99000
    assert told["gaps"] == [0, 10, 55, 100]
    assert told["joined"] == [[1, 2], [None, 1], [3, 4]]


SAID = {
    "amounts": [
        "0 ns",
        "7 ns",
        "\u221212.3 \u00b5s",
        "34.4 ms",
        "2.50 s",
        "1.00 ms",
        "\u2013",
        "\u2013",
    ],
    "signed": ["+1.50 \u00b5s", "\u22121.50 \u00b5s"],
    "ticks": ["\u22122 \u00b5s", "\u22121 \u00b5s", "0 \u00b5s", "1 \u00b5s"],
    "finer": ["10.0 ms", "10.5 ms", "11.0 ms"],
    "spans": ["3.1 s", "75 s", "10 min", "25 h"],
}


def looks_are_those_of_reports(looks: list[list[Any]], names: list[str]) -> None:
    expected = styles(names)
    assert set(COLOURS) >= {colour for _, colour, _ in looks}
    assert {name: (colour, dashed) for name, colour, dashed in looks} == {
        name: (style.colour, style.dash != "solid") for name, style in expected.items()
    }
