// The daemon itself: what troubles it, its companions, its history.

import { number, percent, span } from "./amounts.js";
import { element, find, put } from "./elements.js";
import { fact } from "./view-time.js";

/** Write what the daemon says about itself. */
export function writeDaemon(status) {
  const problems = status.problems.map((text) => element("li", { class: "problem" }, text));
  put(
    find("problems"),
    ...(problems.length ? problems : [element("li", { class: "well" }, "No problem is known.")]),
  );
  put(find("daemon"), ...facts(status).map(fact));
}

const times = (count) => (count ? `${count} time${count === 1 ? "" : "s"}` : "never");

function facts(status) {
  const { publication, history } = status;
  const companions = Object.entries(status.companions ?? {}).map(([name, told]) => [
    `Beside it: ${name}`,
    told.running ? "running" : "not running",
    told.restarts ? `started again ${told.restarts} times` : told.problem,
  ]);
  return [
    ["Running for", span(status.daemon_uptime), `version ${status.version}, process ${status.pid}`],
    [
      "Publishes",
      `${number(publication.frequency_hz, 1)}\u00a0Hz`,
      `${publication.missed} missed of ${publication.published}`,
    ],
    ["Forecasts answered", percent(status.success_rate), ""],
    [
      "Bound contradicted",
      times(status.bound_contradictions),
      status.bound_contradictions
        ? "a measurement and the bound excluded each other"
        : "no measurement lay outside it",
    ],
    ["System clock stepped", times(status.system_clock_steps), "not by ChronoTick"],
    [
      "Memory",
      status.daemon_memory_mb === null ? "\u2013" : `${status.daemon_memory_mb}\u00a0MiB`,
      "",
    ],
    [
      "History",
      history.problem ? "in trouble" : "written",
      history.dropped ? `${history.dropped} rows lost` : (history.path ?? "in memory only"),
    ],
    ...companions,
  ];
}
