// Amounts as people read them. Times and errors are nanoseconds wherever a name does not say
// otherwise.

export const MINUS = "\u2212";
export const NOTHING = "\u2013";

const UNITS = [
  ["ns", 1],
  ["\u00b5s", 1e3],
  ["ms", 1e6],
  ["s", 1e9],
];

const known = (value) => typeof value === "number" && Number.isFinite(value);

function unitOf(size) {
  return UNITS.reduce((best, unit) => (size >= unit[1] * 0.9995 ? unit : best), UNITS[0]);
}

function rounded(value, digits = 3) {
  const whole = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.max(Math.abs(value), 1e-9))));
  return value.toFixed(Math.min(whole, digits - 1));
}

/** An amount of nanoseconds with three digits, in the unit that fits: "34.4 ms". */
export function amount(ns) {
  if (!known(ns)) return NOTHING;
  const size = Math.abs(ns);
  const [unit, factor] = unitOf(size);
  const sign = ns < 0 ? MINUS : "";
  const digits = factor === 1 ? size.toFixed(0) : rounded(size / factor);
  return `${sign}${digits}\u00a0${unit}`;
}

/** The same with its sign, also where that is a plus. */
export const signed = (ns) => (known(ns) && ns > 0 ? `+${amount(ns)}` : amount(ns));

/** Ticks of an axis of nanoseconds: one unit for all of them, no more digits than tell them
 * apart. */
export function ticks(values) {
  const [unit, factor] = unitOf(Math.max(...values.map(Math.abs), 0));
  const step = values.length > 1 ? Math.abs(values[1] - values[0]) / factor : 1;
  const places = Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));
  const exact =
    Math.abs(step * 10 ** places - Math.round(step * 10 ** places)) < 1e-6 ? places : places + 1;
  return values.map((value) => {
    const digits = Math.abs(value / factor).toFixed(exact);
    return `${value < 0 ? MINUS : ""}${value === 0 ? "0" : digits}\u00a0${unit}`;
  });
}

/** How long something lasts or is ago, of seconds, to be read at a glance: "3 min". */
export function span(seconds) {
  if (!known(seconds)) return NOTHING;
  const s = Math.max(0, seconds);
  if (s < 10) return `${s.toFixed(1)}\u00a0s`;
  if (s < 120) return `${Math.floor(s)}\u00a0s`;
  if (s < 7200) return `${Math.floor(s / 60)}\u00a0min`;
  if (s < 172800) return `${Math.floor(s / 3600)}\u00a0h`;
  return `${Math.floor(s / 86400)}\u00a0d`;
}

/** A share, 0 to 1, in percent. */
export function percent(share, places = 1) {
  return known(share) ? `${(share * 100).toFixed(places)}\u00a0%` : NOTHING;
}

/** A count, or a number of few digits. */
export const number = (value, places = 0) =>
  known(value) ? value.toFixed(places).replace("-", MINUS) : NOTHING;

export const seconds = (value) => (known(value) ? value * 1e9 : null);
