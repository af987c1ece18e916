// Offset and bound over time, with the status of each moment.

import { Chart, withGaps } from "./chart.js";
import { find } from "./elements.js";
import { colour } from "./theme.js";

const READING_S = 10; // between two rows of the history
const GAPS = 3.5; // of these are a gap
const STRIP_PX = 4;

const BAND = [
  { name: "latest", colours: "band", kind: "edge", told: false },
  { name: "earliest", colours: "band", kind: "edge", told: false },
  { name: "system clock", colours: "accent", kind: "line" },
];
const WIDTHS = [
  { name: "bound", colours: "accent", kind: "line" },
  { name: "sigma", colours: "second", kind: "line", dash: [5, 3] },
];

export class OffsetView {
  constructor() {
    this.rows = [];
    this.changes = [];
    const paint = (plot) => this.paint(plot);
    const bands = (tone) => [{ series: [1, 2], fill: tone("band") }];
    this.offset = new Chart(find("offset"), { format: "signed", height: 230, bands, paint });
    this.bound = new Chart(find("bound"), {
      height: 230,
      range: (_low, high) => [0, (high || 1) * 1.12],
      paint,
    });
  }

  /** Draw rows of the clock; `changes`: state changes, in any order. */
  show(clock, changes, window) {
    const thinned = (window[1] - window[0]) / 600;
    this.rows = withGaps(clock, Math.max(READING_S, thinned) * GAPS);
    this.changes = changes;
    const column = (value) =>
      this.rows.map((row) => (row.status === undefined ? null : value(row)));
    const times = this.rows.map((row) => row.t);
    const offset = column((row) => row.system_minus_time_ns);
    this.offset.show(
      BAND,
      [
        times,
        column((row) => row.system_minus_time_ns + row.bound_ns),
        column((row) => row.system_minus_time_ns - row.bound_ns),
        offset,
      ],
      window,
    );
    this.bound.show(
      WIDTHS,
      [times, column((row) => row.bound_ns), column((row) => row.sigma_ns)],
      window,
    );
  }

  /** Draw the strip of statuses above the curves, and a line at each change. */
  paint(plot) {
    const { ctx, bbox } = plot;
    const thick = STRIP_PX * devicePixelRatio;
    const x = (t) =>
      Math.min(Math.max(plot.valToPos(t, "x", true), bbox.left), bbox.left + bbox.width);
    ctx.save();
    for (const { status, from, to } of stretches(this.rows)) {
      ctx.fillStyle = tone(status);
      ctx.fillRect(x(from), bbox.top, Math.max(1, x(to) - x(from)), thick);
    }
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const change of this.changes) {
      const at = plot.valToPos(change.time_ns / 1e9, "x", true);
      if (at < bbox.left || at > bbox.left + bbox.width) continue;
      ctx.strokeStyle = tone(change.after);
      ctx.beginPath();
      ctx.moveTo(at, bbox.top);
      ctx.lineTo(at, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }
}

const tone = (status) => colour(`status-${status.replaceAll("_", "-")}`) || colour("faint");

/** Stretches of one status; a gap ends one too. */
function stretches(rows) {
  const found = [];
  for (const { t, status } of rows) {
    const open = found.at(-1);
    if (open) open.to = t;
    if (open?.status !== status) found.push({ status, from: t, to: t });
  }
  return found.filter((each) => each.status !== undefined);
}
