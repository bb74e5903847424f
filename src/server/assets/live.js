// Keeps a page up to date. The server sends parts of the page as HTML that it has escaped; each replaces the element
// with the same id. Without this script, pages show the state at the time they were loaded.
"use strict";

const source = document.body.dataset.events;
const connection = document.getElementById("connection");
let events = null;
let last = null;

function replace(id, html) {
  const old = document.getElementById(id);
  // The page shows other stages, or the part belongs to another page.
  if (!old) return;
  const template = document.createElement("template");
  template.innerHTML = html;
  const part = template.content.firstElementChild;
  // Do not replace what somebody may be clicking on.
  if (part.isEqualNode(old)) return;
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  old.replaceWith(part);
  if (focused) {
    const links = part.matches("a") ? [part] : part.querySelectorAll("a");
    for (const link of links) if (link.getAttribute("href") === focused) { link.focus(); break; }
  }
}

// Screen readers read the announcement when its text changes. It is kept while the parts around it are replaced, and
// changes at most every ten seconds.
const announcer = document.createElement("p");
announcer.setAttribute("role", "status");
announcer.className = "hidden";
let announced = 0;
let waiting = null;
function announce() {
  const text = document.getElementById("announcement");
  if (!text) return;
  if (text.textContent === announcer.textContent || waiting) return;
  waiting = setTimeout(() => {
    waiting = null;
    announced = Date.now();
    announcer.textContent = document.getElementById("announcement")?.textContent ?? "";
  }, Math.max(0, announced + 10000 - Date.now()));
}

const MOST_LOG = 400000;
function addLog(text) {
  const log = document.getElementById("log");
  if (!log) return;
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
  log.append(text);
  if (log.textContent.length > MOST_LOG) log.textContent = log.textContent.slice(-MOST_LOG / 2);
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function connect() {
  // The browser sends the id of the last event when it reconnects by itself, but not in a new connection.
  const address = new URL(source, location.href);
  if (last !== null) address.searchParams.set("since", last);
  events = new EventSource(address);
  events.addEventListener("open", () => { connection.hidden = true; });
  events.addEventListener("parts", (event) => {
    last = event.lastEventId || last;
    const { parts, log } = JSON.parse(event.data);
    for (const [id, html] of parts) replace(id, html);
    if (log) addLog(log);
    tick();
    announce();
  });
  events.addEventListener("usage", (event) => {
    const usage = document.getElementById("usage");
    if (!usage) return;
    usage.innerHTML = JSON.parse(event.data);
    usage.hidden = false;
  });
  // The run has ended or was removed: the page has other contents now.
  events.addEventListener("reload", () => { disconnect(); location.reload(); });
  events.addEventListener("end", disconnect);
  events.addEventListener("error", () => {
    connection.textContent = "The server does not answer. This page continues when it runs again.";
    connection.hidden = false;
    // Browsers give up after some errors.
    if (events && events.readyState === EventSource.CLOSED) {
      disconnect();
      setTimeout(() => { if (!events && !document.hidden) connect(); }, 3000);
    }
  });
}

function disconnect() {
  if (events) events.close();
  events = null;
}

// Browsers open only six connections to a server, so a page in the background gives its connection back.
document.addEventListener("visibilitychange", () => {
  if (!source) return;
  if (document.hidden) disconnect();
  else if (!events) connect();
});
window.addEventListener("pagehide", disconnect);
window.addEventListener("pageshow", () => { if (source && !events && !document.hidden) connect(); });

function duration(seconds) {
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

function tick() {
  for (const element of document.querySelectorAll("[data-since]")) {
    const seconds = (Date.now() - Date.parse(element.dataset.since)) / 1000;
    if (seconds >= 0) element.textContent = duration(seconds);
  }
}

// Results that take long are read while the page is already there.
async function waitForResults(address) {
  for (;;) {
    try {
      const { status } = await fetch(address);
      if (status === 200) return location.reload();
      // The run was removed.
      if (status === 404) return;
    } catch { /* The server does not answer now. */ }
    await new Promise((wake) => setTimeout(wake, 1000));
  }
}
const pending = document.getElementById("results-pending");
if (pending) waitForResults(pending.dataset.results);

for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!confirm(form.dataset.confirm)) event.preventDefault();
  });
}

const log = document.getElementById("log");
if (log) log.scrollTop = log.scrollHeight;
if (source) {
  document.body.append(announcer);
  announcer.textContent = document.getElementById("announcement")?.textContent ?? "";
  announce();
  if (!document.hidden && !events) connect();
  tick();
  setInterval(tick, 1000);
}
