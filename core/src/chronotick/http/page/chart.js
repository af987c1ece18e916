// Charts over time, all alike: drawn by uPlot, with a legend that tells values and hides curves.

import { amount, signed, ticks } from "./amounts.js";
import { drawing, element, say } from "./elements.js";
import { colour, fitting, onTheme } from "./theme.js";

const { uPlot } = window;
const LEFT_PX = 66; // the same for all, so that times are one below the other
const SYNC = { key: "time", setSeries: false, scales: ["x", null] };
const AREA = "b8"; // opacity of areas
const MINUTE = 60;
const DAY = 86400;

let zone = "UTC"; // undefined: that of this device
const charts = new Set();

/** Show times of all charts in UTC, or as this device has them. */
export function useZone(name) {
  zone = name;
  charts.forEach((chart) => chart.rebuild());
}

const formats = new Map();

/** Write a time of Unix seconds. */
export function clockTime(t, options) {
  const key = JSON.stringify([zone, options]);
  if (!formats.has(key))
    formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  return formats.get(key).format(new Date(t * 1000));
}

const HOUR_MINUTE = { hour: "2-digit", minute: "2-digit" };
const WHOLE_TIME = { ...HOUR_MINUTE, second: "2-digit" };
const DATE = { day: "numeric", month: "short" };

function timeTicks(_plot, splits, _axis, _space, step) {
  let before = "";
  return splits.map((t) => {
    const date = clockTime(t, DATE);
    const time = clockTime(t, step < MINUTE ? WHOLE_TIME : HOUR_MINUTE);
    const told =
      step >= DAY ? date : date === before || (!before && step < 3600) ? time : `${time}\n${date}`;
    before = date;
    return told;
  });
}

/** Rows that are further apart than `gapS` are not joined: nothing is known between them. */
export function withGaps(rows, gapS) {
  return rows.flatMap((row, place) => {
    const earlier = rows[place - 1];
    return earlier && row.t - earlier.t > gapS ? [{ t: (row.t + earlier.t) / 2 }, row] : [row];
  });
}

/** Columns of several series of {t, y}, on the union of their times. */
export function joined(many) {
  const times = [...new Set(many.flatMap((rows) => rows.map((row) => row.t)))].sort(
    (a, b) => a - b,
  );
  const place = new Map(times.map((t, index) => [t, index]));
  const columns = many.map((rows) => {
    const column = new Array(times.length).fill(null);
    rows.forEach((row) => (column[place.get(row.t)] = row.y));
    return column;
  });
  return [times, ...columns];
}

const FORMATS = {
  amount: { tick: ticks, value: amount },
  signed: { tick: ticks, value: signed },
  share: {
    tick: (values) => values.map((value) => `${Math.round(value * 100)}\u00a0%`),
    value: (value) => `${(value * 100).toFixed(1)}\u00a0%`,
  },
};

/** One chart in a <figure>, below its caption.
 *
 * Lines are {name, colours: [light, dark] or a name of the style sheet, kind: "line", "points",
 * "area" or "edge", dash, told: whether the legend has it}.
 */
export class Chart {
  constructor(figure, { format = "amount", height = 200, range, bands, paint } = {}) {
    Object.assign(this, { figure, format: FORMATS[format], height, range, bands, paint });
    this.hidden = new Set();
    this.lines = [];
    this.columns = [[]];
    this.when = element("li", { class: "when" });
    this.holder = element("div", { class: "plot", role: "img", tabindex: "0" });
    this.empty = element("p", { class: "nothing", hidden: true });
    this.legend = element("ul", { class: "legend" });
    figure.append(this.holder, this.empty, this.legend);
    this.holder.addEventListener("keydown", (event) => this.step(event));
    new ResizeObserver(() => this.resize()).observe(this.holder);
    onTheme(() => this.rebuild());
    charts.add(this);
  }

  /** Draw lines. `columns`: times, then one column a line; `window`: first and last time.
   * `values`: by name of a line, the column to tell instead of its own; `nothing` is said in place
   * of a chart that has no value. */
  show(
    lines,
    columns,
    window,
    { values = {}, nothing = "Nothing was recorded in this stretch." } = {},
  ) {
    const alike = JSON.stringify(lines) === JSON.stringify(this.lines);
    Object.assign(this, { lines, columns, window, values });
    const some =
      columns[0].length > 0 &&
      columns.slice(1).some((column) => column.some((y) => y !== null && y !== undefined));
    this.holder.hidden = this.legend.hidden = !some;
    this.empty.hidden = some;
    say(this.empty, nothing);
    if (!some) return;
    if (!alike || !this.plot) this.rebuild();
    else this.update();
  }

  rebuild() {
    if (this.lines.length === 0) return;
    this.plot?.destroy();
    this.plot = null;
    this.writeLegend();
    const width = this.holder.clientWidth;
    if (width === 0) return; // not shown now: resize() comes back to it
    this.plot = new uPlot(this.options(width), this.columns, this.holder);
    this.tell();
  }

  update() {
    this.plot.setData(this.columns);
    this.tell();
  }

  resize() {
    const width = this.holder.clientWidth;
    if (width === 0) return;
    if (!this.plot) this.rebuild();
    else if (width !== this.plot.width) this.plot.setSize({ width, height: this.height });
  }

