// The report of a run, opened from disk.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { assertAccessible, assertFits, launch, open } from "./browser.mjs";
import { png } from "./images.mjs";
import { Project } from "./runner.mjs";

const TABLE = `
version: 1
name: table
seed: 42
models:
  small: [{ conv: { filters: 4 } }, { max_pool: 4 }, flatten, { dense: { units: 1 } }]
  large: [{ conv: { filters: 8 } }, { max_pool: 2 }, flatten, { dense: { units: 1 } }]
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 80, test_images: 60 } }, image_size: 16, validation: 0.2 }
  cnn:
    kind: train-cnn
    matrix: { model: [small, large] }
    inputs: { train: xrays.train, validation: xrays.validation }
    params: { model: "\${matrix.model}", epochs: 3 }
  evaluate:
    kind: evaluate
    matrix: { model: [small, large] }
    inputs: { model: cnn, images: xrays.test }
    params: { positive: PNEUMONIA }
tables:
  results:
    title: "F1 <b>of</b> pneumonia"
    rows: model
    columns: [{ metric: evaluate.f1, title: f1 }, { metric: evaluate.accuracy }]
`;

const SWEEP = `
version: 1
name: sweep
seed: 1
vars: { rate: 0.5, size: 1 }
stages:
  score:
    kind: command
    params:
      argv: [sh, -c, 'echo "{\\"score\\": $0}" > m.json', "\${rate}", "\${size}"]
      metrics: m.json
sweep:
  axes: { rate: [0.1, 0.4, 0.2, 0.3], size: [1, 2] }
  objective: { metric: score.score, direction: maximize }
`;

const CLASSES = `
version: 1
name: classes
seed: 1
positive: NAME
stages:
  scans:
    kind: dataset
    params: { source: { folder: { path: data } }, image_size: 16, validation: 0.2 }
  cnn:
    kind: train-cnn
    inputs: { train: scans.train, validation: scans.validation }
    params: { model: [{ max_pool: 4 }, flatten, { dense: { units: COUNT } }], epochs: 1 }
  evaluate:
    kind: evaluate
    inputs: { model: cnn, images: scans.test }
    params: { bootstrap: 0 }
`;

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

/** Runs a pipeline, and returns the project and the address of its report. */
async function reported(pipeline) {
  const project = await Project.create(pipeline);
  await project.runner("run", "pipeline.yaml", "-q");
  await project.runner("report", "pipeline.yaml");
  return [project, pathToFileURL(project.path("report.html")).href];
}

