// Which entities the contenders know, and which they miss.

const FEW_ENTITIES = 12;
const FEW_CONTENDERS = 6;

const sum = (values) => values.reduce((total, value) => total + value, 0);

const percent = (found, asked) => (asked ? (100 * found) / asked : null);

function entityShares(entity, contenders) {
  const overall = percent(sum(entity.found), sum(entity.asked));
  const each = contenders.length <= FEW_CONTENDERS
    ? contenders.map((contender) => percent(entity.found[contender], entity.asked[contender]))
    : [];
  return contenders.length > 1 ? [overall, ...each] : each;
}

function entityTable(heading, meaning, entities, kind) {
  const contenders = numbers.contenders
    .map((_, contender) => contender)
    .filter((contender) => entities.some((entity) => entity.asked[contender] > 0));
  if (!entities.length) return null;
  const isRepeats = kind === "repeats";
  const names = contenders.length <= FEW_CONTENDERS ? contenders.map((contender) => label(contender)) : [];
  const columns = contenders.length > 1 ? [isRepeats ? "Times" : "All", ...names] : [isRepeats ? "Times" : "Found"];
  const values = (entity) => {
    if (!isRepeats) return entityShares(entity, contenders).map((value) => [value, value === null ? MISSING : `${number(value, 0)} %`]);
    const each = names.length && contenders.length > 1 ? contenders.map((contender) => entity.repeats[contender]) : [];
    return [sum(entity.repeats), ...each].map((value) => [value, count(value)]);
  };
  const rows = entities.map((entity, place) => make(
    "tr",
    { hidden: place >= FEW_ENTITIES },
    make("th", { scope: "row" }, name(shortened(entity.entity, 80), { title: shortened(entity.entity, 400) })),
    make("td", { class: "n" }, count(entity.questions)),
    values(entity).map(([value, text]) => make("td", { class: "n", data: { value: value ?? "" } }, text)),
  ));
  const table = make("table", {},
    headingRow(make("th", { scope: "col" }, "Entity"), make("th", { scope: "col", class: "n" }, "Answers"),
      columns.map((column) => make("th", { scope: "col", class: "n", title: column }, make("span", { class: "clipped" }, shortened(column, 40))))),
    make("tbody", {}, rows));
  const panel = make("article", { class: "panel" }, make("h3", {}, heading), make("p", { class: "note" }, meaning), sheet(heading, makeSortable(table)));
  if (rows.length > FEW_ENTITIES) {
    const more = make("button", { type: "button", on: { click: () => {
      for (const row of rows) row.hidden = false;
      more.remove();
    } } }, `Show all ${rows.length}`);
    panel.append(more);
  }
  return panel;
}

function drawEntities() {
  const place = byId("entity-tables");
  if (!place || !numbers.entities) return;
  place.className = "panels";
  replace(place,
    entityTable("Most missed", "Of the entities asked for most, those that most answers do not name.", numbers.entities.most_missed, "found"),
    entityTable("Best known", "Asked for at least five times; named by the greatest share of answers.", numbers.entities.most_known, "found"),
    entityTable("Most repeated", "Named more often than the reference names them.", numbers.entities.most_repeated, "repeats"),
    entityTable("Most asked", "In most references.", numbers.entities.most_asked, "found"));
}
