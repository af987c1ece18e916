// Colours of models and sources, the same as in the reports of `chronotick compare`: any two differ
// for people with protanopia, deuteranopia and tritanopia too. A test holds this file to
// lab/reporting/palette.py.

/** On a light page, on a dark one. */
export const COLOURS = [
  ["#0410A5", "#7482C2"],
  ["#A6A5A2", "#824D52"],
  ["#FA8011", "#F8D218"],
  ["#1B9C58", "#12FFA0"],
  ["#CB0508", "#FB4F4D"],
  ["#93A1FF", "#D5C3FF"],
  ["#96229B", "#A2277E"],
  ["#155839", "#B9FFF4"],
  ["#8358F6", "#7133D2"],
  ["#061100", "#117115"],
  ["#49094A", "#D986A6"],
  ["#6D5B75", "#B774FF"],
];

/** Models that are drawn alike everywhere, in the order of the colours. */
export const KNOWN = [
  ...["kalman", "naive", "drift", "seasonal", "hold", "line"],
  ...["chronos", "timesfm", "ttm", "toto", "time-moe", "echo"],
];

const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];

/** Where sources begin: colours that stand out come first. */
const SOURCES = [0, 2, 3, 4, 10, 5, 8, 6, 7, 11, 1, 9];

const look = (place, again = 0) => ({
  colours: COLOURS[place % COLOURS.length],
  dash: DASHES[again % DASHES.length],
});

/** How each model is drawn, by name; others than the known ones take colours that are free. */
export function modelLooks(names) {
  const present = new Set(names);
  const free = KNOWN.map((_, place) => place)
    .filter((place) => !present.has(KNOWN[place]))
    .reverse();
  const others = [...present].filter((name) => !KNOWN.includes(name)).sort();
  const looks = new Map();
  for (const name of [...present].sort()) {
    if (KNOWN.includes(name)) looks.set(name, look(KNOWN.indexOf(name)));
  }
  others.forEach((name, number) => {
    const beyond = number - free.length;
    looks.set(
      name,
      beyond < 0 ? look(free[number]) : look(beyond, 1 + Math.floor(beyond / COLOURS.length)),
    );
  });
  return looks;
}

/** How each source is drawn, by identifier. */
export function sourceLooks(ids) {
  const sorted = [...new Set(ids)].sort();
  return new Map(
    sorted.map((id, number) => [id, look(SOURCES[number % 12], Math.floor(number / 12))]),
  );
}
