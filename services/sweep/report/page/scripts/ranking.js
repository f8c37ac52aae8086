// Who is better, by how much, how sure: what is looked at, and a panel for each setting.

const numbers = JSON.parse(byId("numbers").textContent);
const metricByName = new Map(numbers.metrics.map((metric) => [metric.name, metric]));

// What the whole report shows; `choose` changes it and draws all again that depends on it.
const chosen = { metric: numbers.headline, part: "" };
const choiceListeners = [];
const onChoice = (listener) => choiceListeners.push(listener);

function choose(change) {
  Object.assign(chosen, change);
  for (const listener of choiceListeners) listener();
}

const settingsShown = Object.keys(SETTINGS).filter((setting) =>
  numbers.rows.some((row) => row.setting === setting),
);
const partsShown = ["all", "seen", "unseen"].filter((part) =>
  numbers.rows.some((row) => row.part === part),
);
const label = (contender) => numbers.contenders[contender].label;
const rowsOf = (setting, part) =>
  numbers.rows.filter((row) => row.setting === setting && row.part === part);

// Contrasts by metric, setting and part, and in these by the two contenders.
const pairPlaces = new Map();
numbers.pairs.metric.forEach((metric, place) => {
  const { setting, part, first, second } = numbers.pairs;
  const key = [metric, setting[place], part[place]].join();
  if (!pairPlaces.has(key)) pairPlaces.set(key, new Map());
  pairPlaces.get(key).set(`${first[place]},${second[place]}`, place);
});

const contrastAt = (columns, place) => ({
  difference: columns.difference[place],
  low: columns.low[place],
  high: columns.high[place],
  p: columns.p[place],
  corrected: columns.corrected[place],
  questions: columns.questions[place],
  artworks: columns.artworks[place],
});

const opposite = (value) => (value === null ? null : -value);

// How far one contender is above another; nothing where they were not compared.
function contrastOf(metric, setting, part, first, second) {
  const places = pairPlaces.get([metric, setting, part].join());
  const place = places?.get(`${first},${second}`);
  if (place !== undefined) return contrastAt(numbers.pairs, place);
  const turned = places?.get(`${second},${first}`);
  if (turned === undefined) return null;
  const contrast = contrastAt(numbers.pairs, turned);
  return {
    ...contrast,
    difference: opposite(contrast.difference),
    low: opposite(contrast.high),
    high: opposite(contrast.low),
  };
}

const macroOf = (row, metric) => row.values[metric]?.macro ?? [null, null, null];

// The rows that compete, best first; where nobody leads by the metric, in the order of the spec.
function rankedRows(setting, part, metric) {
  const rows = rowsOf(setting, part).filter(
    (row) => numbers.contenders[row.contender].control === "none" && macroOf(row, metric.name)[0] !== null,
  );
  if (!metric.ranks) return rows;
  return rows.sort((first, second) => macroOf(second, metric.name)[0] - macroOf(first, metric.name)[0]);
}

function extentOf(values) {
  const known = values.filter((value) => !isMissing(value));
  if (!known.length) return [0, 1];
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const room = (most - least || Math.abs(most) || 1) * 0.06;
  const low = least >= 0 && least < most / 2 ? 0 : least - room;
  return [low, most + room];
}

function ticksOf([low, high]) {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, place) => (first + place) * step);
}

const share = (value, [low, high]) => `${(((value - low) / (high - low)) * 100).toFixed(2)}%`;

function placed(tag, className, left, width = null) {
  const element = make(tag, { class: className });
  element.style.left = left;
  if (width !== null) element.style.width = width;
  return element;
}

// A value and its interval on a scale.
function range([value, low, high], extent, { ticks = ticksOf(extent), className = "" } = {}) {
  const marks = ticks.map((tick) => placed("i", tick === 0 ? "tick zero" : "tick", share(tick, extent)));
  if (!isMissing(low) && !isMissing(high)) {
    const width = `${((Math.max(high - low, 0) / (extent[1] - extent[0])) * 100).toFixed(2)}%`;
    marks.push(placed("i", "whisker", share(low, extent), width));
  }
  if (!isMissing(value)) marks.push(placed("i", "dot", share(value, extent)));
  return make("div", { class: `range ${className}`, "aria-hidden": "true" }, marks);
}

function axis(extent) {
  const ticks = ticksOf(extent);
  const digits = Math.max(0, ...ticks.map((tick) => (String(Number(tick.toFixed(6))).split(".")[1] ?? "").length));
  const marks = ticks.map((tick) => {
    const mark = placed("span", "tick-label", share(tick, extent));
    return fill(mark, number(tick, digits));
  });
  return make("div", { class: "range axis", "aria-hidden": "true" }, marks);
}

const strong = (contender) => make("strong", {}, name(shortened(label(contender), 60)));

function listed(contenders) {
  const shown = contenders.slice(0, 3).map((contender) => strong(contender));
  const more = contenders.length - shown.length;
  if (more > 0) shown.push(plural(more, "other"));
  return shown.flatMap((item, place) => {
    if (place === 0) return [item];
    return [place === shown.length - 1 ? " and " : ", ", item];
  });
}