describe("the report of a table", () => {
  let project, url;
  before(async () => { [project, url] = await reported(TABLE); });
  after(() => project.remove());

  for (const [width, dark] of [[1280, false], [1280, true], [400, false], [400, true]]) {
    test(`is accessible and fits ${width} px ${dark ? "dark" : "light"}`, async () => {
      const { page, finish } = await open(browser, url, { width, dark });
      await page.evaluate(() => { for (const block of document.querySelectorAll("details")) block.open = true; });
      await assertFits(page);
      await assertAccessible(page);
      await finish();
    });
  }

  test("leads from a cell to the evaluation, its figures and its misclassified images", async () => {
    const { page, finish } = await open(browser, url);
    const cell = await page.waitForSelector("#results tbody td a");
    const value = await cell.evaluate((link) => link.textContent);
    await cell.click();
    await page.waitForFunction(() => location.hash !== "");
    const target = new URL(page.url()).hash;
    const details = await page.$eval(target, (part) => ({
      visible: part.checkVisibility() && part.getBoundingClientRect().top < innerHeight,
      text: part.textContent,
      figures: part.querySelectorAll("figure svg").length,
      pictures: [...part.querySelectorAll(".mistakes img")].map((img) => img.complete && img.naturalWidth),
      named: [...part.querySelectorAll(".mistakes img")].every((img) => img.alt !== ""),
    }));
    assert.ok(details.visible, `${target} is not in view`);
    assert.ok(details.text.includes(value), `${value} is not in ${target}`);
    assert.ok(details.figures >= 3, `${details.figures} figures`);
    assert.ok(details.pictures.length > 0 && details.pictures.every((width) => width > 0), `${details.pictures}`);
    assert.ok(details.named);
    await finish();
  });

  test("sorts a table by a column, also with the keyboard", async () => {
    const { page, finish } = await open(browser, url);
    const column = () => page.$$eval("#results table.sortable tbody tr", (rows) =>
      rows.map((row) => Number(row.cells[1].dataset.key)));
    const header = await page.waitForSelector("#results table.sortable th:nth-child(2) button");
    await header.click();
    const ascending = await column();
    assert.deepEqual(ascending, [...ascending].sort((a, b) => a - b));
    await header.focus();
    await page.keyboard.press("Enter");
    assert.deepEqual(await column(), [...ascending].reverse());
    const order = await page.$eval("#results table.sortable th:nth-child(2)", (cell) => cell.getAttribute("aria-sort"));
    assert.equal(order, "descending");
    await finish();
  });

  test("shows names as text", async () => {
    const { page, finish } = await open(browser, url);
    assert.equal(await page.$("#results b"), null);
    assert.ok((await page.$eval("#results", (part) => part.textContent)).includes("F1 <b>of</b> pneumonia"));
    await finish();
  });

  test("changes its theme", async () => {
    const { page, finish } = await open(browser, url);
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await paper();
    await page.click("#theme");
    assert.notEqual(await paper(), light);
    await finish();
  });

  test("has tables and figures without JavaScript", async () => {
    const { page, finish } = await open(browser, url, { script: false });
    // The page's own script does not run, but Chromium's protocol still reads the document.
    const seen = await page.$$eval("#results .sortable tbody th", (cells) => cells.map((cell) => cell.textContent));
    assert.deepEqual(seen, ["small", "large"]);
    assert.ok((await page.$$("figure svg")).length >= 6);
    assert.ok((await page.$$eval("button", (buttons) => buttons.filter((b) => b.checkVisibility()).length)) === 0);
    const summary = await page.waitForSelector("#evaluations details summary");
    await summary.click();
    assert.ok(await page.$eval("#evaluations details[open] figure svg", (svg) => svg.checkVisibility()));
    await finish();
  });

  test("stops only at tables that scroll, and shows where the focus is", async () => {
    const { page, finish } = await open(browser, url, { width: 400 });
    const regions = await page.$$eval(".scroll:not(.canvas)", (found) => found.map((region) =>
      [region.scrollWidth > region.clientWidth + 1 || region.scrollHeight > region.clientHeight + 1, region.tabIndex === 0]));
    assert.ok(regions.length > 5);
    for (const [scrolls, stops] of regions) assert.equal(stops, scrolls);
    const seen = [];
    for (let press = 0; press < 12; press++) {
      await page.keyboard.press("Tab");
      seen.push(await page.evaluate(() => {
        const focused = document.activeElement;
        return [focused.textContent.trim().slice(0, 20), getComputedStyle(focused).outlineStyle];
      }));
    }
    assert.equal(seen[0][0], "Skip to the content");
    assert.match(seen[1][0], /^(Dark|Light) theme$/);
    assert.equal(seen[2][0], "Summary");
    for (const [text, outline] of seen) assert.notEqual(outline, "none", text);
    await finish();
  });

  test("describes every figure and picture in words", async () => {
    const { page, finish } = await open(browser, url);
    const texts = await page.$$eval("svg[role=img]", (figures) => figures.map((svg) =>
      svg.getAttribute("aria-labelledby").split(" ").map((id) => document.getElementById(id).textContent)));
    assert.ok(texts.length >= 6);
    for (const [title, description] of texts) {
      assert.ok(description.length > title.length && /\d/.test(description), `${title}: ${description}`);
    }
    const graph = await page.$eval("svg.chart", (svg) => svg.getAttribute("aria-label"));
    assert.ok(graph.startsWith("graph of 5 stages: 5 succeeded"), graph);
    const pictures = await page.$$eval("img", (images) => images.map((image) => image.alt));
    assert.ok(pictures.length > 0 && pictures.every((alt) => alt.length > 10), `${pictures}`);
    await finish();
  });

  test("prints everything, and no controls", async () => {
    const { page, finish } = await open(browser, url);
    // A4 without margins of 12 mm.
    await page.setViewport({ width: 703, height: 1030 });
    await page.emulateMediaType("print");
    await page.evaluate(() => { for (const block of document.querySelectorAll("details")) block.open = true; });
    const cut = await page.$$eval("table", (tables) =>
      tables.filter((table) => table.getBoundingClientRect().right > 704).map((table) => table.caption.textContent));
    assert.deepEqual(cut, []);
    const hidden = await page.$$eval("figure svg", (figures) => figures.filter((svg) => !svg.checkVisibility()).length);
    const headers = await page.$eval("#results th:nth-child(2)", (cell) => cell.innerText.trim());
    assert.equal(headers.replace(/\W+$/, ""), "f1");
    const pdf = await page.pdf({ format: "A4" });
    assert.ok(pdf.length > 50_000);
    assert.equal(hidden, 0, `${hidden} figures are not printed`);
    await finish();
  });
});

