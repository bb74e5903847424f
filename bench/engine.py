"""Compares runner's engine with make, DVC and Snakemake. Called by bench/engine.sh."""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

CHAINS = 10
RUNS = int(os.environ.get("RUNS", "5"))
PARTS = ["noop", "first", "large", "sweep", "version"]
# Takes minutes, so it runs only if it is named.
LONG = ["scale"]


def upstream(index):
    return index - CHAINS if index >= CHAINS else None


def write_runner(folder, count):
    lines = ["version: 1", "name: bench", "stages:"]
    for i in range(count):
        inputs = "" if upstream(i) is None else f"inputs: {{ before: s{upstream(i)} }}, "
        params = f"{{ shell: true, argv: echo {i} > o{i}, outputs: {{ o: o{i} }} }}"
        lines.append(f"  s{i}: {{ kind: command, {inputs}params: {params} }}")
    (folder / "bench.yaml").write_text("\n".join(lines) + "\n")


def write_make(folder, count):
    lines = ["all: " + " ".join(f"o{i}" for i in range(count))]
    for i in range(count):
        before = "" if upstream(i) is None else f" o{upstream(i)}"
        lines.append(f"o{i}:{before}\n\techo {i} > o{i}")
    (folder / "Makefile").write_text("\n".join(lines) + "\n")


def write_dvc(folder, count):
    lines = ["stages:"]
    for i in range(count):
        lines.append(f"  s{i}:\n    cmd: echo {i} > o{i}\n    outs: [o{i}]")
        if upstream(i) is not None:
            lines.append(f"    deps: [o{upstream(i)}]")
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n")


def write_snakemake(folder, count):
    lines = ["rule all:", "    input: " + ", ".join(f"'o{i}'" for i in range(count))]
    for i in range(count):
        lines.append(f"rule s{i}:")
        if upstream(i) is not None:
            lines.append(f"    input: 'o{upstream(i)}'")
        lines.append(f"    output: 'o{i}'\n    shell: 'echo {i} > o{i}'")
    (folder / "Snakefile").write_text("\n".join(lines) + "\n")


def call(command, folder):
    """Runs a command to its end. Returns its wall time in seconds and its peak memory in MiB."""
    null = subprocess.DEVNULL
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdin=null, stdout=null, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{errors.decode()}")
    return seconds, usage.ru_maxrss / 1024


def measure(sides):
    """Calls every side in turn, RUNS times. Returns the medians of each side's time and memory."""
    taken = {name: [] for name in sides}
    for _ in range(RUNS):
        for name, side in sides.items():
            taken[name].append(side())
    median = lambda name, at: statistics.median(one[at] for one in taken[name])
    return {name: (median(name, 0), median(name, 1)) for name in sides}


def table(title, medians):
    print(f"\n{title}\n\n| | median | relative to runner | memory |\n| --- | --- | --- | --- |")
    base = medians["runner"][0]
    for name, (seconds, mib) in medians.items():
        shown = f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
        print(f"| {name} | {shown} | {seconds / base:.2f} | {mib:.0f} MiB |")


def noop(runner, tools, root):
    dvc = tools / "dvc"
    every = {
        "runner": (write_runner, [[runner, "run", "bench.yaml", "-q"]]),
        "make": (write_make, [["make", "-s"]]),
        "DVC": (write_dvc, [["git", "init", "-q"], [dvc, "init", "-q"], [dvc, "repro", "-q"]]),
        "Snakemake": (write_snakemake, [[tools / "snakemake", "--cores", "2", "-q", "all"]]),
    }
    sides = {}
    for name, (write, commands) in every.items():
        folder = root / f"noop-{name}"
        folder.mkdir()
        write(folder, 100)
        for command in commands:
            call(command, folder)
        sides[name] = lambda command=commands[-1], folder=folder: call(command, folder)
    table("A run of 100 cached stages", measure(sides))


def first(runner, tools, root):
    number = iter(range(10**6))

    def fresh(write, command):
        folder = root / f"first-{next(number)}"
        folder.mkdir()
        write(folder, 1000)
        return call(command, folder)

    sides = {
        "runner": lambda: fresh(write_runner, [runner, "run", "bench.yaml", "-q", "-j2"]),
        "make": lambda: fresh(write_make, ["make", "-s", "-j2"]),
    }
    table("The first run of 1,000 stages, two at a time", measure(sides))


