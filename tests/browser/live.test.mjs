// The pages of a server, while a training runs.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertAccessible, assertFits, launch, open } from "./browser.mjs";
import { Project, until } from "./runner.mjs";

/** A training that takes longer than all tests, so that it is running whenever a test looks. */
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
    params: { model: net, epochs: 100000 }
`;

const SHORT = `
version: 1
name: short
stages:
  one: { kind: command, params: { argv: [sh, -c, 'echo "<img src=x onerror=alert(1)>"; echo "{\\"m\\": 1}" > m.json'], metrics: m.json } }
`;

/** A GAN that draws samples after every second epoch, and takes as long. */
const GAN = `
version: 1
name: gan
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 40, test_images: 20 } }, image_size: 16 }
  gan:
    kind: train-gan
    inputs: { images: xrays.train }
    params:
      class: NORMAL
      latent: 4
      epochs: 100000
      batch_size: 8
      sample_every: 2
      generator: [{ conv_transpose: { filters: 1, kernel: 16, stride: 1, padding: valid, activation: tanh } }]
      discriminator: [flatten, { dense: { units: 1 } }]
`;

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

/** Opens a page of the server; it may request only the server's own files. */
async function visit(address, path, options = {}) {
  const { origin } = new URL(address);
  const isAllowed = (requested) => requested.startsWith(`${origin}/`) || requested.startsWith("data:");
  const opened = await open(browser, path === undefined ? address : `${origin}${path}`, { isAllowed, ...options });
  if (options.script !== false) await settled(opened.page);
  return opened;
}

/** Waits until a page has its results: it loads again when they are there. */
function settled(page) {
  return page.waitForFunction(() => !document.querySelector("#results-pending"), { polling: 100 });
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

  test("the curves of training and validation grow", async () => {
    const { page, finish } = await visit(address, run);
    const measured = () => page.$$eval("#running .card .note", (notes) =>
      notes.map((note) => note.textContent).find((text) => text.startsWith("after epoch")));
    const first = await until("validation of an epoch", measured);
    assert.match(first, /validation_loss [\d.]+, validation_accuracy [\d.]+/);
    const titles = await page.$$eval("#running figure svg", (figures) => figures.map((svg) => svg.textContent));
    for (const measure of ["loss by epoch", "accuracy by epoch"]) {
      const title = titles.find((text) => text.includes(measure));
      assert.ok(title?.includes("validation") && title.includes("training"), `${measure}: ${titles}`);
    }
    await until("validation of a later epoch", async () => (await measured()) !== first);
    await finish();
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

describe("several runs that go on", () => {
  let project, address, server, training, gan, runs;
  before(async () => {
    project = await Project.create(TRAINING);
    await project.write("gan.yaml", GAN);
    training = project.start("run", "pipeline.yaml");
    gan = project.start("run", "gan.yaml");
    ({ address, server } = await until("a store", () => project.serve().catch(() => null)));
    const { page, finish } = await visit(address);
    runs = await until("both runs in the list", async () => {
      await page.reload();
      const rows = await page.$$eval("tbody tr", (rows) => rows.map((row) =>
        [row.cells[1].textContent, row.querySelector("a").getAttribute("href")]));
      return rows.length === 2 && Object.fromEntries(rows);
    });
    await finish();
  });
  after(() => project.remove());

  test("the newest samples of a GAN replace earlier ones", async () => {
    const { page, finish } = await visit(address, runs.gan);
    const picture = () => page.$eval("#running .sampled img", (img) =>
      img.complete && img.naturalWidth > 0 && [img.getAttribute("src"), img.alt]).catch(() => null);
    const [first, alt] = await until("samples", picture);
    assert.match(alt, /samples after epoch \d+ of gan/);
    await until("newer samples", async () => { const now = await picture(); return now && now[0] !== first; });
    await assertAccessible(page);
    await assertFits(page);
    await finish();
  });

  test("open pages continue when the server starts again, and each follows its own run", async () => {
    const pages = [];
    for (const run of [runs.training, runs.gan]) {
      // Each has a window of its own, because a page in the background is not kept up to date.
      const window = await browser.createBrowserContext();
      const { origin } = new URL(address);
      const page = await window.newPage();
      await page.goto(address);
      await page.goto(`${origin}${run}`);
      await settled(page);
      await page.evaluate(() => { globalThis.isSame = true; });
      pages.push({ page, window });
    }
    const { port } = new URL(address);
    server.kill("SIGINT");
    assert.equal(await server.ended, 0);
    for (const { page } of pages) {
      await page.bringToFront();
      await until("the note", () => page.$eval("#connection", (note) => !note.hidden));
    }
    ({ server } = await project.serve("--port", port));
    for (const { page } of pages) {
      await page.bringToFront();
      await until("the connection", () => page.$eval("#connection", (note) => note.hidden));
      const text = () => page.$eval("#running .card p", (part) => part.textContent);
      const before = await text();
      await until("progress", async () => (await text()) !== before);
      assert.ok(await page.evaluate(() => globalThis.isSame));
    }
    for (const { window } of pages) await window.close();
  });

  test("a run that is cancelled from another terminal ends on its page, and the other goes on", async () => {
    const { page, finish } = await visit(address, runs.gan);
    await project.runner("runs", "cancel", runs.gan.split("/").at(-1));
    assert.equal(await gan.ended, 143);
    await until("the state of the run", async () =>
      (await page.$eval("#summary", (part) => part.innerText).catch(() => "")).includes("cancelled"));
    await finish();
    const other = await visit(address, runs.training);
    assert.ok(await other.page.$("#running .card"));
    await other.finish();
    training.kill("SIGTERM");
    await training.ended;
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
    // The only metric of the only run.
    assert.equal(await page.$eval("thead th.num a", (link) => link.textContent), "one.m");
    assert.equal(await page.$eval("tbody td.num:nth-last-child(2)", (cell) => cell.textContent), "1");
    // The list may be replaced at any time, so links are not clicked with the mouse.
    const follow = (link) => Promise.all([page.waitForNavigation(), page.$eval(link, (link) => link.click())]);
    await follow("thead th.num a");
    assert.equal(await page.$eval("th[aria-sort]", (cell) => cell.textContent), "one.m");
    await follow("tbody th a");
    await page.waitForSelector("#stages-title");
    await settled(page);
    assert.equal(await page.$("form.cancel, details.start"), null);
    await follow("table.list tbody th a");
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
