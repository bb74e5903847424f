// The pages of a server, while a training runs.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertAccessible, assertFits, launch, open } from "./browser.mjs";
import { Project, until } from "./runner.mjs";

/** A training that takes minutes, so that it is running whenever a test looks. */
const TRAINING = `
version: 1
name: training
models:
  net: [{ conv: { filters: 8 } }, { max_pool: 2 }, flatten, { dense: { units: 1 } }]
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 400, test_images: 40 } }, image_size: 32, validation: 0.1 }
  cnn:
    kind: train-cnn
    inputs: { train: xrays.train, validation: xrays.validation }
    params: { model: net, epochs: 5000 }
`;

const SHORT = `
version: 1
name: short
stages:
  one: { kind: command, params: { argv: [sh, -c, 'echo "<img src=x onerror=alert(1)>"; echo "{\\"m\\": 1}" > m.json'], metrics: m.json } }
`;

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

/** Opens a page of the server; it may request only the server's own files. */
function visit(address, path, options = {}) {
  const { origin } = new URL(address);
  const isAllowed = (requested) => requested.startsWith(`${origin}/`) || requested.startsWith("data:");
  return open(browser, path === undefined ? address : `${origin}${path}`, { isAllowed, ...options });
}

describe("the pages of a run that goes on", () => {
  let project, address, run, training;
  before(async () => {
    project = await Project.create(TRAINING);
    training = project.start("run", "pipeline.yaml");
    ({ address } = await until("a store", () => project.serve("--allow-run").catch(() => null)));
    const { page, finish } = await visit(address);
    run = await until("the run in the list", async () => {
      await page.reload();
      return page.$$eval("tbody th a", (links) => links[0]?.getAttribute("href"));
    });
    await finish();
  });
  after(() => project.remove());

  const points = (page) => page.$$eval("#running figure svg polyline, #running figure svg path", (lines) =>
    Math.max(0, ...lines.map((line) => (line.getAttribute("points") ?? line.getAttribute("d")).length)));

  test("the list and the run are accessible and fit, in both themes", async () => {
    for (const [path, width, dark] of [["/", 1280, false], ["/", 400, true], [run, 1280, true], [run, 400, false]]) {
      const { page, finish } = await visit(address, path, { width, dark });
      await assertFits(page);
      await assertAccessible(page);
      await finish();
    }
  });

  test("a curve grows in two browsers, without a reload", async () => {
    const [first, second] = [await visit(address, run), await visit(address, run)];
    for (const { page } of [first, second]) {
      await page.bringToFront();
      await page.waitForSelector("#running figure svg");
      await page.evaluate(() => { globalThis.isSame = true; });
      const text = () => page.$eval("#running .card p", (part) => part.textContent);
      const [before, length] = [await text(), await points(page)];
      await until("a longer curve", async () => (await points(page)) > length && (await text()) !== before);
      assert.ok(await page.evaluate(() => globalThis.isSame));
    }
    await first.finish();
    await second.finish();
  });

  test("the page of a running stage shows its curve", async () => {
    const { page, finish } = await visit(address, run);
    const stage = await page.waitForSelector("#running .card h3 a");
    await Promise.all([page.waitForNavigation(), stage.click()]);
    assert.ok(page.url().includes("/stages/"));
    await page.waitForSelector("figure svg");
    await assertAccessible(page);
    await assertFits(page);
    await finish();
  });

  test("the state at the time of loading is there without JavaScript", async () => {
    const { page, finish } = await visit(address, run, { script: false });
    assert.ok(await page.$("#running figure svg"));
    assert.ok((await page.$eval("body", (body) => body.innerText)).includes("Without JavaScript"));
    await finish();
  });

  test("a page without the token shows nothing of the store", async () => {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    const answer = await page.goto(`${new URL(address).origin}${run}`);
    assert.ok([401, 403].includes(answer.status()), `${answer.status()}`);
    assert.ok(!(await page.content()).includes("cnn"));
    await context.close();
  });

  test("the button cancels the run", async () => {
    const { page, finish } = await visit(address, run, { confirms: true });
    const button = await page.waitForSelector("form.cancel button");
    await button.click();
    // As after SIGTERM.
    assert.equal(await training.ended, 143);
    await until("the state of the run", async () =>
      (await page.$eval("main", (part) => part.innerText).catch(() => "")).includes("cancelled"));
    await finish();
  });

  test("the cancelled run can be read, and started again", async () => {
    const { page, finish } = await visit(address, "/");
    await page.click("details.start summary");
    await page.type("#file", "pipeline.yaml");
    await page.type("#sets", "stages.cnn.params.epochs=1");
    await Promise.all([page.waitForNavigation(), page.click("details.start button")]);
    await until("the end of the new run", async () => {
      await page.goto(new URL("/", address).href);
      const states = await page.$$eval("tbody .state", (cells) => cells.map((cell) => cell.textContent));
      return states[0] === "succeeded" && states.includes("cancelled");
    });
    await finish();
  });
});

describe("a server that restarts", () => {
  let project;
  before(async () => {
    project = await Project.create(SHORT);
    await project.runner("run", "pipeline.yaml", "-q");
  });
  after(() => project.remove());

  test("shows names and logs as text, and knows the browser again", async () => {
    const { server, address } = await project.serve();
    const { page, finish } = await visit(address);
    await page.click("tbody th a");
    await page.waitForSelector("#stages-title");
    assert.equal(await page.$("form.cancel, details.start"), null);
    const stage = await page.waitForSelector("table.list tbody th a");
    await Promise.all([page.waitForNavigation(), stage.click()]);
    assert.ok((await page.$eval("main", (part) => part.innerText)).includes("<img src=x onerror=alert(1)>"));
    assert.equal(await page.$('img[src="x"]'), null);
    await assertAccessible(page);

    const { port, origin } = new URL(address);
    const place = page.url().slice(origin.length);
    await finish();
    server.kill("SIGINT");
    assert.equal(await server.ended, 0);
    const restarted = await project.serve("--port", port);
    assert.equal(new URL(restarted.address).origin, origin);
    // The browser's cookie is still valid.
    const again = await visit(address, place);
    assert.ok((await again.page.$eval("main", (part) => part.innerText)).includes("one"));
    await again.finish();
  });
});
