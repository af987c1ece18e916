"use strict";
(function () {
  const root = document.documentElement;
  const errors = [];
  function failed(message) {
    errors.push(String(message));
    root.dataset.errors = errors.join("; ");
  }
  window.addEventListener("error", (event) => failed(event.message));
  document.addEventListener("securitypolicyviolation", (event) => failed(event.blockedURI));
  window.addEventListener("unhandledrejection", (event) => failed(event.reason));

  const parsed = (id) => JSON.parse(document.getElementById(id).textContent);
  const dark = parsed("dark");
  const darkPage = window.matchMedia("(prefers-color-scheme: dark)");
  const hidden = new Set();
  const drawn = new Map();
  let printing = false;

  function recoloured(value) {
    if (typeof value === "string") return dark[value] || value;
    if (Array.isArray(value)) return value.map(recoloured);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, recoloured(each)]));
  }

  function draw(plot) {
    if (!drawn.has(plot)) drawn.set(plot, parsed(plot.dataset.figure));
    const figure = drawn.get(plot);
    const { data, layout } = darkPage.matches && !printing ? recoloured(figure) : figure;
    const shown = data.map((each) =>
      hidden.has(each.legendgroup) ? Object.assign({}, each, { visible: false }) : each
    );
    const settings = {
      responsive: true,
      displaylogo: false,
      displayModeBar: "hover",
      modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
      toImageButtonOptions: { format: "svg", filename: plot.dataset.figure },
    };
    return window.Plotly.react(plot, shown, structuredClone(layout), settings).then(
      () => plot.setAttribute("data-drawn", ""),
      failed
    );
  }

  const redraw = () => Promise.all([...drawn.keys()].filter((plot) => plot.offsetParent).map(draw));

  function chosen() {
    return Object.fromEntries(
      [...document.querySelectorAll("select[data-choice]")].map((each) => [each.dataset.choice, each.value])
    );
  }

  function show() {
    const now = chosen();
    for (const panel of document.querySelectorAll("[data-when]")) {
      const when = JSON.parse(panel.dataset.when);
      panel.hidden = Object.entries(when).some(([name, value]) => now[name] !== value);
    }
    const visible = [...document.querySelectorAll(".plot")].filter((plot) => plot.offsetParent);
    return Promise.all(visible.map(draw)).then(() => {
      root.dataset.drawn = String(document.querySelectorAll(".plot[data-drawn]").length);
    });
  }

  function sort(button) {
    const title = button.parentElement;
    const place = [...title.parentElement.children].indexOf(title);
    const numeric = title.classList.contains("number");
    const up = title.getAttribute("aria-sort") === "descending" || (!title.hasAttribute("aria-sort") && !numeric);
    const body = title.closest("table").tBodies[0];
    const value = (row) => row.children[place].dataset.value;
    function compare(first, second) {
      const a = value(first);
      const b = value(second);
      if (!numeric) return (up ? 1 : -1) * a.localeCompare(b);
      if (a === "" || b === "") return (a === "") - (b === "");
      return (up ? 1 : -1) * (Number(a) - Number(b));
    }
    for (const other of title.parentElement.children) other.removeAttribute("aria-sort");
    title.setAttribute("aria-sort", up ? "ascending" : "descending");
    body.append(...[...body.rows].sort(compare));
  }

  function toggle(model) {
    if (!hidden.delete(model)) hidden.add(model);
    for (const button of document.querySelectorAll(".legend button")) {
      button.setAttribute("aria-pressed", String(!hidden.has(button.dataset.model)));
    }
    redraw();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.closest("thead")) sort(button);
    else if (button.dataset.model !== undefined) toggle(button.dataset.model);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-choice]")) show();
  });
  darkPage.addEventListener("change", redraw);
  window.addEventListener("beforeprint", () => {
    printing = true;
    redraw();
  });
  window.addEventListener("afterprint", () => {
    printing = false;
    redraw();
  });
  show();
})();
