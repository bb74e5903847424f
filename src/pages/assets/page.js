// Makes pages more convenient: theme, sorting, zoom, selecting trials, saving figures. Without it, everything can be
// read. Nothing is requested or stored outside this document, except the chosen theme.
"use strict";

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function button(text, onClick) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", onClick);
  return made;
}

// --- Theme ---

function startTheme() {
  const root = document.documentElement;
  const toggle = document.getElementById("theme");
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (systemIsDark.matches ? "dark" : "light")) === "dark";
  const show = () => { toggle.textContent = isDark() ? "Light theme" : "Dark theme"; };
  // Storage is not available in every browser for documents from disk.
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  } catch { /* The theme of the system is used. */ }
  toggle.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* It lasts until the page is closed. */ }
    show();
  });
  systemIsDark.addEventListener("change", show);
  show();
}

// --- Tables ---

// The value that a cell is sorted by: a number if possible.
function sortKey(row, column) {
  const cell = row.cells[column];
  if (!cell) return "";
  const text = cell.dataset.key ?? cell.textContent.trim();
  const number = Number(text);
  return text !== "" && Number.isFinite(number) ? number : text;
}

// Numbers before texts, and empty cells last in both directions.
function compare(a, b, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  if (typeof a === "number") return sign * (a - b);
  return sign * a.localeCompare(b, "en", { numeric: true });
}

function sortBy(table, column) {
  const header = table.tHead.rows[0].cells[column];
  const sign = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map(row => [sortKey(row, column), row]);
  rows.sort(([a], [b]) => compare(a, b, sign));
  body.append(...rows.map(([, row]) => row));
}

function startSorting(table) {
  if (table.tBodies[0].rows.length < 2) return;
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const title = header.textContent;
    header.replaceChildren(button(title, () => sortBy(table, column)));
  });
}

// --- Graphs ---

function startZoom(graph) {
  const canvas = graph.querySelector(".canvas");
  const svg = canvas.querySelector("svg");
  const [width, height] = [svg.width.baseVal.value, svg.height.baseVal.value];
  let scale = 1;
  // Keeps the middle of what is visible in the middle.
  const zoom = wanted => {
    const next = Math.min(4, Math.max(0.1, wanted));
    const x = (canvas.scrollLeft + canvas.clientWidth / 2) / scale;
    const y = (canvas.scrollTop + canvas.clientHeight / 2) / scale;
    svg.setAttribute("width", width * next);
    svg.setAttribute("height", height * next);
    canvas.scrollLeft = x * next - canvas.clientWidth / 2;
    canvas.scrollTop = y * next - canvas.clientHeight / 2;
    scale = next;
  };
  const fit = () => zoom(Math.min(1, canvas.clientWidth / width));
  const actions = { in: () => zoom(scale * 1.25), out: () => zoom(scale / 1.25), fit, full: () => zoom(1) };
  for (const control of all("[data-zoom]", graph)) {
    control.addEventListener("click", actions[control.dataset.zoom]);
  }
  const keys = { "+": "in", "=": "in", "-": "out", "0": "fit", "1": "full" };
  canvas.addEventListener("keydown", event => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    actions[keys[event.key]]();
  });
  let grabbed = null;
  canvas.addEventListener("pointerdown", event => {
    if (event.pointerType !== "mouse" || event.button !== 0 || event.target.closest("a")) return;
    grabbed = [event.clientX + canvas.scrollLeft, event.clientY + canvas.scrollTop];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", event => {
    if (!grabbed) return;
    canvas.scrollLeft = grabbed[0] - event.clientX;
    canvas.scrollTop = grabbed[1] - event.clientY;
  });
  canvas.addEventListener("pointerup", () => { grabbed = null; });
  if (canvas.clientWidth > 0) fit();
}

// --- Figures ---

// Saves a figure with its current colors, so that the file does not depend on this page.
function save(figure) {
  const svg = figure.querySelector("svg");
  const copy = svg.cloneNode(true);
  const styles = getComputedStyle(document.documentElement);
  let text = new XMLSerializer().serializeToString(copy);
  text = text.replace(/var\((--[\w-]+)(?:,\s*([^()]*))?\)/g, (_, name, fallback) =>
    styles.getPropertyValue(name).trim() || fallback || "currentColor");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  link.download = figure.id + ".svg";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function startSaving(figure) {
  const caption = figure.querySelector("figcaption");
  const made = button("Save as SVG", () => save(figure));
  made.setAttribute("aria-label", "Save as SVG: " + caption.textContent);
  caption.append(made);
}

// --- Links into closed parts, and printing ---

function reveal() {
  let target = null;
  try { target = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { /* Not an id. */ }
  if (!target) return;
  for (let part = target; part; part = part.parentElement) {
    if (part.tagName === "DETAILS") part.open = true;
  }
  target.scrollIntoView();
}

function startPrinting() {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open])");
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => { for (const part of opened) part.open = false; });
}

for (const part of all(".needs-script")) if (part.id !== "brush") part.hidden = false;
startTheme();
all("table.sortable").forEach(startSorting);
all(".graph").forEach(graph => {
  const closed = graph.closest("details:not([open])");
  if (closed) closed.addEventListener("toggle", () => startZoom(graph), { once: true });
  else startZoom(graph);
});
all("figure[id]").forEach(startSaving);
startPrinting();
addEventListener("hashchange", reveal);
if (location.hash) reveal();
