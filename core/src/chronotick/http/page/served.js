// Served time between two messages.

// Messages: within so few seconds the browser's own clock drifts by less than a millisecond.
const KEPT = 20;
const STEP_MS = 1000;

/** Extrapolates served time with the browser's monotonic clock, from the message that was least
 * late. */
export class Served {
  constructor() {
    this.aheadMs = [];
    this.epoch = null;
  }

  /** Take a reading that arrived at `arrivedMs` of the browser's monotonic clock. */
  take(reading, arrivedMs = performance.now()) {
    const ahead = reading.time_ns / 1e6 - arrivedMs;
    const stepped = Math.abs(ahead - this.aheadMs.at(-1)) > STEP_MS;
    if (reading.epoch !== this.epoch || stepped) this.aheadMs = [];
    this.epoch = reading.epoch;
    this.aheadMs = [...this.aheadMs.slice(1 - KEPT), ahead];
  }

  /** Served time now in ms of Unix time; null before the first reading. */
  nowMs(atMs = performance.now()) {
    return this.aheadMs.length ? atMs + Math.max(...this.aheadMs) : null;
  }
}
