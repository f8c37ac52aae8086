// The keyboard. Keys act only where nobody types, and leave the browser's own shortcuts alone.

const isTyping = (target) => Boolean(target.closest?.("input, select, textarea, [contenteditable]"));

// One page is turned after the other: whoever types faster than pages are drawn gets as far.
let turned = Promise.resolve();

function follow(id) {
  turned = turned.then(async () => {
    await drawn;
    const link = byId(id);
    if (!link?.matches("a") || link.hash === location.hash) return;
    const changed = new Promise((resolve) => window.addEventListener("hashchange", resolve, { once: true }));
    link.click();
    await changed;
    await drawn;
  });
}

const KEYS = {
  questions: {
    j: () => moveTo(list.current + 1),
    ArrowDown: () => moveTo(list.current + 1),
    k: () => moveTo(list.current - 1),
    ArrowUp: () => moveTo(list.current - 1),
    Enter: () => list.current >= 0 && (location.hash = questionLink(list.index, list.questions[list.current])),
    Escape: () => (location.hash = "#report"),
  },
  question: {
    j: () => follow("after"),
    ArrowRight: () => follow("after"),
    k: () => follow("before"),
    ArrowLeft: () => follow("before"),
    s: () => follow("twin"),
    Escape: () => follow("to-list"),
  },
  report: {},
};

function searchFirst() {
  if (!byId("questions")) return;
  if (document.body.dataset.view !== "questions") location.hash = `#/questions${list.query ? `?${list.query}` : ""}`;
  whenShown("questions", () => byId("filters").elements.text?.focus());
}

const EVERYWHERE = {
  "/": searchFirst,
  q: () => byId("questions") && (location.hash = `#/questions${list.query ? `?${list.query}` : ""}`),
  r: () => (location.hash = "#report"),
  d: () => byId("theme-button").click(),
  "?": () => byId("help").showModal(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || byId("help").open) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  // A link or a button that has the focus takes Enter for itself.
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
  const action = KEYS[document.body.dataset.view]?.[event.key] ?? EVERYWHERE[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function startKeyboard() {
  document.addEventListener("keydown", onKey);
  byId("help-button").addEventListener("click", () => byId("help").showModal());
}
