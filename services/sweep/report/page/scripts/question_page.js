// One question: its picture, instruction and reference, and every answer beside the others.

// A longer text is cut there, until its reader asks for the rest: it may be one word of a megabyte.
// The rest stands in pieces, of which browsers lay out those in sight alone.
const SHOWN_LENGTH = 20000;
const PIECE_LENGTH = 20000;
const KINDS = ["", "exact", "part"];
const FOUND = [["○", "missed"], ["◐", "found in part"], ["●", "found exactly"]];
const PICTURE = /^data:image\/(webp|png|jpeg|gif|avif);base64,[A-Za-z0-9+/=]+$/;

// Where longer words may break: browsers need the square of a word's length to find a place.
const LONG_WORD = /\S{100}/gu;

function breakable(text) {
  const words = text.match(LONG_WORD);
  if (!words) return text;
  const rest = text.split(LONG_WORD);
  return rest.flatMap((before, place) => (place < words.length ? [before, words[place], make("wbr")] : [before]));
}

function spanElement([text, kind, entity], entities) {
  if (!kind) return breakable(text);
  const meaning = `${entities[entity]?.text ?? ""}: ${FOUND[kind === 1 ? 2 : 1][1]}`;
  return make("mark", { class: KINDS[kind] ?? "", data: { entity }, title: shortened(meaning, 300) }, breakable(text));
}

// The spans of a stretch of the text.
function cutSpans(spans, begin, end) {
  const cut = [];
  let at = 0;
  for (const [text, kind, entity] of spans) {
    const part = text.slice(Math.max(begin - at, 0), Math.max(end - at, 0));
    if (part) cut.push([part, kind, entity]);
    at += text.length;
  }
  return cut;
}

function highlighted(spans, entities, className) {
  const length = sum(spans.map(([text]) => text.length));
  const elements = (begin, end) => cutSpans(spans, begin, end).map((span) => spanElement(span, entities));
  const box = fill(make("div", { class: `text ${className}`, dir: "auto" }), elements(0, SHOWN_LENGTH));
  if (length <= SHOWN_LENGTH) return box;
  const showAll = () => {
    more.remove();
    for (let begin = SHOWN_LENGTH; begin < length; begin += PIECE_LENGTH) {
      box.append(make("div", { class: "piece", dir: "auto" }, elements(begin, begin + PIECE_LENGTH)));
    }
  };
  const more = make("button", { type: "button", on: { click: showAll } }, `Show all ${count(length)} characters`);
  return fill(box, more);
}

// Where an entity is pointed at, it lights up in every text.
function lightUp(page) {
  const light = (event) => {
    const entity = event.target.closest?.("[data-entity]")?.dataset.entity;
    for (const mark of page.querySelectorAll("[data-entity]")) {
      mark.classList.toggle("lit", entity !== undefined && mark.dataset.entity === entity);
    }
  };
  for (const event of ["pointerover", "focusin"]) page.addEventListener(event, light);
  page.addEventListener("pointerleave", light);
}

async function drawPicture(place, image, alt) {
  if (!image) {
    replace(place, make("p", { class: "no-picture" }, "No picture"));
    return;
  }
  const [file, number] = image;
  const address = (await dataFiles.load(`pictures/${file}`))[number];
  if (!PICTURE.test(address ?? "")) replace(place, make("p", { class: "no-picture" }, "The picture cannot be shown"));
  else replace(place, make("img", { src: address, alt, loading: "lazy" }));
}

function picture(image, alt, className) {
  const place = make("div", { class: className });
  drawPicture(place, image, alt).catch((error) => replace(place, make("p", { class: "no-picture" }, error.message)));
  return place;
}

const answerName = (answer, replicates) =>
  `${list.index.contenders[answer.contender]}${replicates > 1 ? ` · ${answer.replicate + 1}` : ""}`;

function answerPlace(question, answer) {
  return Array.from(answersOf(list.index, question)).find(
    (place) => list.index.contender[place] === answer.contender && list.index.replicate[place] === answer.replicate,
  );
}

function answerValue(question, answer, metric) {
  const place = answerPlace(question, answer);
  return place === undefined ? NaN : list.index.values.get(metric)?.[place] ?? NaN;
}

