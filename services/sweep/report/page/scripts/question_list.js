// The list of questions: filters above, a page of them below.

const PAGE_LENGTH = 100;
const FEW_COLUMNS = 6;
const TYPING_PAUSE_MS = 120;
const NO_FILTERS = {
  text: "", contender: -1, against: -1, setting: "", part: "", status: "", metric: "", min: null, max: null, sort: "file",
};

const list = { index: null, filters: { ...NO_FILTERS }, questions: [], answers: 0, page: 0, current: -1, query: "" };

const questionLink = (index, question) =>
  `#/question/${index.name[question].split("/").map(encodeURIComponent).join("/")}`;

const numberOrNull = (text) => (text === null || text.trim() === "" || Number.isNaN(Number(text)) ? null : Number(text));

function filtersOf(query) {
  const asked = new URLSearchParams(query);
  const contender = (key) => list.index.contenders.indexOf(asked.get(key) ?? "");
  const metric = asked.get("metric") ?? "";
  return {
    text: asked.get("text") ?? "",
    contender: contender("contender"),
    against: contender("against"),
    setting: asked.get("setting") ?? "",
    part: asked.get("part") ?? "",
    status: asked.get("status") ?? "",
    metric: list.index.metrics.includes(metric) ? metric : defaultMetric(),
    min: numberOrNull(asked.get("min")),
    max: numberOrNull(asked.get("max")),
    sort: asked.get("sort") ?? "file",
  };
}

function defaultMetric() {
  return list.index.metrics.includes(chosen.metric) ? chosen.metric : list.index.metrics[0] ?? "";
}

function queryOf(filters) {
  const asked = new URLSearchParams();
  for (const [key, value] of Object.entries(filters)) {
    if (value === NO_FILTERS[key]) continue;
    if (key === "metric" && value === defaultMetric()) continue;
    asked.set(key, key === "contender" || key === "against" ? list.index.contenders[value] : value);
  }
  return asked.toString();
}

const option = (value, text) => make("option", { value }, shortened(text, 60));

function drawFilters() {
  const { index } = list;
  const form = byId("filters");
  const menu = (key, text, options) => make("label", {}, text, make("select", { name: key, "aria-label": text }, options));
  const contenders = index.contenders.map((text, place) => option(place, text));
  replace(
    form,
    make("label", { class: "wide" }, "Search", make("input", { name: "text", type: "search", placeholder: "Title, section, name", title: "/", autocomplete: "off", spellcheck: "false" })),
    menu("setting", "Setting", [option("", "Both"), SETTING_NAMES.map((setting) => option(setting, SETTINGS[setting]))]),
    menu("part", "Part", [option("", "All"), option("seen", "Seen"), option("unseen", "Unseen")]),
    menu("contender", "Contender", [option(-1, "Any"), contenders]),
    menu("against", "Against", [option(-1, "Nobody"), contenders.map((item) => item.cloneNode(true))]),
    menu("status", "Answers", [option("", "Any"), STATUSES.map((status) => option(status, status)), option("truncated", "cut off")]),
    menu("metric", "Metric", index.metrics.map((metric) => option(metric, metricByName.get(metric)?.long ?? metric))),
    make("span", { class: "bounds" }, "Between", make("span", {},
      make("input", { name: "min", type: "number", step: "any", "aria-label": "At least" }),
      make("input", { name: "max", type: "number", step: "any", "aria-label": "At most" }))),
    menu("sort", "Sort", [option("file", "Dataset order"), option("high", "Highest first"), option("low", "Lowest first"), option("title", "By title")]),
    make("button", { type: "reset" }, "Clear"),
  );
  // The list's headings stay below the filters, however many lines these take.
  new ResizeObserver(() => document.body.style.setProperty("--filters", `${form.offsetHeight}px`)).observe(form);
  let waiting = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(readForm, TYPING_PAUSE_MS);
  });
  form.addEventListener("reset", () => setTimeout(() => {
    fillForm({ ...NO_FILTERS, metric: defaultMetric() });
    readForm();
  }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    readForm();
  });
}

function readForm() {
  const fields = byId("filters").elements;
  const filters = {
    ...NO_FILTERS,
    text: fields.text.value.trim(),
    contender: Number(fields.contender.value),
    against: Number(fields.against.value),
    setting: fields.setting.value,
    part: fields.part.value,
    status: fields.status.value,
    metric: fields.metric.value,
    min: numberOrNull(fields.min.value),
    max: numberOrNull(fields.max.value),
    sort: fields.sort.value,
  };
  const query = queryOf(filters);
  history.replaceState(null, "", `#/questions${query ? `?${query}` : ""}`);
  list.query = query;
  applyFilters(filters);
}

function fillForm(filters) {
  const fields = byId("filters").elements;
  for (const [key, value] of Object.entries(filters)) fields[key].value = value ?? "";
}

function applyFilters(filters) {
  const found = findQuestions(list.index, filters);
  Object.assign(list, { filters, questions: found.questions, answers: found.answers, page: 0, current: found.questions.length ? 0 : -1 });
  drawList();
}

