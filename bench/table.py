#!/usr/bin/env python3
"""Print measurements as a Markdown table.

Standard input has one measurement per line: workload, side (`a` or `b`) and JSON object, separated by tabs.
The first `a` of a workload is paired with its first `b`, and so on. The table has the median and the range of
the pairs' ratios: if the machine is slow for a while, this affects both sides of a pair, or shows as a wide
range.
"""

import argparse
import json
import statistics
import sys
from collections import defaultdict


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("a", help="name of side `a`, the baseline of the ratios")
    parser.add_argument("b", help="name of side `b`")
    names = parser.parse_args()

    measured: dict[str, dict[str, list[dict]]] = defaultdict(lambda: {"a": [], "b": []})
    for line in sys.stdin:
        workload, side, result = line.rstrip("\n").split("\t")
        measured[workload][side].append(json.loads(result))

    print(
        f"| workload | {names.a}, images/s | {names.b}, images/s | ratio | {names.a}, MiB | {names.b}, MiB |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for workload, sides in measured.items():
        rates = {side: [run["images_per_second"] for run in runs] for side, runs in sides.items()}
        peaks = {side: max(run["peak_rss_mib"] for run in runs) for side, runs in sides.items()}
        ratios = sorted(b / a for a, b in zip(rates["a"], rates["b"], strict=True))
        ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        a, b = (statistics.median(rates[side]) for side in "ab")
        print(f"| {workload} | {a:.1f} | {b:.1f} | {ratio} | {peaks['a']} | {peaks['b']} |")


if __name__ == "__main__":
    main()
