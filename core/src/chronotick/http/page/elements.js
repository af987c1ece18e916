// Elements made of text. What comes from the network is hostile: it is never read as markup.

const SVG = "http://www.w3.org/2000/svg";

export const find = (id) => document.getElementById(id);

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false)
      made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** An element; children are elements or text. */
export const element = (name, attributes = {}, ...children) =>
  fill(document.createElement(name), attributes, children);

/** An element of a drawing. */
export const drawing = (name, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, name), attributes, children);

/** Set a text, and touch the page only if it is another one. */
export function say(target, text) {
  const holder = typeof target === "string" ? find(target) : target;
  if (holder.textContent !== text) holder.textContent = text;
}

/** Replace what is in an element unless it says the same already; focus and selection then stay. */
export function put(holder, ...children) {
  const now = holder.childNodes;
  const same =
    now.length === children.length &&
    children.every((child, place) => child.isEqualNode(now[place]));
  if (!same) holder.replaceChildren(...children);
}

/** A row of a table. Cells are {text | nodes, label, class, heading}; roles keep it one on
 * phones. */
export function row(cells, attributes = {}) {
  return element(
    "tr",
    { role: "row", ...attributes },
    ...cells.map((cell) =>
      element(
        cell.heading ? "th" : "td",
        {
          role: cell.heading ? "rowheader" : "cell",
          scope: cell.heading ? "row" : null,
          class: cell.class,
          "data-label": cell.label,
          title: cell.title,
        },
        ...(cell.nodes ?? [cell.text]),
      ),
    ),
  );
}

/** Fill a table. Titles stand as the cells below them do. */
export function table(target, titles, rows) {
  const heads = titles.map((title, place) => {
    const attributes = {
      role: "columnheader",
      scope: "col",
      class: rows[0]?.children[place].classList.contains("number") ? "number" : null,
    };
    return element("th", attributes, title || element("span", { class: "hidden" }, "Sign"));
  });
  target.setAttribute("role", "table");
  const head = target.tHead ?? target.appendChild(element("thead", { role: "rowgroup" }));
  const body = target.tBodies[0] ?? target.appendChild(element("tbody", { role: "rowgroup" }));
  put(head, element("tr", { role: "row" }, ...heads));
  put(body, ...rows);
}
