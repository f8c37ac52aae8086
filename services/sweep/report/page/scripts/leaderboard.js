// All metrics of all contenders, a body of the table for each setting.

const leaderboardSort = {};

const COUNTS = {
  scored: ["n", "Answers that are scored"],
  unscorable: ["uns.", "Scored answers without a value for at least one metric"],
  failed: ["failed", "Answers whose generation or scoring failed; never scored as empty"],
  pending: ["pending", "Answers that are not there, or not scored, yet"],
  truncated: ["cut", "Scored answers that were ended by the token limit"],
};

const ALWAYS_SHOWN = "scored";

function countsShown() {
  return Object.keys(COUNTS).filter(
    (kind) => kind === ALWAYS_SHOWN || numbers.rows.some((row) => row.counts[kind] > 0),
  );
}

// The best and the next of those that compete in a metric; nothing where nobody does.
function bestOf(rows, metric) {
  if (!metric.ranks) return new Map();
  const best = new Map();
  for (const control of Object.keys(CONTROLS)) {
    const rivals = rows
      .filter((row) => numbers.contenders[row.contender].control === control && macroOf(row, metric.name)[0] !== null)
      .sort((first, second) => macroOf(second, metric.name)[0] - macroOf(first, metric.name)[0]);
    if (rivals.length > 1) best.set(rivals[0], rivals[1]);
  }
  return best;
}

function metricCell(row, metric, best) {
  const result = row.values[metric.name];
  const isMicro = byId("show-micro").checked;
  const [value, low, high] = (isMicro ? result?.micro : result?.macro) ?? [null, null, null];
  const next = isMicro ? undefined : best.get(row);
  const lead = next && contrastOf(metric.name, row.setting, row.part, row.contender, next.contender);
  const known = byId("show-intervals").checked ? interval(low, high, metric.digits) : "";
  const over = result ? `over ${plural(result.questions, "question")} about ${plural(result.artworks, "artwork")}` : "not computed";
  return make(
    "td",
    { class: next ? "n best" : "n", data: { value: value ?? "" }, title: `${metric.long}, ${over}${lead ? `; ${signed(lead.difference, metric.digits)} to the next, ${pSentence(lead.corrected)}` : ""}` },
    number(value, metric.digits),
    lead && !isSure(lead) ? make("span", { class: "unsure", title: "The lead over the next may be chance" }, "≈") : null,
    known ? make("small", {}, known) : null,
  );
}

const STATUS_OF_COUNT = { unscorable: "unscorable", failed: "failed", pending: "pending", truncated: "truncated" };

function countCell(row, kind) {
  const value = row.counts[kind];
  const status = STATUS_OF_COUNT[kind];
  if (!value || !status || !byId("questions")) return make("td", { class: "n", data: { value } }, count(value));
  const query = new URLSearchParams({ contender: label(row.contender), setting: row.setting, status });
  if (row.part !== "all") query.set("part", row.part);
  return make("td", { class: "n", data: { value } }, make("a", { href: `#/questions?${query}` }, count(value)));
}

function settingBody(setting, counts) {
  const rows = rowsOf(setting, chosen.part);
  const best = new Map(numbers.metrics.map((metric) => [metric.name, bestOf(rows, metric)]));
  const columns = 1 + counts.length + numbers.metrics.length;
  return make(
    "tbody",
    { data: { setting } },
    make("tr", { class: "group", data: { fixed: "yes" } }, make("th", { colspan: columns, scope: "rowgroup" }, make("span", {}, SETTINGS[setting]))),
    rows.map((row) => make(
      "tr",
      { class: numbers.contenders[row.contender].control === "none" ? null : "control" },
      make("th", { scope: "row" }, name(label(row.contender))),
      counts.map((kind) => countCell(row, kind)),
      numbers.metrics.map((metric) => metricCell(row, metric, best.get(metric.name))),
    )),
  );
}