function provenance(answer) {
  const items = Object.entries(answer.provenance ?? {});
  if (!items.length) return null;
  return make("details", { class: "provenance-of-answer" }, make("summary", {}, "Provenance"),
    make("dl", { class: "provenance" }, items.map(([key, value]) => [make("dt", {}, key), make("dd", {}, make("code", {}, shortened(String(value), 500)))])));
}

function answerCard(question, item, answer, place) {
  const { index } = list;
  const number = place + 1;
  const at = answerPlace(question, answer);
  const status = STATUSES[at === undefined ? 3 : index.status[at]];
  const metric = metricByName.get(list.filters.metric) ?? metricByName.get(defaultMetric());
  const value = metric ? answerValue(question, answer, metric.name) : NaN;
  return make(
    "article",
    { class: "answer", "aria-label": answerName(answer, item.replicates) },
    make("header", {},
      make("span", { class: "place" }, number),
      make("h3", {}, name(answerName(answer, item.replicates))),
      Number.isNaN(value) ? null : make("span", { class: "score", title: metric.long }, make("small", {}, metric.short), ` ${numberText(value, metric)}`),
      status === "scored" ? null : make("span", { class: `status ${status}` }, status),
      at !== undefined && index.truncated[at] ? make("span", { class: "status truncated", title: "Ended by the token limit" }, "cut off") : null),
    "image" in answer ? picture(answer.image, "The picture that was shown instead", "shown-picture") : null,
    answer.failure ? make("p", { class: "failure" }, breakable(shortened(answer.failure, 2000))) : null,
    answer.spans?.length ? highlighted(answer.spans, item.entities, "explanation") : answer.failure ? null : make("p", { class: "muted" }, status === "pending" ? "There is no answer yet." : "The answer is empty."),
    provenance(answer),
  );
}

const numberText = (value, metric) => number(value, metric.digits);

function entityMatrix(item) {
  if (!item.entities.length) return make("p", { class: "muted" }, "The reference has no entities.");
  const isFound = (answer, entity) => answer.found?.[entity];
  const head = headingRow(make("th", { scope: "col" }, "Entity"),
    item.answers.map((answer, place) => make("th", { scope: "col", class: "c", title: answerName(answer, item.replicates) }, place + 1)));
  const rows = item.entities.map((entity, number) => make(
    "tr",
    { data: { entity: number }, tabindex: "0" },
    make("th", { scope: "row" }, name(shortened(entity.text, 120), { title: shortened(entity.text, 400) })),
    item.answers.map((answer) => {
      const [mark, words] = FOUND[isFound(answer, number)] ?? [MISSING, "not scored"];
      return make("td", { class: `c found-${isFound(answer, number) ?? "none"}`, title: words }, make("span", { "aria-label": words, role: "img" }, mark));
    }),
  ));
  return sheet("Entities", make("table", { class: "entity-matrix" }, head, make("tbody", {}, rows)));
}

function scoreTable(question, item) {
  const { index } = list;
  const value = (answer, metric) => answerValue(question, answer, metric);
  const rows = index.metrics.map((metric) => {
    const words = metricByName.get(metric);
    const values = item.answers.map((answer) => value(answer, metric));
    const best = words?.ranks && values.length > 1 ? Math.max(...values.filter((other) => !Number.isNaN(other))) : NaN;
    return make("tr", {},
      make("th", { scope: "row", title: words?.meaning ?? null }, words?.long ?? metric),
      item.answers.map((answer, place) => {
        const reason = answer.metrics?.[metric];
        const shown = values[place];
        return make("td", { class: shown === best ? "n best" : "n" },
          Number.isNaN(shown) ? make("small", { class: "reason" }, typeof reason === "string" ? shortened(reason, 60) : MISSING) : number(shown, words?.digits ?? 2));
      }));
  });
  const head = headingRow(make("th", { scope: "col" }, "Metric"),
    item.answers.map((answer, place) => make("th", { scope: "col", class: "n", title: answerName(answer, item.replicates) }, make("span", { class: "place" }, place + 1), make("span", { class: "clipped" }, answerName(answer, item.replicates)))));
  return make("section", { class: "scores" }, make("h2", {}, "Scores"), sheet("Scores", make("table", { class: "scores-table" }, head, make("tbody", {}, rows))));
}

const legend = () => make("p", { class: "legend" },
  make("span", {}, make("mark", { class: "exact" }, "found exactly")),
  make("span", {}, make("mark", { class: "part" }, "found in part")),
  make("span", {}, FOUND.map(([mark, words]) => `${mark} ${words}`).join("   ")));

