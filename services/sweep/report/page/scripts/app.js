// Starts the page: which view a link means, light or dark, what is opened for print.

const reportTitle = document.title;
const THEME = "expart-report-theme";
const shownListeners = [];

// Does something once a view is drawn.
const whenShown = (view, action) => shownListeners.push({ view, action });

function setView(view) {
  document.body.dataset.view = view;
  for (const element of document.querySelectorAll("main.view")) element.hidden = element.id !== view;
  for (const link of document.querySelectorAll("[data-view-link]")) {
    const isCurrent = link.dataset.viewLink === (view === "question" ? "questions" : view);
    if (isCurrent) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function afterShown(view) {
  for (const { action } of shownListeners.splice(0).filter((listener) => listener.view === view)) action();
}

const decoded = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // somebody typed a percent sign
  }
};

async function show() {
  const hash = location.hash.slice(1);
  const [path, query = ""] = hash.split(/\?(.*)/s);
  if (byId("questions") && path === "/questions") {
    setView("questions");
    document.title = `Questions · ${reportTitle}`;
    await showList(query);
    if (list.current < 1) window.scrollTo(0, 0);
    afterShown("questions");
  } else if (byId("questions") && path.startsWith("/question/")) {
    setView("question");
    await showQuestion(path.slice("/question/".length).split("/").map(decoded).join("/"));
    window.scrollTo(0, 0);
    byId("question").focus({ preventScroll: true });
    afterShown("question");
  } else {
    const wasElsewhere = document.body.dataset.view !== "report";
    setView("report");
    document.title = reportTitle;
    if (wasElsewhere) (path && byId(path) ? byId(path).scrollIntoView() : window.scrollTo(0, 0));
  }
}

function showFailure(error) {
  const place = document.body.dataset.view === "questions" ? byId("list") : byId("question");
  if (!place) throw error;
  replace(place, make("p", { class: "failure", role: "alert" }, error.message));
  if (place.id === "list") replace(byId("found"), "The answers cannot be read.");
}

// Done when what the address names is on the page.
let drawn = Promise.resolve();

function route() {
  drawn = show().catch(showFailure);
}

const isDark = () =>
  (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function remembered(action) {
  try {
    return action();
  } catch {
    return null; // a page that was opened from disk may not remember anything
  }
}

function startTheme() {
  const button = byId("theme-button");
  const label = () => replace(button, isDark() ? "Light" : "Dark");
  const kept = remembered(() => localStorage.getItem(THEME));
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    remembered(() => localStorage.setItem(THEME, theme));
    label();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
  label();
}

function startPrint() {
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("main:not([hidden]) details:not([open])")];
    for (const details of opened) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });
}

globalThis.expart = Object.freeze({ add: dataFiles.add });

startTheme();
startPrint();
drawControls();
startLeaderboard();
startContrasts();
choose({});
drawEntities();
for (const table of document.querySelectorAll("table[data-sortable]")) makeSortable(table);
startKeyboard();
window.addEventListener("hashchange", route);
// The data stand behind this script.
document.addEventListener("DOMContentLoaded", route);
