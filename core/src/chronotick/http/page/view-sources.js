// Sources: why each is used or not, and how far each is from served time.

import { amount, NOTHING, seconds, signed, span } from "./amounts.js";
import { Chart, joined, swatch } from "./chart.js";
import { element, find, row, say, table } from "./elements.js";
import { sourceLooks } from "./palette.js";

const TITLES = [
  "",
  "Source",
  "Stratum",
  "Reach",
  "Poll",
  "Age",
  "Delay",
  "Offset",
  "Root distance",
];
const USED = new Set(["*", "+"]);

export class SourcesView {
  constructor() {
    this.sources = [];
    this.measurements = [];
    this.window = [0, 1];
    this.chart = new Chart(find("errors"), {
      format: "signed",
      height: 230,
      range: (low, high) => this.limits(low, high),
    });
    this.fits = find("errors-scale");
    this.fits.addEventListener("change", () => this.draw());
  }

  /** Take what the daemon says about its sources. */
  describe(sources) {
    this.sources = sources;
    this.looks = sourceLooks(sources.map((source) => source.id));
    find("sources-none").hidden = sources.length > 0;
    find("sources").hidden = sources.length === 0;
    const rows = sources.map((source) => sourceRow(source, this.looks.get(source.id)));
    table(find("sources"), TITLES, rows);
  }

  /** Draw measurements of a stretch. */
  show(measurements, window) {
    this.measurements = measurements.filter((each) => each.error_ns !== null);
    this.window = window;
    this.draw();
  }

  draw() {
    const within = this.measurements.filter((each) => each.t >= this.window[0]);
    const ids = [...new Set(within.map((each) => each.source))].sort();
    const looks = sourceLooks([...ids, ...this.sources.map((source) => source.id)]);
    const lines = ids.map((id) => ({ name: id, kind: "points", ...looks.get(id) }));
    const many = ids.map((id) =>
      within.filter((each) => each.source === id).map((each) => ({ t: each.t, y: each.error_ns })),
    );
    const used = within.filter((each) => each.selected).map((each) => each.error_ns);
    this.fit =
      used.length && this.fits.value === "used"
        ? [Math.min(...extremes(used)), Math.max(...extremes(used))]
        : null;
    this.chart.show(lines, joined(many), this.window);
    this.writeNote(within);
  }

  /** Say which sources are so far off that the chart does not show them. */
  writeNote(within) {
    const [low, high] = this.fit ? this.limits() : [-Infinity, Infinity];
    const off = within.filter((each) => each.error_ns < low || each.error_ns > high);
    const last = new Map(off.map((each) => [each.source, each.error_ns]));
    const told = [...last].map(([id, error]) => `${id} by ${signed(error)}`);
    say(
      "errors-note",
      told.length ? `Beyond the scale: ${told.join(", ")}.` : "Each point is a measurement.",
    );
  }

  limits(low, high) {
    const [least, most] = this.fit ?? [low ?? -1, high ?? 1];
    const margin = (most - least) * 0.15 || Math.abs(most) * 0.2 || 1;
    return [Math.min(least - margin, 0), Math.max(most + margin, 0)];
  }
}

function extremes(values) {
  return values.reduce(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity],
  );
}

function sourceRow(source, look) {
  const trouble =
    source.last_error && !USED.has(source.reason)
      ? element("span", { class: "trouble" }, source.last_error)
      : null;
  const name = source.name || source.id;
  const words = name === source.id ? source.reason_words : `${source.id}: ${source.reason_words}`;
  return row(
    [
      {
        nodes: [element("span", { class: "reason", "data-reason": source.reason }, source.reason)],
        label: "",
        class: "mark",
        title: source.reason_words,
      },
      {
        heading: true,
        label: "",
        nodes: [
          swatch({ kind: "points", ...look }),
          element("span", { class: "name" }, name),
          element("span", { class: "words" }, words),
          trouble,
        ],
      },
      {
        text: source.stratum === null ? NOTHING : String(source.stratum),
        label: TITLES[2],
        class: "number",
      },
      { text: source.reach, label: TITLES[3], class: "number" },
      { text: span(source.poll_s), label: TITLES[4], class: "number" },
      { text: span(source.age_s), label: TITLES[5], class: "number" },
      { text: amount(seconds(source.delay_s)), label: TITLES[6], class: "number" },
      {
        text: signed(source.system_offset_s === null ? null : -seconds(source.system_offset_s)),
        label: TITLES[7],
        class: "number",
        title: "system clock minus this source",
      },
      {
        text: amount(seconds(source.root_distance_s)),
        label: TITLES[8],
        class: "number",
        title: "hard bound of the error of this source",
      },
    ],
    { "data-used": USED.has(source.reason) ? "yes" : "no" },
  );
}
