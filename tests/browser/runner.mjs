// Runs the program in new folders, which are removed at the end.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** The program under test. */
export const RUNNER = resolve(process.env.RUNNER ?? join(ROOT, "target/release/runner"));

/** A folder with a pipeline in `pipeline.yaml`. */
export class Project {
  static async create(pipeline) {
    const folder = await mkdtemp(join(tmpdir(), "runner-browser-"));
    await writeFile(join(folder, "pipeline.yaml"), pipeline);
    return new Project(folder);
  }

  constructor(folder) {
    this.folder = folder;
    // Configuration and tokens belong in the folder, too.
    this.options = { cwd: folder, env: { ...process.env, HOME: folder, XDG_CONFIG_HOME: join(folder, ".config") } };
    this.processes = [];
  }

  path(name) {
    return join(this.folder, name);
  }

  /** Writes another file into the folder. */
  async write(name, text) {
    await writeFile(this.path(name), text);
  }

  /** Runs the program to its end, and returns what it printed. Fails unless it succeeds. */
  async runner(...args) {
    return promisify(execFile)(RUNNER, args, this.options);
  }

  /** Starts a process, and returns it without waiting for its end. */
  start(...args) {
    const process = spawn(RUNNER, args, { ...this.options, stdio: ["ignore", "pipe", "ignore"] });
    process.ended = new Promise((done) => process.on("exit", (code) => done(code)));
    this.processes.push(process);
    return process;
  }

  /** Starts a server, on a free port unless `args` name one. Returns its address, which contains the token. */
  async serve(...args) {
    const port = args.includes("--port") ? [] : ["--port", "0"];
    const server = this.start("serve", ...port, ...args);
    for await (const line of createInterface({ input: server.stdout })) {
      if (line.startsWith("http://")) return { server, address: line.trim() };
    }
    throw new Error("the server ended without an address");
  }

  async remove() {
    for (const process of this.processes) process.kill("SIGKILL");
    await Promise.all(this.processes.map(({ ended }) => ended));
    await rm(this.folder, { recursive: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** Waits until `condition` returns something true, and returns it. */
export async function until(what, condition, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((wake) => setTimeout(wake, 100));
  }
}
