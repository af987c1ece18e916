// The page: what comes from the stream goes to the views, what was is asked for again now and then.

import { span } from "./amounts.js";
import { useZone } from "./chart.js";
import { element, find, say } from "./elements.js";
import { Stream, hasToken, useToken } from "./link.js";
import { Past } from "./past.js";
import { onTheme, themeSwitch } from "./theme.js";
import { writeCalibration } from "./view-calibration.js";
import { ChangesView } from "./view-changes.js";
import { writeDaemon } from "./view-daemon.js";
import { ModelsView } from "./view-models.js";
import { OffsetView } from "./view-offset.js";
import { SourcesView } from "./view-sources.js";
import { TimeView } from "./view-time.js";

const RANGES = [
  ["10 min", 600],
  ["1 h", 3600],
  ["6 h", 21600],
  ["24 h", 86400],
  ["7 d", 604800],
];
const REFRESH_S = 10; // the daemon writes a row so often
const STEPS = 360; // of a chart's width: less is not worth asking for
const STALE_S = 5;
const root = document.documentElement;

const past = new Past();
const time = new TimeView();
const offset = new OffsetView();
const sources = new SourcesView();
const models = new ModelsView();
const changes = new ChangesView();
const last = { heardMs: null, sources: null, models: null };
const failed = { time: null, status: null };
let link = { state: "connecting", untilMs: 0, why: "" };
let refreshedMs = 0;
let rangeIsChosen = false; // by the reader, or to fit the history

// What goes wrong in this page itself is kept where tests look.
const errors = [];
function fault(message) {
  errors.push(String(message));
  root.dataset.errors = errors.join("; ");
}
addEventListener("error", (event) => fault(event.message));
addEventListener("unhandledrejection", (event) => fault(event.reason));
document.addEventListener("securitypolicyviolation", (event) =>
  fault(`refused: ${event.blockedURI}`),
);

// The stream

const HEARD = {
  hello: ({ version }) => {
    say("version", version);
    find("main").hidden = false;
    find("login").hidden = true;
    find("forget").hidden = !hasToken();
    reload();
  },
  time: (reading) => {
    failed.time = null;
    last.heardMs = performance.now();
    time.take(reading);
    past.add(reading);
    drawClock();
  },
  status: ({ status }) => {
    failed.status = null;
    time.describe(status);
    writeDaemon(status);
    writeCalibration(status.clock?.coverage_by_horizon ?? []);
  },
  sources: (message) => sources.describe((last.sources = message.sources)),
  models: (message) => models.describe((last.models = message.models)),
  transition: (change) => changes.add(change),
  error: ({ about, error }) => {
    if (about in failed) failed[about] = error;
  },
};

function hear(message) {
  HEARD[message.type]?.(message);
  writeState();
}

function tell(state, detail) {
  const { pauseS = 0, why = "" } = detail ?? {};
  link = { state, untilMs: performance.now() + pauseS * 1000, why };
  if (state === "login") askForToken(detail);
  writeState();
}

const stream = new Stream(hear, tell);

// What was

const chosen = () => Number(document.querySelector("#ranges input:checked").value);

function windowNow() {
  const now = (time.nowMs() ?? Date.now()) / 1000;
  return [now - chosen(), now];
}

function drawClock() {
  offset.show(past.clock, changes.changes, windowNow());
}

function draw() {
  const window = windowNow();
  drawClock();
  sources.show(past.rows.measurements, window);
  models.show(past.rows.weights, past.rows.forecasts, window);
  say("past-problem", past.problem);
  root.dataset.drawn = String(past.rangeS);
}

async function reload() {
  refreshedMs = performance.now();
  await Promise.all([past.load(chosen()), changes.load()]);
  await fitRange();
  draw();
}

/** Begin with the shortest stretch where the history is no longer than that. */
async function fitRange() {
  const [[, shortestS]] = RANGES;
  if (rangeIsChosen) return;
  rangeIsChosen = true;
  const [from, now] = windowNow();
  if ((past.clock.find(({ t }) => t > from)?.t ?? now) < now - shortestS) return;
  find(`range-${shortestS}`).checked = true;
  await past.load(shortestS);
}

async function refresh() {
  const dueMs = refreshedMs + Math.max(REFRESH_S, chosen() / STEPS) * 1000;
  if (link.state !== "live" || document.hidden || performance.now() < dueMs) return;
  refreshedMs = performance.now();
  await past.refresh(2 * models.horizonS); // later than that none is judged
  draw();
}

setInterval(refresh, REFRESH_S * 500);
document.addEventListener("visibilitychange", refresh);

// How the connection and the daemon are

function trouble() {
  const waitS = Math.max(0, Math.ceil((link.untilMs - performance.now()) / 1000));
  const lost = last.heardMs === null ? "There is no connection." : "The connection is lost.";
  if (link.state === "waiting") return [link.why || lost, `Trying again in ${waitS} s.`];
  if (link.state === "connecting" && last.heardMs !== null) return [lost, "Trying again."];
  const error = failed.time ?? failed.status;
  if (error) return [error.message, error.hint ?? ""];
  if (link.state === "live" && ageS() > STALE_S) return ["The server tells no time.", ""];
  return null;
}

function connectionWords(stale) {
  if (link.state === "live" && stale)
    return failed.time?.code === "unsynchronised" ? "no time" : "no daemon";
  return (
    { live: "live", login: "token wanted", waiting: "not connected" }[link.state] ?? "connecting"
  );
}

/** Text as a sentence: errors of the server begin small and end without a full stop. */
function sentence(text) {
  if (!text) return "";
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

const ageS = () => (last.heardMs === null ? 0 : (performance.now() - last.heardMs) / 1000);

function writeState() {
  const told = trouble();
  const stale =
    told !== null && (link.state !== "live" || failed.time !== null || ageS() > STALE_S);
  root.dataset.state = stale ? "stale" : link.state;
  if (stale) time.stop();
  find("banner").hidden = told === null || link.state === "login";
  say("banner-what", sentence(told?.[0]));
  say("banner-why", sentence(told?.[1]));
  say("banner-age", stale && last.heardMs !== null ? `What is shown is ${span(ageS())} old.` : "");
  find("again").hidden = link.state !== "waiting";
  find("connection").dataset.state = stale ? "stale" : link.state;
  say("connection", connectionWords(stale));
}

function askForToken(why) {
  find("login").hidden = false;
  find("main").hidden = true;
  if (why) say("login-why", why);
  find("token").focus();
}

// What the reader chooses

for (const [name, seconds] of RANGES) {
  const input = element("input", {
    type: "radio",
    name: "range",
    value: seconds,
    id: `range-${seconds}`,
    checked: seconds === 3600,
  });
  find("ranges").append(input, element("label", { for: input.id }, name));
}
find("ranges").addEventListener("change", () => {
  rangeIsChosen = true;
  reload();
});
find("horizon").addEventListener("change", reload); // of others not all that was judged is here
find("zone").addEventListener("change", (event) => {
  useZone(event.target.value === "UTC" ? "UTC" : undefined);
  changes.write();
});
find("again").addEventListener("click", () => stream.retry());
find("login").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(find("token").value);
  find("token").value = "";
  stream.connect();
});
find("forget").addEventListener("click", () => {
  useToken("");
  location.reload();
});
onTheme(() => {
  if (last.sources) sources.describe(last.sources);
  if (last.models) models.describe(last.models);
});
themeSwitch(find("theme"));

setInterval(writeState, 1000);
stream.connect();