def large(runner, tools, root):
    folder = root / "large"
    folder.mkdir()
    write_runner(folder, 10_000)
    write_make(folder, 10_000)
    number = iter(range(10**6))
    cold = lambda: call([runner, "status", "bench.yaml", "--artifacts", f"none-{next(number)}"], folder)
    table("A plan of 10,000 stages with an empty store", measure({"runner": cold}))
    run, make = [runner, "run", "bench.yaml", "-q"], ["make", "-s", "-j2"]
    call(run, folder)
    call(make, folder)
    sides = {"runner": lambda: call(run, folder), "make": lambda: call(make, folder)}
    table("A run of 10,000 cached stages", measure(sides))


SWEEP = """version: 1
name: bench
vars: { n: 0 }
stages:
  echo:
    kind: command
    params: { shell: true, argv: "echo ${n} > out", outputs: { out: out } }
sweep:
  axes: { n: { int_uniform: [1, TRIALS] } }
"""


def write_sweep(folder, trials):
    folder.mkdir()
    (folder / "sweep.yaml").write_text(SWEEP.replace("TRIALS", str(trials)))


def sweep(runner, tools, root):
    folder = root / "sweep"
    write_sweep(folder, 10_000)
    number = iter(range(10**6))
    plan = [runner, "sweep", "plan", "sweep.yaml", "--artifacts"]
    cold = lambda: call([*plan, f"none-{next(number)}"], folder)
    table("A plan of 10,000 trials with an empty store", measure({"runner": cold}))


def scale(runner, tools, root):
    """Measures commands on a store with the results of many trials. Only what takes long is measured once."""
    write_sweep(root / "scale-plan", 100_000)
    seconds, mib = call([runner, "sweep", "plan", "sweep.yaml"], root / "scale-plan")
    print(f"\nA plan of 100,000 trials with an empty store: {seconds:.2f} s, {mib:.0f} MiB", flush=True)
    for trials in (10_000, 40_000):
        folder = root / f"scale-{trials}"
        write_sweep(folder, trials)
        commands = {
            "plan, nothing is there": ([runner, "sweep", "plan", "sweep.yaml", "--artifacts", "none"], RUNS),
            "first run": ([runner, "run", "sweep.yaml", "-q"], 1),
            "plan, everything is there": ([runner, "sweep", "plan", "sweep.yaml"], RUNS),
            "run, everything is there": ([runner, "run", "sweep.yaml", "-q"], RUNS),
            "status": ([runner, "status", "sweep.yaml"], RUNS),
            "runs list": ([runner, "runs", "list"], RUNS),
            "cache info": ([runner, "cache", "info"], RUNS),
            "cache gc, nothing to remove": ([runner, "cache", "gc"], RUNS),
            "cache verify": ([runner, "cache", "verify"], 1),
        }
        print(f"\n{trials:,} trials\n\n| | time | for each trial | memory |\n| --- | --- | --- | --- |")
        for name, (command, times) in commands.items():
            taken = []
            for _ in range(times):
                shutil.rmtree(folder / "none", ignore_errors=True)
                taken.append(call(command, folder))
            seconds, mib = (statistics.median(one[at] for one in taken) for at in (0, 1))
            print(f"| {name} | {seconds:.2f} s | {seconds / trials * 1e6:.0f} µs | {mib:.0f} MiB |", flush=True)
        found = [files for _, _, files in os.walk(folder)]
        print(f"\n{sum(map(len, found)):,} files, {len(found):,} folders")


def version(runner, tools, root):
    table("`runner --version`", measure({"runner": lambda: call([runner, "--version"], root)}))


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    runner, tools = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).absolute()
    parts = sys.argv[3:] or PARTS
    unknown = [part for part in parts if part not in PARTS + LONG]
    if unknown:
        sys.exit(f"engine.sh: unknown part `{unknown[0]}`; the parts are {', '.join(PARTS + LONG)}")
    for name in list(os.environ):
        if name.startswith("RUNNER_"):
            del os.environ[name]
    os.environ["DVC_NO_ANALYTICS"] = "1"
    print(f"{date.today()}, {os.cpu_count()} cores, {processor()}, medians of {RUNS}")
    root = Path(tempfile.mkdtemp(prefix="engine-"))
    try:
        for part in parts:
            globals()[part](runner, tools, root)
    finally:
        shutil.rmtree(root)


main()