// Which values a row shows: of the contenders chosen, of all where they are few, or the extremes.
function valueColumns() {
  const { index, filters } = list;
  const values = index.values.get(filters.metric);
  const contender = (place) => ({ heading: index.contenders[place], value: (question) => valueOf(index, question, place, values), contender: place });
  if (!values) return [];
  if (filters.contender >= 0 && filters.against >= 0) {
    const [first, second] = [contender(filters.contender), contender(filters.against)];
    return [first, second, { heading: "Difference", value: (question) => first.value(question) - second.value(question), isDifference: true }];
  }
  if (filters.contender >= 0) return [contender(filters.contender)];
  if (index.contenders.length <= FEW_COLUMNS) return index.contenders.map((_, place) => contender(place));
  const all = (question) => Array.from(answersOf(index, question), (answer) => values[answer]).filter((value) => !Number.isNaN(value));
  const over = (heading, reduce) => ({ heading, value: (question) => (all(question).length ? reduce(all(question)) : NaN) });
  return [
    over("Highest", (found) => Math.max(...found)),
    over("Mean", (found) => sum(found) / found.length),
    over("Lowest", (found) => Math.min(...found)),
  ];
}

function statusMark(question, contender) {
  const worst = Math.max(0, ...Array.from(answersOf(list.index, question))
    .filter((answer) => contender === undefined || list.index.contender[answer] === contender)
    .map((answer) => list.index.status[answer]));
  return worst > 1 ? make("span", { class: `status ${STATUSES[worst]}` }, STATUSES[worst]) : null;
}

function listRow(question, place, columns) {
  const { index, filters } = list;
  const digits = metricByName.get(filters.metric)?.digits ?? 2;
  return make(
    "tr",
    { data: { place }, class: place === list.current ? "current" : null },
    make("td", { class: "what" },
      make("a", { href: questionLink(index, question), title: shortened(index.name[question], 200) }, name(shortened(index.title[question] || index.artwork[question] || index.name[question], 120), { title: null })),
      make("span", { class: "section" }, make("bdi", {}, shortened(index.section[question], 120)))),
    make("td", { class: "chips" },
      make("span", { class: "chip" }, SETTINGS[SETTING_NAMES[index.setting[question]]]),
      index.part[question] < 2 ? make("span", { class: "chip" }, PART_NAMES[index.part[question]]) : null),
    columns.map(({ heading, value, contender, isDifference }) => {
      const shown = value(question);
      const text = isDifference ? signed(shown, digits) : number(shown, digits);
      return make("td", { class: "n", "data-name": shortened(heading, 24) }, Number.isNaN(shown) && !isDifference ? statusMark(question, contender) ?? MISSING : text);
    }),
  );
}

function drawList() {
  const { index, questions, page } = list;
  const columns = valueColumns();
  const start = page * PAGE_LENGTH;
  const rows = questions.slice(start, start + PAGE_LENGTH).map((question, place) => listRow(question, start + place, columns));
  const metric = metricByName.get(list.filters.metric)?.short ?? list.filters.metric;
  const head = headingRow(
    make("th", { scope: "col" }, "Question"),
    make("th", { scope: "col" }, make("span", { class: "hidden-text" }, "Setting and part")),
    columns.map(({ heading }) => make("th", { scope: "col", class: "n", title: `${metric} of ${heading}` }, make("small", {}, metric), make("span", { class: "clipped" }, heading))),
  );
  replace(byId("list"), rows.length
    ? make("table", { class: "questions" }, head, make("tbody", {}, rows))
    : make("p", { class: "empty" }, "No question is like this. ", make("button", { type: "button", on: { click: () => byId("filters").reset() } }, "Clear the filters")));
  const isPartial = index.shown < index.total;
  replace(byId("found"),
    `${plural(questions.length, "question")}, ${plural(list.answers, "answer")}`,
    questions.length < index.questionCount ? ` of ${count(index.questionCount)} and ${count(index.answerCount)}` : "",
    isPartial ? make("span", { class: "muted" }, ` · this report shows ${count(index.shown)} of ${count(index.total)} answers`) : null,
    index.note ? make("span", { class: "muted" }, ` · ${index.note}`) : null);
  drawPages();
}

function drawPages() {
  const pages = Math.ceil(list.questions.length / PAGE_LENGTH);
  const turn = (text, page, title) => make("button", { type: "button", title, "aria-label": title, disabled: page < 0 || page >= pages, on: { click: () => showPage(page) } }, text);
  replace(byId("pages"), pages < 2 ? null : [
    turn("‹", list.page - 1, "Previous page"),
    make("span", {}, `${list.page + 1} / ${pages}`),
    turn("›", list.page + 1, "Next page"),
  ]);
}

function showPage(page) {
  list.page = page;
  list.current = page * PAGE_LENGTH;
  drawList();
  window.scrollTo(0, 0);
}

// Moves the mark to another question, and turns the page where it lies on another.
function moveTo(place) {
  if (place < 0 || place >= list.questions.length) return;
  list.current = place;
  const page = Math.floor(place / PAGE_LENGTH);
  if (page !== list.page) {
    list.page = page;
    drawList();
  }
  for (const row of byId("list").querySelectorAll("tr.current")) row.classList.remove("current");
  const row = byId("list").querySelector(`tr[data-place="${place}"]`);
  row?.classList.add("current");
  row?.querySelector("a").focus({ preventScroll: true });
  row?.scrollIntoView({ block: "nearest" });
}

async function showList(query) {
  list.index ??= readIndex(await dataFiles.load("index"));
  const form = byId("filters");
  if (!form.elements.length) drawFilters();
  if (query !== list.query || !byId("list").hasChildNodes()) {
    list.query = query;
    const filters = filtersOf(query);
    fillForm(filters);
    applyFilters(filters);
  } else if (list.current >= 0) {
    moveTo(list.current);
  }
}
