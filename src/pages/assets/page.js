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
    if (header.classList.contains("plot")) return;
    const made = button("", () => sortBy(table, column));
    made.append(...header.childNodes);
    header.append(made);
  });
}

// --- Scrolling ---

// Regions with hidden columns take the focus, so that the arrow keys scroll them. The others would only be in the way.
function startScrolling(region) {
  const update = () => {
    const scrolls = region.scrollWidth > region.clientWidth + 1 || region.scrollHeight > region.clientHeight + 1;
    region.tabIndex = scrolls ? 0 : -1;
  };
  new ResizeObserver(update).observe(region);
  update();
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
  // Text must be readable, so a wide graph is not shrunk as far as it would fit.
  if (canvas.clientWidth > 0) zoom(Math.min(1, Math.max(0.6, canvas.clientWidth / width)));
  canvas.scrollLeft = 0;
}

// --- Selecting trials on parallel axes ---

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// An axis of a figure: converts values to heights, and holds the selected range of heights.
function readAxis(group, index) {
  const { axis: name, scale } = group.dataset;
  const number = key => group.dataset[key] === "" ? NaN : Number(group.dataset[key]);
  const [x, top, bottom, absent] = ["x", "top", "bottom", "absent"].map(number);
  const line = scale === "log" ? Math.log : value => value;
  const [low, high] = [line(number("low")), line(number("high"))];
  const height = value => {
    if (value === null) return absent;
    const share = (line(value) - low) / (high - low);
    return bottom - (bottom - top) * Math.min(1, Math.max(0, share));
  };
  return { name, index, group, x, top, bottom, height, range: null };
}

function startBrushing(svg, table) {
  const hint = document.getElementById("brush");
  const [output, clear] = [hint.querySelector("output"), hint.querySelector("button")];
  const axes = all("g.axis", svg).map(readAxis);
  const lines = all("[data-values]", svg).map(line => [line, JSON.parse(line.dataset.values)]);

  const isSelected = values => axes.every(({ range, height, index }) => {
    if (!range) return true;
    const at = height(values[index] ?? null);
    return at >= range[0] - 0.5 && at <= range[1] + 0.5;
  });
  const show = () => {
    const isFiltered = axes.some(axis => axis.range);
    const selected = new Set();
    for (const [line, values] of lines) {
      const isIn = isSelected(values);
      line.classList.toggle("out", !isIn);
      if (isIn) selected.add(line.dataset.trial);
    }
    for (const row of table.tBodies[0].rows) row.hidden = isFiltered && !selected.has(row.dataset.trial);
    for (const { band, range } of axes) {
      band.setAttribute("y", range ? range[0] : 0);
      band.setAttribute("height", range ? Math.max(1, range[1] - range[0]) : 0);
    }
    clear.hidden = !isFiltered;
    output.textContent = isFiltered ? `${selected.size} of ${table.tBodies[0].rows.length} trials selected.` : "";
  };
  const clearAll = () => {
    for (const axis of axes) axis.range = null;
    show();
  };

  // Arrow keys move the selected range of an axis, and change its size with Shift; Escape clears all.
  const step = (axis, key, isResizing) => {
    const unit = (axis.bottom - axis.top) / 20;
    const by = key === "ArrowUp" ? -unit : unit;
    let [from, to] = axis.range ?? [axis.top, axis.top + 5 * unit];
    if (axis.range) {
      if (isResizing) to = Math.max(from + unit, Math.min(axis.bottom, to + by));
      else if (from + by >= axis.top - 0.5 && to + by <= axis.bottom + 0.5) [from, to] = [from + by, to + by];
    }
    axis.range = [from, to];
    show();
  };

  for (const axis of axes) {
    const [width, height] = [48, axis.bottom - axis.top + 48];
    axis.band = element("rect", { class: "band", x: axis.x - 14, width: 28, y: 0, height: 0 });
    const area = element("rect", {
      class: "brush", x: axis.x - width / 2, y: axis.top - 24, width, height, tabindex: 0, role: "button",
      "aria-label": `Select trials by ${axis.name}: arrow keys move the range, with Shift they resize it, Escape clears`,
    });
    const at = event => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      return Math.min(axis.bottom, Math.max(axis.top, point.y));
    };
    let start = null;
    area.addEventListener("pointerdown", event => {
      start = at(event);
      axis.range = null;
      area.setPointerCapture(event.pointerId);
      show();
    });
    area.addEventListener("pointermove", event => {
      if (start === null) return;
      const end = at(event);
      axis.range = Math.abs(end - start) < 2 ? null : [Math.min(start, end), Math.max(start, end)];
      show();
    });
    area.addEventListener("pointerup", () => { start = null; });
    area.addEventListener("keydown", event => {
      if (event.key === "Escape") clearAll();
      else if (event.key === "ArrowUp" || event.key === "ArrowDown") step(axis, event.key, event.shiftKey);
      else return;
      event.preventDefault();
    });
    svg.append(axis.band, area);
  }
  // An image has no controls inside for screen readers; a group has.
  svg.setAttribute("role", "group");
  clear.addEventListener("click", clearAll);
  hint.hidden = false;
}

// --- Figures ---

// Saves a figure with the colors of a light page, which are the defaults of its variables.
function save(figure) {
  const svg = figure.querySelector("svg");
  const copy = svg.cloneNode(true);
  for (const control of all(".brush, .band", copy)) control.remove();
  const text = new XMLSerializer().serializeToString(copy).replace(/var\(--[\w-]+,\s*([^()]*)\)/g, "$1");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  link.download = figure.id + ".svg";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function startSaving(figure) {
  const title = figure.querySelector("svg > title");
  const made = button("Save as SVG", () => save(figure));
  if (title) made.setAttribute("aria-label", "Save as SVG: " + title.textContent);
  figure.querySelector("figcaption").append(made);
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
// A graph takes the focus in any case: its keys zoom.
all(".scroll:not(.canvas)").forEach(startScrolling);
const trials = document.getElementById("trials");
const axes = document.querySelector("svg.figure-parallel-coordinates, figure#parallel-coordinates svg");
if (trials && axes && axes.querySelector("g.axis")) startBrushing(axes, trials);
startPrinting();
addEventListener("hashchange", reveal);
if (location.hash) reveal();