// The answer in a sentence or two.
function verdict(rows, metric, setting) {
  if (!rows.length) return ["Nothing is scored yet."];
  const [first, second] = rows.map((row) => row.contender);
  const [value, low, high] = macroOf(rows[0], metric.name);
  const unit = metric.unit === "tokens" ? " tokens" : ` ${metric.short}`;
  const reached = `${number(value, metric.digits)}${unit}`;
  const known = interval(low, high, metric.digits);
  if (rows.length === 1) return [strong(first), ` reaches ${reached}${known ? `, 95\u00a0% interval ${known}` : ""}.`];
  if (!metric.ranks) return [`Explanations are ${number(Math.min(...rows.map((row) => macroOf(row, metric.name)[0])), 1)} to ${number(Math.max(...rows.map((row) => macroOf(row, metric.name)[0])), 1)} ${metric.unit} on average; more is not better.`];
  const lead = contrastOf(metric.name, setting, chosen.part, first, second);
  if (!lead || lead.difference === null) return [strong(first), ` has the highest mean, ${reached}; nothing can be compared on the same questions.`];
  const gap = `${number(lead.difference, metric.digits)} ${metric.unit}`;
  const sure = interval(lead.low, lead.high, metric.digits);
  const how = ` on the same questions (95\u00a0% interval ${sure || "unknown"}, ${pSentence(lead.corrected)})`;
  if (isSure(lead)) return [strong(first), ` leads with ${reached}, ${gap} ahead of `, strong(second), `${how}.`];
  const close = rows
    .slice(1)
    .map((row) => row.contender)
    .filter((contender) => !isSure(contrastOf(metric.name, setting, chosen.part, first, contender)));
  return ["No clear leader: ", strong(first), ` is ${gap} ahead of `, strong(second), `${how}, which may be chance.`,
    close.length > 1 ? [" Not told apart from the first: ", listed(close), "."] : null];
}

function rankingRow(row, place, rows, { metric, setting, extent }) {
  const mean = macroOf(row, metric.name);
  const questions = row.values[metric.name];
  const behind = place && metric.ranks ? contrastOf(metric.name, setting, chosen.part, row.contender, rows[0].contender) : null;
  const tied = place > 0 && metric.ranks && !isSure(behind);
  const words = `${number(mean[0], metric.digits)}${mean[1] === null ? "" : `, 95\u00a0% interval ${interval(mean[1], mean[2], metric.digits)}`}; ${plural(questions.questions, "question")} about ${plural(questions.artworks, "artwork")}`;
  return make(
    "tr",
    { class: tied ? "tied" : null, title: `${label(row.contender)}: ${words}` },
    make("th", { scope: "row" }, name(label(row.contender))),
    make("td", { class: "n value" }, number(mean[0], metric.digits)),
    make("td", { class: "drawn" }, range(mean, extent), make("span", { class: "hidden-text" }, interval(mean[1], mean[2], metric.digits))),
    make("td", { class: "n" }, behind
      ? [signed(behind.difference, metric.digits), make("small", {}, interval(behind.low, behind.high, metric.digits))]
      : place === 0 && metric.ranks ? make("span", { class: "muted" }, "first") : MISSING),
    make("td", { class: "n" }, behind ? [pValue(behind.corrected), make("small", {}, tied ? "may be chance" : "")] : ""),
  );
}

function rankingPanel(setting, extent) {
  const metric = metricByName.get(chosen.metric);
  const rows = rankedRows(setting, chosen.part, metric);
  const table = make(
    "table",
    { class: "ranking" },
    headingRow(
      make("th", { scope: "col" }, "Contender"),
      make("th", { scope: "col", class: "n" }, metric.short),
      make("th", { scope: "col", class: "drawn" }, make("span", { class: "hidden-text" }, "95\u00a0% interval"), axis(extent)),
      make("th", { scope: "col", class: "n", title: "On the questions that both have answered, so not quite the difference of the means" }, "To the first"),
      make("th", { scope: "col", class: "n", title: "Corrected by Holm over all pairs" }, "p"),
    ),
    make("tbody", {}, rows.map((row, place) => rankingRow(row, place, rows, { metric, setting, extent }))),
  );
  return make("article", { class: "panel" },
    make("h2", {}, SETTINGS[setting]),
    make("p", { class: "verdict" }, verdict(rows, metric, setting)),
    rows.length ? table : null);
}

function drawRanking() {
  const metric = metricByName.get(chosen.metric);
  if (!metric) {
    replace(byId("panels"), make("p", { class: "verdict" }, "Nothing is scored yet."));
    return;
  }
  const values = settingsShown.flatMap((setting) =>
    rankedRows(setting, chosen.part, metric).flatMap((row) => macroOf(row, metric.name)),
  );
  replace(byId("meaning"), make("b", {}, metric.long), `. ${metric.meaning} `, metric.unit === "points" ? "Shares are times 100." : "");
  replace(byId("panels"), settingsShown.map((setting) => rankingPanel(setting, extentOf(values))));
  for (const place of document.querySelectorAll("[data-metric-name]")) replace(place, `in ${metric.long}`);
  for (const place of document.querySelectorAll("[data-signature]")) replace(place, metric.signature);
}

function drawControls() {
  const menu = byId("metric");
  fill(menu, numbers.metrics.map((metric) => make("option", { value: metric.name }, metric.long)));
  menu.value = chosen.metric;
  menu.addEventListener("change", () => choose({ metric: menu.value }));
  chosen.part = partsShown[0] ?? "all";
  const names = { all: "All", seen: "Seen", unseen: "Unseen" };
  const buttons = partsShown.map((part) =>
    make("button", { type: "button", data: { part }, on: { click: () => choose({ part }) } }, names[part]),
  );
  fill(byId("parts"), buttons);
  onChoice(() => {
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.part === chosen.part);
  });
  onChoice(drawRanking);
}