  options(width) {
    const text = colour("faint");
    const font = `11px ${getComputedStyle(this.figure).fontFamily}`;
    const grid = { stroke: colour("grid"), width: 1 };
    const axis = { stroke: text, font, grid, ticks: { show: false } };
    return {
      width,
      height: this.height,
      padding: [8, 22, 0, 0],
      legend: { show: false },
      tzDate: (t) => (zone ? uPlot.tzDate(new Date(t * 1000), zone) : new Date(t * 1000)),
      cursor: {
        y: false,
        drag: { x: false, y: false },
        sync: SYNC,
        hover: { skip: [null, undefined] },
        points: { size: 7 },
      },
      scales: {
        x: { time: true, range: () => this.window },
        y: { range: (plot, low, high) => this.limits(low, high) },
      },
      axes: [
        {
          ...axis,
          values: timeTicks,
          space: 76,
          gap: 6,
          size: (_plot, told) => (told?.some((text) => text?.includes("\n")) ? 38 : 24),
        },
        {
          ...axis,
          size: LEFT_PX,
          gap: 8,
          space: 34,
          values: (_plot, splits) => this.format.tick(splits),
        },
      ],
      series: [{}, ...this.lines.map((line) => this.series(line))],
      bands: this.lines[0].kind === "area" ? this.between() : this.bands?.(colour),
      hooks: {
        setCursor: [() => this.tell()],
        drawClear: this.paint ? [(plot) => this.paint(plot, this)] : [],
      },
    };
  }

  /** Fill between neighbours: areas are sums, the whole first. */
  between() {
    return this.lines
      .slice(0, -1)
      .map((line, place) => ({ series: [place + 1, place + 2], fill: tone(line) + AREA }));
  }

  limits(low, high) {
    if (this.range) return this.range(low, high);
    if (low === null || high === null) return [-1, 1];
    const margin = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
    return [low - margin, high + margin];
  }

  series(line) {
    const stroke = tone(line);
    const points = line.kind === "points";
    return {
      label: line.name,
      show: !this.hidden.has(line.name),
      stroke: line.kind === "edge" ? "transparent" : stroke,
      width: line.kind === "area" ? 0.5 : 1.6,
      fill: line.kind === "area" && line === this.lines.at(-1) ? stroke + AREA : undefined,
      dash: line.dash?.length ? line.dash : undefined,
      paths: points ? () => null : undefined,
      points: points
        ? { show: true, size: 4.5, width: 0.5, fill: stroke, stroke }
        : { show: false },
    };
  }

  writeLegend() {
    this.outputs = [];
    const entries = this.lines.map((line, place) => {
      if (line.told === false) return null;
      const output = element("output", { class: "value" });
      this.outputs.push([place, output]);
      const parts = [swatch(line), element("span", {}, line.name), output];
      if (line.kind === "area") return element("li", {}, ...parts); // shares of a whole: none can be left out
      const button = element(
        "button",
        { type: "button", "aria-pressed": String(!this.hidden.has(line.name)) },
        ...parts,
      );
      button.addEventListener("click", () => this.toggle(line.name));
      return element("li", {}, button);
    });
    this.legend.replaceChildren(...entries.filter(Boolean), this.when);
  }

  toggle(name) {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    this.rebuild();
  }

  /** Tell the values at the cursor, or the latest. */
  tell() {
    if (!this.plot) return;
    const { idx, idxs } = this.plot.cursor;
    const pointed = idx !== null && idx !== undefined && this.plot.cursor.left >= 0;
    say(this.when, pointed ? clockTime(this.columns[0][idx], WHOLE_TIME) : "");
    const told = this.outputs.map(([place, output]) => {
      const column = this.values[this.lines[place].name] ?? this.columns[place + 1];
      const at = pointed
        ? (idxs[place + 1] ?? idx)
        : column.findLastIndex((y) => y !== null && y !== undefined);
      const value = column[at];
      say(output, value === null || value === undefined ? "\u2013" : this.format.value(value));
      return `${this.lines[place].name} ${output.textContent}`;
    });
    if (!pointed)
      this.holder.setAttribute("aria-label", `Chart. Latest values: ${told.join(", ")}.`);
  }

  /** Move the cursor with the arrow keys. */
  step(event) {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way || !this.plot) return;
    event.preventDefault();
    const times = this.columns[0];
    const now = this.plot.cursor.idx ?? times.length - 1;
    const next = Math.max(
      0,
      Math.min(times.length - 1, now + way * Math.max(1, Math.round(times.length / 60))),
    );
    this.plot.setCursor({ left: this.plot.valToPos(times[next], "x"), top: this.height / 3 });
  }
}

const tone = (line) => (Array.isArray(line.colours) ? fitting(line.colours) : colour(line.colours));

/** What a line looks like, for legends and tables. */
export function swatch(line) {
  const paint = tone(line);
  const box = {
    viewBox: "0 0 18 10",
    width: 18,
    height: 10,
    class: "swatch",
    "aria-hidden": "true",
  };
  if (line.kind === "points")
    return drawing("svg", box, drawing("circle", { cx: 9, cy: 5, r: 4, fill: paint }));
  if (line.kind === "area")
    return drawing(
      "svg",
      box,
      drawing("rect", { x: 3, y: 0, width: 12, height: 10, rx: 2, fill: paint }),
    );
  const dash = line.dash?.length ? line.dash.join(" ") : null;
  return drawing(
    "svg",
    box,
    drawing("line", {
      x1: 0,
      x2: 18,
      y1: 5,
      y2: 5,
      stroke: paint,
      "stroke-width": 2.4,
      "stroke-dasharray": dash,
    }),
  );
}
