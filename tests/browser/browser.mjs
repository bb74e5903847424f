// Starts Chromium, opens pages, and records everything that a page must not do.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import puppeteer from "puppeteer-core";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Path of Chromium. Debian's package installs it here. */
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Starts Chromium. Its sandbox does not work for root. */
export function launch() {
  const args = process.getuid() === 0 ? ["--no-sandbox"] : [];
  return puppeteer.launch({ executablePath: CHROMIUM, args });
}

/**
 * Opens `url` in a new page. The result has, besides `page`, `finish()`, which closes the page and fails if the page
 * wrote an error to the console, threw an exception, showed a dialog (questions are answered with yes if `confirms`),
 * or requested anything that `isAllowed` refuses.
 */
export async function open(browser, url, { width = 1280, height = 900, script = true, dark = false, confirms = false, isAllowed } = {}) {
  const page = await browser.newPage();
  const faults = [];
  const allowed = isAllowed ?? ((requested) => requested === url || requested.startsWith("data:"));
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`exception: ${error.message}`));
  page.on("request", (request) => {
    const requested = request.url().replace(/#.*/, "");
    if (!allowed(requested)) faults.push(`request: ${requested}`);
  });
  page.on("dialog", async (dialog) => {
    if (confirms && dialog.type() === "confirm") return dialog.accept();
    faults.push(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  await page.setViewport({ width, height });
  await page.setJavaScriptEnabled(script);
  await page.emulateMediaFeatures([
    { name: "prefers-color-scheme", value: dark ? "dark" : "light" },
    // Scrolling ends at once, so that tests can click what they scrolled to.
    { name: "prefers-reduced-motion", value: "reduce" },
  ]);
  await page.goto(url, { waitUntil: "load" });
  return {
    page,
    async finish() {
      await page.close();
      assert.deepEqual(faults, []);
    },
  };
}

/** Fails if axe finds a violation that it calls serious or critical. */
export async function assertAccessible(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const places = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).slice(0, 3).join(" | ")}`);
  assert.deepEqual(places, []);
}

/** Fails if the page is wider than the window, so that a reader would have to scroll sideways. */
export async function assertFits(page) {
  const [content, window] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  assert.ok(content <= window, `the page is ${content} px wide, the window ${window} px`);
}
