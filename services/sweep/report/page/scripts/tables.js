// Tables whose headings sort them. A cell's `data-value` is sorted by, or else its text.

const sortValue = (row, column) => {
  const cell = row.cells[column];
  const text = cell?.dataset.value ?? cell?.textContent.trim() ?? "";
  const value = Number(text.replaceAll(",", ""));
  if (text === "" || text === MISSING) return null;
  return Number.isNaN(value) ? text : value;
};

// Missing values come last, whichever way the others go.
function compareValues(first, second, descending) {
  if (first === null || second === null) return (first === null) - (second === null);
  const order =
    typeof first === "number" && typeof second === "number"
      ? first - second
      : String(first).localeCompare(String(second), "en", { numeric: true });
  return descending ? -order : order;
}

function sortRows(table, column, descending) {
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.dataset.fixed);
    const values = new Map(rows.map((row) => [row, sortValue(row, column)]));
    rows.sort((first, second) => compareValues(values.get(first), values.get(second), descending));
    body.append(...rows);
  }
  [...table.tHead.rows[0].cells].forEach((heading, place) => {
    if (place === column) heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else heading.removeAttribute("aria-sort");
  });
}

// Makes a table sortable. `kept` remembers what it was sorted by when it is made anew.
function makeSortable(table, kept = {}) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    if (heading.dataset.sortable === "no") return;
    const isNumber = heading.classList.contains("n");
    const sort = () => {
      const before = heading.getAttribute("aria-sort");
      const descending = before ? before === "ascending" : isNumber;
      kept.key = heading.dataset.key ?? column;
      kept.descending = descending;
      sortRows(table, column, descending);
    };
    const button = make("button", { type: "button", class: "sort", title: heading.title || null, on: { click: sort } });
    button.append(...heading.childNodes);
    heading.append(button);
  });
  const column = headings.findIndex((heading, place) => (heading.dataset.key ?? place) === kept.key);
  if (column >= 0) sortRows(table, column, kept.descending);
  return table;
}

const headingRow = (...headings) => make("thead", {}, make("tr", {}, headings));

// A table that scrolls in itself where the window is too narrow or too low.
const sheet = (label, table) =>
  make("div", { class: "sheet", tabindex: "0", role: "region", "aria-label": label }, table);
