// State changes, newest first, with their reasons.

import { clockTime } from "./chart.js";
import { element, find, put } from "./elements.js";
import { transitions } from "./past.js";

const DAYS = 30;
const MOST = 60;
const WHEN = {
  day: "2-digit",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
};

export class ChangesView {
  constructor() {
    this.changes = [];
  }

  async load() {
    try {
      this.changes = await transitions(DAYS);
    } catch {
      // Why there is no history is said where its charts are.
    }
    this.write();
  }

  /** Take a change of the stream. */
  add(change) {
    if (
      !this.changes.some((each) => each.time_ns === change.time_ns && each.after === change.after)
    ) {
      this.changes = [change, ...this.changes];
    }
    this.write();
  }

  write() {
    find("changes-none").hidden = this.changes.length > 0;
    put(find("changes"), ...this.changes.slice(0, MOST).map(entry));
  }
}

function entry(change) {
  return element(
    "li",
    {},
    element(
      "time",
      { datetime: change.time, title: change.time },
      clockTime(change.time_ns / 1e9, WHEN),
    ),
    element(
      "span",
      { class: "what" },
      status(change.before),
      element("span", { "aria-label": "to" }, " \u2192 "),
      status(change.after),
    ),
    element("span", { class: "why" }, change.reason),
  );
}

function status(words) {
  const plain = words.replaceAll("_", "-");
  return element("span", { class: "status small", "data-status": plain }, plain);
}
