// Served time, ticking, and what it is worth.

import { NOTHING, amount, number, percent, signed, span } from "./amounts.js";
import { element, find, put, say } from "./elements.js";
import { Served } from "./served.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const TICK_MS = 100;
const LONG = 24; // characters of a note that take the place of two
const DAY = new Intl.DateTimeFormat("en-GB", {
  timeZone: "UTC",
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
});
const LOCAL = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const MADE_OF = { ntp: "NTP", model: "a model", fusion: "fusion", holdover: "holdover" };
const LEAPS = {
  insert: "a second is inserted at the end of this UTC day",
  delete: "a second is left out at the end of this UTC day",
};

export class TimeView {
  constructor() {
    this.served = new Served();
    this.reading = null;
    this.clock = null;
    this.running = false;
    setInterval(() => this.tick(), TICK_MS);
  }

  /** Take a reading of the stream. */
  take(reading) {
    this.served.take(reading);
    this.reading = reading;
    this.running = true;
    find("utc").setAttribute("datetime", reading.time);
    this.tick();
    this.writeFacts();
  }

  /** Take what the daemon says about itself. */
  describe(status) {
    this.clock = status.clock;
    this.writeStatus(status.status, status.reason);
    this.writeFacts();
  }

  /** Stand still: what is shown is no longer true. */
  stop() {
    if (!this.running) return;
    this.running = false;
    this.writeFacts();
  }

  nowMs() {
    return this.served.nowMs();
  }

  tick() {
    if (!this.running) return;
    const nowMs = this.nowMs();
    const now = new Date(nowMs);
    const digits = calm.matches ? 19 : 21;
    say("utc", now.toISOString().slice(11, digits));
    say("day", DAY.format(now));
    say("local", ZONE === "UTC" ? "" : `${LOCAL.format(now)} ${ZONE.replaceAll("_", " ")}`);
  }

  writeStatus(status, reason) {
    const words = status.replaceAll("_", "-");
    find("status").dataset.status = words;
    say("status", words);
    say("reason", reason ?? "");
  }

  writeFacts() {
    const { reading, clock, running } = this;
    if (!reading) return;
    const within = running ? "true time is within" : "when it was last told";
    const facts = [
      [
        "Bound",
        `\u00b1\u00a0${amount(reading.bound_ns)}`,
        reading.reliable ? within : "not to be relied on yet",
      ],
      ["Sigma", amount(reading.sigma_ns), "standard uncertainty"],
      [
        "System clock",
        signed(reading.system_minus_time_ns),
        `${reading.system_minus_time_ns < 0 ? "behind" : "ahead of"} served time`,
      ],
      ["Measured", `${span(reading.measured_ago_s)} ago`, `${reading.measurements} accepted`],
      [
        "Frequency",
        clock ? `${number(clock.frequency_ppm, 2)}\u00a0ppm` : NOTHING,
        "true time against raw",
      ],
      ["Coverage", clock ? percent(clock.coverage) : NOTHING, "of 95\u00a0% intervals"],
      [
        "Made of",
        MADE_OF[reading.source] ?? reading.source,
        `confidence ${percent(reading.confidence, 0)}`,
      ],
    ];
    if (reading.leap !== "none")
      facts.push(["Leap second", reading.leap, LEAPS[reading.leap] ?? ""]);
    put(find("facts"), ...facts.map(fact));
  }
}

/** One entry of a list of facts. */
export const fact = ([name, value, note]) =>
  element(
    "div",
    { class: note?.length > LONG ? "long" : null },
    element("dt", {}, name),
    element("dd", {}, value),
    note ? element("dd", { class: "faint" }, note) : null,
  );
