// Differences: every pair of contenders, and each contender asked in two ways.

const LARGEST_MATRIX = 40;
const LARGEST_BESIDE_ANOTHER = 8;
const pairSort = {};
const gapSorts = new Map();

function contrastWords(contrast, metric) {
  const known = interval(contrast.low, contrast.high, metric.digits);
  return `${signed(contrast.difference, metric.digits)} ${metric.unit}${known ? `, 95\u00a0% interval ${known}` : ""}, ${pSentence(contrast.corrected)} (uncorrected ${pValue(contrast.p)}), ${plural(contrast.questions, "question")} about ${plural(contrast.artworks, "artwork")}`;
}

function matrixCell(first, second, { metric, setting }) {
  if (first === second) return make("td", { class: "self" });
  const contrast = contrastOf(metric.name, setting, chosen.part, first, second);
  if (!contrast || contrast.difference === null) return make("td", { class: "n" }, MISSING);
  const side = contrast.difference > 0 ? "above" : "below";
  return make(
    "td",
    { class: `n ${isSure(contrast) ? side : "chance"}`, title: `${label(first)} against ${label(second)}: ${contrastWords(contrast, metric)}` },
    signed(contrast.difference, 1),
  );
}

function matrix(contenders, context) {
  const table = make(
    "table",
    { class: "matrix" },
    make("caption", {}, "Row minus column"),
    headingRow(
      make("td", {}),
      contenders.map((contender, place) => make("th", { scope: "col", class: "n", title: label(contender) }, place + 1)),
    ),
    make("tbody", {}, contenders.map((first, place) => make(
      "tr",
      {},
      make("th", { scope: "row" }, make("span", { class: "place" }, place + 1), name(label(first))),
      contenders.map((second) => matrixCell(first, second, context)),
    ))),
  );
  return sheet(`Comparisons, ${SETTINGS[context.setting]}`, table);
}

function contrastCells(contrast, metric, extent) {
  const known = interval(contrast.low, contrast.high, metric.digits);
  return [
    make("td", { class: "drawn" }, range([contrast.difference, contrast.low, contrast.high], extent, { className: isSure(contrast) ? "" : "chance" })),
    make("td", { class: "n", data: { value: contrast.difference ?? "" } }, signed(contrast.difference, metric.digits), make("small", {}, known)),
    make("td", { class: isSure(contrast) ? "n" : "n muted", data: { value: contrast.corrected ?? "" }, title: `uncorrected ${pValue(contrast.p)}` }, pValue(contrast.corrected)),
    make("td", { class: "n", data: { value: contrast.questions }, title: `about ${plural(contrast.artworks, "artwork")}` }, count(contrast.questions)),
  ];
}

const contrastHeadings = (metric, extent) => [
  make("th", { scope: "col", class: "drawn", data: { sortable: "no" } }, make("span", { class: "hidden-text" }, "95\u00a0% interval"), axis(extent)),
  make("th", { scope: "col", class: "n" }, "Difference"),
  make("th", { scope: "col", class: "n", title: "Corrected by Holm" }, "p"),
  make("th", { scope: "col", class: "n" }, "Questions"),
];

const withZero = (values) => extentOf([0, ...values]);

function pairTable(found, metric, setting) {
  const extent = withZero(found.flatMap(({ contrast }) => [contrast.difference, contrast.low, contrast.high]));
  const table = make(
    "table",
    { class: "pairs" },
    headingRow(make("th", { scope: "col" }, "Contender"), make("th", { scope: "col" }, "against"), contrastHeadings(metric, extent)),
    make("tbody", {}, found.map(({ first, second, contrast }) => make(
      "tr",
      {},
      make("th", { scope: "row" }, name(label(first))),
      make("td", {}, name(label(second))),
      contrastCells(contrast, metric, extent),
    ))),
  );
  return sheet(`Pairs, ${SETTINGS[setting]}`, makeSortable(table, pairSort));
}