function publishedBody(counts) {
  if (!numbers.published.length || chosen.part !== "all") return null;
  const columns = 1 + counts.length + numbers.metrics.length;
  return make(
    "tbody",
    { class: "published" },
    make("tr", { class: "group", data: { fixed: "yes" } }, make("th", { colspan: columns, scope: "rowgroup" }, make("span", {}, "Published, not computed here"))),
    numbers.published.map((row) => make(
      "tr",
      { title: `${row.source}; ${row.sample}` },
      make("th", { scope: "row" }, name(row.model), make("small", {}, SETTINGS[row.setting])),
      make("td", { colspan: counts.length, class: "n", data: { value: "" } }, ""),
      numbers.metrics.map((metric) => make("td", { class: "n", data: { value: row.values[metric.name] ?? "" } }, number(row.values[metric.name], metric.digits))),
    )),
  );
}

function conventions() {
  const metric = metricByName.get(chosen.metric);
  const rows = numbers.rows.filter((row) => row.part === chosen.part && row.values[metric.name]);
  const hasZeros = rows.some((row) => row.values[metric.name].withZeros !== null);
  const left = (row) => Object.entries(row.values[metric.name].unscorable).map(([reason, value]) => `${reason} ${count(value)}`).join(", ");
  return make(
    "details",
    {},
    make("summary", {}, `What ${metric.long} is taken over`),
    make("table", { class: "narrow" },
      headingRow(
        make("th", { scope: "col" }, "Contender"),
        make("th", { scope: "col" }, "Setting"),
        make("th", { scope: "col", class: "n" }, "Questions"),
        make("th", { scope: "col", class: "n" }, "Artworks"),
        make("th", { scope: "col" }, "Left out, by reason"),
        hasZeros ? make("th", { scope: "col", class: "n" }, "Mean with these as 0") : null,
      ),
      make("tbody", {}, rows.map((row) => make(
        "tr",
        {},
        make("th", { scope: "row" }, name(label(row.contender))),
        make("td", {}, SETTINGS[row.setting]),
        make("td", { class: "n" }, count(row.values[metric.name].questions)),
        make("td", { class: "n" }, count(row.values[metric.name].artworks)),
        make("td", {}, left(row) || "none"),
        hasZeros ? make("td", { class: "n" }, number(row.values[metric.name].withZeros, metric.digits)) : null,
      )))),
  );
}

function drawLeaderboard() {
  const counts = countsShown();
  const headings = [
    make("th", { scope: "col", data: { key: "contender" } }, "Contender"),
    counts.map((kind) => make("th", { scope: "col", class: "n", title: COUNTS[kind][1], data: { key: kind } }, COUNTS[kind][0])),
    numbers.metrics.map((metric) => make("th", { scope: "col", class: "n", title: `${metric.long}. ${metric.meaning}`, data: { key: `metric ${metric.name}` } }, metric.short)),
  ];
  const table = make("table", { class: "leaderboard" }, headingRow(...headings),
    settingsShown.map((setting) => settingBody(setting, counts)), publishedBody(counts));
  replace(byId("leaderboard"), makeSortable(table, leaderboardSort));
  const sources = new Set(numbers.published.map((row) => `${row.model}: ${row.source}; ${row.sample}.`));
  const replicates = Math.max(1, ...numbers.rows.map((row) => row.counts.replicates));
  replace(byId("leaderboard-notes"),
    counts.length > 1 ? make("p", {}, counts.map((kind) => `${COUNTS[kind][0]}: ${COUNTS[kind][1].toLowerCase()}`).join("; "), ".") : null,
    replicates > 1 ? make("p", {}, `Each question is asked ${replicates} times; its scores are averaged first.`) : null,
    chosen.part === "all" ? [...sources].map((source) => make("p", {}, source)) : null,
    metricByName.has(chosen.metric) ? conventions() : null);
}

function startLeaderboard() {
  byId("micro-choice").hidden = !numbers.rows.some((row) => Object.values(row.values).some((result) => result.micro));
  onChoice(drawLeaderboard);
  for (const id of ["show-intervals", "show-micro"]) byId(id).addEventListener("change", drawLeaderboard);
}
