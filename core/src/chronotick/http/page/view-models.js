// Models: their state and worth now, their weights and errors over time.

import { NOTHING, amount, percent, seconds, signed, span } from "./amounts.js";
import { Chart, joined, swatch, withGaps } from "./chart.js";
import { element, find, row, say, table } from "./elements.js";
import { modelLooks } from "./palette.js";

const TITLES = ["Model", "State", "Weight", "Why", "Latency", "Asked every", "Answers", "Advice"];
const HORIZONS_S = [1, 4, 16, 64, 256, 1024, 4096]; // of fusion/horizons.py
const READING_GAP_S = 35;

export class ModelsView {
  constructor() {
    this.models = {};
    this.forecasts = [];
    this.window = [0, 1];
    this.weights = new Chart(find("weights"), {
      format: "share",
      height: 230,
      range: () => [0, 1],
    });
    this.errors = new Chart(find("forecasts"), { format: "signed", height: 230 });
    this.horizon = find("horizon");
    this.horizon.addEventListener("change", () => this.drawErrors());
  }

  /** Horizon whose forecasts are shown, in seconds. */
  get horizonS() {
    return Number(this.horizon.value) || HORIZONS_S[0];
  }

  /** Take what the daemon says about its models. */
  describe(models) {
    this.models = models;
    const names = Object.keys(models).sort(
      (a, b) => models[b].weight - models[a].weight || a.localeCompare(b),
    );
    find("models").hidden = names.length === 0;
    find("models-none").hidden = names.length > 0;
    const looks = modelLooks(names);
    table(
      find("models"),
      TITLES,
      names.map((name) => modelRow(name, models[name], looks.get(name))),
    );
    this.writeSkill(names, looks);
    this.offerHorizons();
  }

  /** Draw weights and forecasts of a stretch. */
  show(weights, forecasts, window) {
    this.window = window;
    this.forecasts = forecasts
      .filter((each) => each.error_s !== null)
      .map((each) => ({ ...each, place: placeOf(each.horizon_s) }));
    this.drawWeights(weights);
    this.offerHorizons();
    this.drawErrors();
  }

  drawWeights(rows) {
    const thinned = (this.window[1] - this.window[0]) / 600;
    const gapped = withGaps(rows, Math.max(READING_GAP_S, thinned * 3.5));
    const names = [...new Set(rows.flatMap((each) => Object.keys(each.weights)))].sort();
    const own = names.map((name) =>
      gapped.map((each) => (each.weights ? (each.weights[name] ?? 0) : null)),
    );
    // Stacked: the whole is painted first, and each smaller sum over it.
    const sums = names.map((_, from) =>
      gapped.map((each, at) => (each.weights ? sum(own.slice(from), at) : null)),
    );
    const looks = modelLooks(names);
    const lines = names.map((name) => ({ name, kind: "area", colours: looks.get(name).colours }));
    const values = Object.fromEntries(names.map((name, place) => [name, own[place]]));
    this.weights.show(lines, [gapped.map((each) => each.t), ...sums], this.window, { values });
  }

  /** Let those horizons be chosen for which there are forecasts. Of others than the chosen one
   * those are not asked for that were judged lately: the daemon says that there are some. */
  offerHorizons() {
    const here = new Set(this.forecasts.map((each) => each.place));
    const offered = [...this.horizon.options].map((option) => Number(option.value));
    const wanted = HORIZONS_S.filter((s, place) => here.has(place) || this.isJudged(s));
    if (offered.join() === wanted.join()) return;
    const chosen = this.horizon.value || "4";
    this.horizon.replaceChildren(
      ...wanted.map((s) => element("option", { value: s }, `about ${horizonWords(s)}`)),
    );
    if (wanted.includes(Number(chosen))) this.horizon.value = chosen;
  }

  isJudged(horizonS) {
    const skills = Object.values(this.models).flatMap((model) => model.skill);
    return skills.some((each) => each.horizon_s === horizonS);
  }

  drawErrors() {
    const place = placeOf(this.horizonS);
    const shown = this.forecasts.filter((each) => each.place === place && each.t >= this.window[0]);
    const names = [...new Set(shown.map((each) => each.model))].sort();
    const looks = modelLooks([...names, ...Object.keys(this.models)]);
    const lines = names.map((name) => ({ name, kind: "points", ...looks.get(name) }));
    const many = names.map((name) =>
      shown
        .filter((each) => each.model === name)
        .map((each) => ({ t: each.t + each.horizon_s, y: seconds(each.error_s) })),
    );
    this.errors.show(lines, joined(many), this.window, {
      nothing: "No forecast of this horizon was judged in this stretch.",
    });
    const told = names.map((name, at) => `${name} ${amount(rms(many[at]))} (${many[at].length})`);
    say(
      "forecasts-note",
      told.length
        ? `Measured minus forecast, noise of measurements included; rms and number here: ${told.join(", ")}.`
        : "Measured minus forecast, noise of measurements included.",
    );
  }

