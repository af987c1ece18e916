// What was: the history of the chosen stretch, kept up to date.

import { ask } from "./link.js";

const FIELDS = ["clock", "weights", "measurements", "forecasts"];
const POINTS = 600;
const OVERLAP_S = 60; // of what is asked for again: rows come late
const PATIENCE_S = 60; // a history of a week is long, and links may be slow
const NS = 1e9;

const empty = () => Object.fromEntries(FIELDS.map((field) => [field, []]));

/** Rows of the history, oldest first, with `t`: Unix time in seconds. */
export class Past {
  constructor() {
    this.rows = empty();
    this.live = [];
    this.problem = "";
    this.rangeS = 0;
    this.asking = 0;
  }

  /** Load a stretch that ends now. */
  async load(rangeS) {
    this.rangeS = rangeS;
    await this.fetch(`-${rangeS}`, empty());
  }

  /** Ask for what is new. Rows of `lateS` ago may be among that: forecasts are told when they have
   * been judged, at the time when they were made. */
  async refresh(lateS) {
    const newest = this.rows.clock.at(-1)?.t;
    if (newest === undefined) return this.load(this.rangeS);
    const overlap = Math.min(this.rangeS, OVERLAP_S + lateS);
    const since = newest - overlap;
    const kept = empty();
    for (const field of FIELDS) {
      kept[field] = this.rows[field].filter(
        (each) => each.t < since && each.t > newest - this.rangeS * 1.1,
      );
    }
    return this.fetch(String(BigInt(Math.round(since * 1e6)) * 1000n), kept);
  }

  /** Take a reading of the stream: it stands for the history until that has caught up. */
  add(reading) {
    const { time_ns, status, system_minus_time_ns, bound_ns, sigma_ns } = reading;
    this.live.push({ t: time_ns / NS, status, system_minus_time_ns, bound_ns, sigma_ns });
    if (this.live.length > POINTS) this.live.shift();
  }

  /** Rows of the clock, up to now. */
  get clock() {
    const newest = this.rows.clock.at(-1)?.t ?? -Infinity;
    return [...this.rows.clock, ...this.live.filter((each) => each.t > newest)];
  }

  async fetch(from, kept) {
    const asked = ++this.asking;
    const query = new URLSearchParams({ from, fields: FIELDS.join(), points: String(POINTS) });
    try {
      const answer = await ask(`v1/history?${query}`, PATIENCE_S);
      if (asked !== this.asking) return; // another stretch was chosen meanwhile
      for (const field of FIELDS) {
        const told = answer.rows[field].map((each) => ({ ...each, t: each.time_ns / NS }));
        this.rows[field] = [...kept[field], ...told];
      }
      this.problem = "";
    } catch (refused) {
      if (asked === this.asking)
        this.problem = [refused.message, refused.hint].filter(Boolean).join(" ");
    }
  }
}

/** State changes of the last days, newest first. */
export async function transitions(days) {
  const answer = await ask(
    `v1/history?${new URLSearchParams({ from: `-${days * 86400}`, fields: "transitions" })}`,
  );
  return answer.rows.transitions.reverse();
}
