#!/usr/bin/env python3
"""Measure how fast runner and b3sum read sources, and print a Markdown table. Called by bench/sources.sh."""

import argparse
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

LARGE = 4 << 30
MANY = 100_000
# Longer than the resolution of file times that runner assumes. Afterwards it trusts unchanged times.
REST = 2.5

PIPELINE = """\
version: 1
name: sources
stages:
  images:
    kind: dataset
    params: {{ source: {source}, image_size: 16 }}
"""


class Bench:
    def __init__(self, runner: str, b3sum: str, data: Path, pairs: int) -> None:
        self.runner, self.b3sum, self.data, self.pairs = runner, b3sum, data, pairs
        self.list = data / "list"

    def large(self) -> tuple[str, list[float], list[float]]:
        """Measure a large file that runner has not read before."""
        with open(self.data / "large", "wb") as file:
            for _ in range(LARGE >> 24):
                file.write(os.urandom(1 << 24))
        self.list.write_bytes(b"large\0")
        self.pipeline("{ npz: { path: large } }")
        return "4 GiB in a file", *self.in_turn(self.cold)

    def many(self) -> tuple[str, list[float], list[float]]:
        """Measure many small files that runner has not read before."""
        self.make_many()
        return "100,000 files", *self.in_turn(self.cold)

    def warm(self) -> tuple[str, list[float], list[float]]:
        """Measure many small files that runner has read before."""
        self.make_many()
        time.sleep(REST)
        self.cold()
        return "100,000 files, again", *self.in_turn(self.status)

    def make_many(self) -> None:
        numbers = random.Random(1)
        names = []
        for folder in ("train/NORMAL", "train/PNEUMONIA", "test/NORMAL", "test/PNEUMONIA"):
            (self.data / "many" / folder).mkdir(parents=True, exist_ok=True)
            for index in range(MANY // 4):
                name = f"many/{folder}/person{index:05}.jpeg"
                (self.data / name).write_bytes(numbers.randbytes(numbers.randint(1000, 6000)))
                names.append(name.encode())
        self.list.write_bytes(b"\0".join(names) + b"\0")
        self.pipeline("{ folder: { path: many } }")

    def pipeline(self, source: str) -> None:
        (self.data / "pipeline.yaml").write_text(PIPELINE.format(source=source))

    def in_turn(self, runner: Callable[[], float]) -> tuple[list[float], list[float]]:
        """Return the seconds of b3sum and of runner, after a run of each to bring the files into memory."""
        self.sums(), runner()
        pairs = [(self.sums(), runner()) for _ in range(self.pairs)]
        return [a for a, _ in pairs], [b for _, b in pairs]

    def sums(self) -> float:
        with open(self.list, "rb") as names:
            return self.timed(["xargs", "-0", self.b3sum], names)

    def cold(self) -> float:
        shutil.rmtree(self.data / "artifacts", ignore_errors=True)
        return self.status()

    def status(self) -> float:
        return self.timed([self.runner, "status", "pipeline.yaml", "--artifacts", "artifacts"])

    def timed(self, command: list[str], stdin: object = subprocess.DEVNULL) -> float:
        started = time.perf_counter()
        subprocess.run(command, cwd=self.data, stdin=stdin, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - started


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((l.split(": ")[1] for l in lines if l.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runner", required=True)
    parser.add_argument("--b3sum", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--pairs", required=True, type=int)
    parser.add_argument("parts", nargs="+", choices=["large", "many", "warm"])
    args = parser.parse_args()
    bench = Bench(args.runner, args.b3sum, args.data, args.pairs)

    version = subprocess.run([args.b3sum, "--version"], capture_output=True, text=True, check=True)
    cores = len(os.sched_getaffinity(0))
    print(
        f"{date.today()}, {processor()}, {cores} cores, {version.stdout.strip()},"
        f" median of {args.pairs} pairs\n"
    )
    print("| source | b3sum, s | runner, s | ratio |")
    print("| --- | --- | --- | --- |")
    for part in args.parts:
        print(f"measuring {part} ...", file=sys.stderr)
        name, a, b = getattr(bench, part)()
        ratios = sorted(x / y for x, y in zip(a, b, strict=True))
        ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"| {name} | {statistics.median(a):.3f} | {statistics.median(b):.3f} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