function neighbours(question) {
  const place = list.questions.indexOf(question);
  const others = place >= 0 ? list.questions : null;
  const at = place >= 0 ? place : question;
  const size = others ? others.length : list.index.questionCount;
  const of = (other) => (other < 0 || other >= size ? -1 : others ? others[other] : other);
  return { before: of(at - 1), after: of(at + 1), words: `${count(at + 1)} of ${count(size)}` };
}

function questionNavigation(question) {
  const { index } = list;
  const { before, after, words } = neighbours(question);
  const link = (target, id, text, title) =>
    target < 0
      ? make("span", { class: "muted", id }, text)
      : make("a", { href: questionLink(index, target), id, title }, text);
  const twin = twinOf(index, question);
  const copy = make("button", { type: "button", id: "copy-link", on: { click: async () => {
    await navigator.clipboard.writeText(location.href);
    replace(copy, "Copied");
  } } }, "Copy link");
  return make("nav", { class: "question-nav", "aria-label": "Questions" },
    make("a", { href: `#/questions${list.query ? `?${list.query}` : ""}`, id: "to-list", title: "Esc" }, "All questions"),
    link(before, "before", "‹ Previous", "k"),
    make("span", { class: "muted" }, words),
    link(after, "after", "Next ›", "j"),
    make("span", { class: "room" }),
    twin < 0 ? null : link(twin, "twin", `${SETTINGS[SETTING_NAMES[index.setting[twin]]]} →`, "s"),
    navigator.clipboard ? copy : null);
}

function questionHead(question) {
  const { index } = list;
  const title = index.title[question] || index.artwork[question] || index.name[question];
  return make("header", { class: "question-head" },
    make("h1", {}, name(shortened(title, 300), { title: null })),
    make("p", { class: "facts" },
      index.section[question] ? [make("bdi", {}, shortened(index.section[question], 300)), " · "] : null,
      SETTINGS[SETTING_NAMES[index.setting[question]]],
      index.part[question] < 2 ? ` · ${PART_NAMES[index.part[question]]}` : null,
      " · ", make("code", {}, shortened(index.name[question], 300))));
}

async function drawQuestion(question) {
  const { index } = list;
  const chunk = await dataFiles.load(`chunk/${index.chunk[question]}`);
  const found = chunk[index.offset[question]];
  const item = { ...found, replicates: 1 + Math.max(0, ...found.answers.map((answer) => answer.replicate)) };
  const page = byId("question");
  const body = make("div", { class: "question-body" },
    make("aside", { class: "given", "aria-label": "Question" },
      picture(item.image, index.title[question] || "The artwork", "artwork"),
      make("h2", {}, "Instruction"),
      make("p", { class: "text", dir: "auto" }, breakable(shortened(item.instruction, SHOWN_LENGTH))),
      make("h2", {}, "Reference"),
      highlighted(item.reference, item.entities, "reference"),
      make("h2", {}, "Entities"),
      entityMatrix(item)),
    make("div", { class: "side" },
      legend(),
      make("div", { class: "answers" }, item.answers.map((answer, place) => answerCard(question, item, answer, place))),
      scoreTable(question, item)));
  lightUp(body);
  replace(page, questionNavigation(question), questionHead(question), body);
  document.title = `${shortened(index.title[question], 80)} · ${reportTitle}`;
}

// Shows the question of a link; the index says which file holds it.
async function showQuestion(questionName) {
  list.index ??= readIndex(await dataFiles.load("index"));
  if (!byId("filters").elements.length) {
    drawFilters();
    const filters = filtersOf("");
    fillForm(filters);
    applyFilters(filters);
  }
  const question = list.index.placeOf.get(questionName);
  if (question === undefined) {
    replace(byId("question"), questionMissing(questionName));
    return;
  }
  const place = list.questions.indexOf(question);
  if (place >= 0) list.current = place;
  await drawQuestion(question);
}

const questionMissing = (questionName) => [
  make("h1", {}, "This question is not here"),
  make("p", {}, `The report holds ${count(list.index.shown)} of ${count(list.index.total)} answers, and none to `, make("code", {}, shortened(questionName, 300)), "."),
  make("p", {}, make("a", { href: "#/questions" }, "All questions")),
];