/** Classifies images of `count` classes with long names, and returns the project and the address of its report. */
async function classified(count) {
  const names = [...Array(count).keys()].map((at) => `left_ventricular_hypertrophy_with_strain_pattern_${at + 1}`);
  const project = await Project.create(CLASSES.replace("NAME", names[0]).replace("COUNT", count));
  for (const [at, name] of names.entries()) {
    for (const split of ["train", "test"]) {
      const folder = project.path(`data/${split}/${name}`);
      await mkdir(folder, { recursive: true });
      for (let image = 0; image < 5; image++) {
        const noise = split === "train" ? 31 : 53;
        const bytes = png(16, (x, y) => (x * 7 + y * 3 + at * 19 + image * noise + (x * y * image) % 11) % 256);
        await writeFile(`${folder}/${image}.png`, bytes);
      }
    }
  }
  await project.runner("run", "pipeline.yaml", "-q");
  await project.runner("report", "pipeline.yaml");
  return [project, pathToFileURL(project.path("report.html")).href, names];
}

describe("the report of classes with long names", () => {
  for (const count of [3, 12]) {
    for (const width of [400, 1280]) {
      test(`shows ${count} classes at ${width} px`, async () => {
        const [project, url, names] = await classified(count);
        const { page, finish } = await open(browser, url, { width });
        await assertFits(page);
        const tables = await page.$$eval(".confusion, .classes", (found) => found.map((table) => {
          const cells = [...table.querySelectorAll("th, td")];
          const region = table.closest(".scroll");
          return {
            cut: cells.filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.textContent),
            widest: Math.max(...cells.map((cell) => cell.offsetWidth)),
            share: Math.max(...[...table.querySelectorAll("tbody th")].map((cell) => cell.offsetWidth / region.clientWidth)),
            isHidden: region.scrollWidth > region.clientWidth + 1 && region.tabIndex !== 0,
            text: table.textContent,
          };
        }));
        assert.equal(tables.length, 2);
        for (const table of tables) {
          assert.deepEqual(table.cut, []);
          assert.ok(table.widest <= 260, `${table.widest} px`);
          // Names leave space for the numbers.
          assert.ok(table.share <= 0.5, `${table.share}`);
          assert.ok(!table.isHidden, "columns cannot be reached with the keyboard");
          for (const name of names) assert.ok(table.text.includes(name), name);
        }
        await assertAccessible(page);
        await finish();
        await project.remove();
      });
    }
  }
});

describe("the report of a sweep", () => {
  let project, url;
  before(async () => { [project, url] = await reported(SWEEP); });
  after(() => project.remove());

  const trials = (page) => page.$$eval("#trials tbody tr", (rows) =>
    rows.filter((row) => row.checkVisibility()).map((row) => Number(row.dataset.trial)));

  test("is accessible", async () => {
    const { page, finish } = await open(browser, url);
    await assertAccessible(page);
    await assertFits(page);
    await finish();
  });

  test("selects trials by dragging along an axis", async () => {
    const { page, finish } = await open(browser, url);
    assert.equal((await trials(page)).length, 8);
    const brush = await page.waitForSelector(".brush");
    await brush.evaluate((element) => element.scrollIntoView({ block: "center" }));
    const { x, y, width, height } = await brush.boundingBox();
    const middle = x + width / 2;
    await page.mouse.move(middle, y + 1);
    await page.mouse.down();
    await page.mouse.move(middle, y + height / 2, { steps: 4 });
    await page.mouse.up();
    const selected = await trials(page);
    assert.ok(selected.length > 0 && selected.length < 8, `${selected}`);
    await page.click("#brush button");
    assert.equal((await trials(page)).length, 8);
    await finish();
  });

  test("selects trials with the keyboard", async () => {
    const { page, finish } = await open(browser, url);
    const brush = await page.waitForSelector(".brush");
    await brush.evaluate((area) => area.focus());
    for (let press = 0; press < 3; press++) await page.keyboard.press("ArrowDown");
    const selected = await trials(page);
    assert.ok(selected.length < 8, `${selected}`);
    await page.keyboard.press("Escape");
    assert.equal((await trials(page)).length, 8);
    await finish();
  });

  test("sorts trials by their objective", async () => {
    const { page, finish } = await open(browser, url);
    const headers = await page.$$eval("#trials th[scope=col]", (cells) => cells.map((cell) => cell.textContent.trim()));
    const objective = headers.findIndex((title) => title.startsWith("score.score"));
    const buttons = await page.$$("#trials th[scope=col] button");
    await buttons[objective].click();
    const values = await page.$$eval("#trials tbody tr", (rows, at) => rows.map((row) => Number(row.cells[at].dataset.key)), objective);
    assert.deepEqual(values, [...values].sort((a, b) => a - b));
    assert.equal(new Set(values).size, 4);
    await finish();
  });
});
