// Whether 95 % intervals hold 95 % of measurements, horizon by horizon.

import { number, percent } from "./amounts.js";
import { element, find, row, table } from "./elements.js";
import { horizonWords } from "./view-models.js";

const NOMINAL = 0.95;
const LOWEST = 0.5; // left end of the scale
const Z = 1.96;
const TITLES = ["Horizon", "Coverage", "50 % to 100 %", "Judged", "Factor"];

/** Write the table. `rows`: as the daemon's status tells them. */
export function writeCalibration(rows) {
  find("calibration").hidden = rows.length === 0;
  find("calibration-none").hidden = rows.length > 0;
  table(find("calibration"), TITLES, rows.map(calibrationRow));
}

function calibrationRow({ horizon_s, coverage, judgements, factor }) {
  return row([
    { heading: true, text: horizonWords(horizon_s) },
    { text: percent(coverage), class: "number" },
    { nodes: [scale(coverage, wilson(coverage, judgements))], class: "scale-cell" },
    { text: number(judgements), class: "number", title: "independent judgements of late" },
    {
      text: number(factor, 2),
      class: "number",
      title: "what sigma is multiplied by, learned from the misses",
    },
  ]);
}

/** The 95 % interval of a share that was counted (Wilson, J. Am. Stat. Assoc. 22, 1927). */
export function wilson(share, count) {
  if (!(count > 0)) return [0, 1];
  const shrink = 1 + Z ** 2 / count;
  const middle = (share + Z ** 2 / (2 * count)) / shrink;
  const half = (Z / shrink) * Math.sqrt((share * (1 - share)) / count + Z ** 2 / (4 * count ** 2));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

function scale(coverage, [low, high]) {
  const place = (share) => `${Math.max(0, (share - LOWEST) / (1 - LOWEST)) * 100}%`;
  const [chance, nominal, point] = ["chance", "nominal", "point"].map((name) =>
    element("span", { class: name }),
  );
  chance.style.left = place(low);
  chance.style.right = `${100 - parseFloat(place(high))}%`;
  nominal.style.left = place(NOMINAL);
  point.style.left = place(coverage);
  const words = `${percent(low, 0)} to ${percent(high, 0)} are as likely; nominal ${percent(NOMINAL, 0)}`;
  return element(
    "span",
    { class: "scale", role: "img", "aria-label": words, title: words },
    chance,
    nominal,
    point,
  );
}