function comparisonsOf(setting, metric) {
  const contenders = rankedRows(setting, chosen.part, metric).map((row) => row.contender);
  const found = [];
  contenders.forEach((first, place) => {
    for (const second of contenders.slice(place + 1)) {
      const contrast = contrastOf(metric.name, setting, chosen.part, first, second);
      if (contrast && contrast.difference !== null) found.push({ first, second, contrast });
    }
  });
  if (!found.length) return null;
  const isMatrix = contenders.length > 2 && contenders.length <= LARGEST_MATRIX;
  const pairs = pairTable(found, metric, setting);
  return make(
    "article",
    { class: "panel" },
    make("h3", {}, SETTINGS[setting]),
    isMatrix ? matrix(contenders, { metric, setting }) : null,
    isMatrix ? make("details", {}, make("summary", {}, `All ${plural(found.length, "pair")}`), pairs) : pairs,
  );
}

function drawComparisons() {
  const metric = metricByName.get(chosen.metric);
  const panels = metric ? settingsShown.map((setting) => comparisonsOf(setting, metric)).filter(Boolean) : [];
  const place = byId("comparison-tables");
  const isLarge = panels.some((panel) => panel.querySelectorAll(".matrix tbody tr").length > LARGEST_BESIDE_ANOTHER);
  place.className = isLarge ? "stacked" : "panels";
  replace(place, panels.length ? panels : make("p", { class: "note" }, "Nothing can be compared: there are no two contenders with the same questions scored."));
}

const GAP_KINDS = {
  title: ["With minus Without Title", "What the title tells the model, on the same questions."],
  seen: ["Seen minus unseen artworks", "Other questions, so not paired."],
  wrong_image: ["Own minus another artwork’s picture", "A model that does not drop is not looking."],
  no_image: ["Own picture minus none", "A model that does not drop is not looking."],
};

function gapsOf(kind, metric) {
  const { gaps } = numbers;
  const found = [];
  gaps.kind.forEach((other, place) => {
    if (other !== kind || gaps.metric[place] !== metric.name) return;
    if (kind !== "seen" && gaps.part[place] !== chosen.part) return;
    if (gaps.difference[place] === null) return;
    found.push({ contender: gaps.contender[place], setting: gaps.setting[place], contrast: contrastAt(gaps, place) });
  });
  return found;
}

function gapPanel(kind, metric) {
  const found = gapsOf(kind, metric);
  if (!found.length) return null;
  const [heading, meaning] = GAP_KINDS[kind];
  const hasSetting = found.some((gap) => gap.setting !== null);
  const extent = withZero(found.flatMap(({ contrast }) => [contrast.difference, contrast.low, contrast.high]));
  if (!gapSorts.has(kind)) gapSorts.set(kind, {});
  const table = make(
    "table",
    { class: "gaps" },
    headingRow(
      make("th", { scope: "col" }, "Contender"),
      hasSetting ? make("th", { scope: "col" }, "Setting") : null,
      contrastHeadings(metric, extent),
    ),
    make("tbody", {}, found.map(({ contender, setting, contrast }) => make(
      "tr",
      { title: `${label(contender)}: ${contrastWords(contrast, metric)}` },
      make("th", { scope: "row" }, name(label(contender))),
      hasSetting ? make("td", { class: "setting" }, SETTINGS[setting]) : null,
      contrastCells(contrast, metric, extent),
    ))),
  );
  return make("article", { class: "panel" }, make("h3", {}, heading), make("p", { class: "note" }, meaning), sheet(heading, makeSortable(table, gapSorts.get(kind))));
}

function drawGaps() {
  const metric = metricByName.get(chosen.metric);
  const panels = metric ? Object.keys(GAP_KINDS).map((kind) => gapPanel(kind, metric)).filter(Boolean) : [];
  replace(byId("gap-tables"), panels.length ? panels : make("p", { class: "note" }, "Each contender was asked in one way alone, or nothing is scored."));
}

// Of the charts with a picture a metric, the chosen one is shown.
function drawCharts() {
  for (const figure of document.querySelectorAll("figure.per-metric")) {
    const drawings = [...figure.querySelectorAll(".drawing")];
    for (const drawing of drawings) drawing.hidden = drawing.dataset.metric !== chosen.metric;
    figure.querySelector(".drawing-missing").hidden = drawings.some((drawing) => !drawing.hidden);
  }
}

function startContrasts() {
  onChoice(drawComparisons);
  onChoice(drawGaps);
  onChoice(drawCharts);
}
