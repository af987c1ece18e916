// Light, dark, or as the system has it.

const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = [];

export const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "dark" || (chosen !== "light" && system.matches);
};

/** A colour of the style sheet, as drawings on a canvas need it. */
export const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** That of two colours which fits the page. */
export const fitting = ([light, dark]) => (isDark() ? dark : light);

export const onTheme = (listener) => listeners.push(listener);

const changed = () => listeners.forEach((listener) => listener());

function use(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  changed();
}

/** Let a selector choose; the choice is kept on this device. */
export function themeSwitch(select) {
  system.addEventListener("change", changed);
  try {
    select.value = localStorage.getItem("chronotick.theme") ?? "system";
  } catch {
    // Storage is refused: the choice lasts as long as the page.
  }
  if (select.selectedIndex < 0) select.value = "system";
  if (select.value !== "system") use(select.value);
  select.addEventListener("change", () => {
    use(select.value);
    try {
      localStorage.setItem("chronotick.theme", select.value);
    } catch {
      // as above
    }
  });
}