  writeSkill(names, looks) {
    const there = HORIZONS_S.filter((s) => this.isJudged(s));
    const cells = names.map((name) =>
      there.map((s) =>
        this.models[name].skill.find((each) => each.horizon_s === s && each.rms_s > 0),
      ),
    );
    const best = there.map((_, at) =>
      Math.min(...cells.map((each) => each[at]?.rms_s ?? Infinity)),
    );
    const rows = names.map((name, number) =>
      row([
        { heading: true, nodes: [swatch({ kind: "points", ...looks.get(name) }), name] },
        ...cells[number].map((cell, at) =>
          skillCell(cell, cell !== undefined && cell.rms_s === best[at]),
        ),
      ]),
    );
    find("skill").hidden = there.length === 0;
    find("skill-none").hidden = there.length > 0;
    table(find("skill"), ["Model", ...there.map(horizonWords)], rows);
  }
}

const sum = (columns, at) => columns.reduce((total, column) => total + column[at], 0);

const rms = (rows) =>
  rows.length ? Math.sqrt(rows.reduce((total, { y }) => total + y * y, 0) / rows.length) : null;

/** Which of the horizons is nearest, by ratio. */
const placeOf = (horizonS) =>
  Math.min(HORIZONS_S.length - 1, Math.round(Math.log(Math.max(horizonS, 1)) / Math.log(4)));

/** A horizon of so many seconds, in words. */
export const horizonWords = (s) => (s < 1000 ? `${s}\u00a0s` : `${Math.round(s / 60)}\u00a0min`);

function skillCell(cell, isBest) {
  if (cell === undefined) return { text: NOTHING, class: "number" };
  const value = amount(seconds(cell.rms_s));
  const count = `${Math.round(cell.scores)} forecasts`;
  return { nodes: [element(isBest ? "strong" : "span", {}, value)], class: "number", title: count };
}

function modelRow(name, model, look) {
  const trouble = model.last_error ? element("span", { class: "trouble" }, model.last_error) : null;
  const loops = Object.values(model.loops ?? {});
  const misses = loops.reduce((total, loop) => total + loop.deadline_misses, 0);
  const failed = model.failures || misses ? `${model.failures} failed, ${misses} late` : null;
  const advice = model.advice ?? [];
  return row([
    {
      heading: true,
      label: "",
      title: model.title,
      nodes: [swatch({ kind: "area", ...look }), element("span", { class: "name" }, name)],
    },
    {
      nodes: [element("span", { class: "tag", "data-state": model.state }, model.state)],
      label: TITLES[1],
    },
    {
      nodes: [bar(model.weight, look), element("span", { class: "value" }, percent(model.weight))],
      label: TITLES[2],
      class: "weight",
    },
    { nodes: [model.reason, trouble].filter(Boolean), label: TITLES[3], class: "sentence" },
    {
      text: latencies(model),
      label: TITLES[4],
      class: "pairs",
      title: "median and 90th percentile of its last answers",
    },
    {
      text: loops.map((loop) => span(loop.interval_s)).join(", ") || NOTHING,
      label: TITLES[5],
      class: "pairs",
    },
    {
      nodes: [
        String(model.answers ?? 0),
        failed ? element("span", { class: "words" }, failed) : null,
      ].filter(Boolean),
      label: TITLES[6],
      class: "pairs",
    },
    {
      text: advice.join(" ") || NOTHING,
      label: TITLES[7],
      class: advice.length ? "sentence" : "sentence none",
    },
  ]);
}

function latencies(model) {
  const [median, p90] = [model.latency_median_ms, model.latency_p90_ms].map((ms) =>
    amount(typeof ms === "number" ? ms * 1e6 : null),
  );
  return median === NOTHING ? NOTHING : `${median}, p90 ${p90}`;
}

function bar(share, look) {
  const made = element("span", { class: "share", "aria-hidden": "true" }, element("span", {}));
  made.firstChild.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  made.firstChild.style.setProperty("--light", look.colours[0]);
  made.firstChild.style.setProperty("--dark", look.colours[1]);
  return made;
}
