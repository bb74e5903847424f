#!/usr/bin/env python3
"""Measure how fast Pillow decodes and resizes a folder of images on this machine's CPU.

This is the counterpart of `runner bench data --path`: every image of DIR/<split>/<CLASS>/ is opened,
converted to gray or RGB and resized with a Lanczos filter, by several worker processes. Before the measured
passes, the workers are started and read every file once. Prints one JSON object with the rate of the median
pass.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import sys
import time
from functools import partial
from pathlib import Path

import PIL
from PIL import Image

SUFFIXES = {".jpeg", ".jpg", ".png"}


def read(path: str, mode: str, size: int, draft: bool) -> int:
    """Decode and resize one image. The bytes stay in the worker, so no time is spent on sending them."""
    with Image.open(path) as image:
        if draft:
            image.draft(mode, (size, size))
        pixels = image.convert(mode).resize((size, size), Image.Resampling.LANCZOS).tobytes()
    return len(pixels)


def peak_mib() -> int:
    """Return an upper bound of the peak resident memory of this process and its workers. Every worker is
    assumed to be as large as the largest, and shared pages are counted in each of them."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (own + worker * arguments.processes) // 1024


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--path", type=Path, required=True, metavar="DIR")
    parser.add_argument("--image-size", type=int, default=64, metavar="PIXELS")
    parser.add_argument("--channels", type=int, default=3, choices=(1, 3))
    parser.add_argument("--passes", type=int, default=5, metavar="N")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument(
        "--draft", action="store_true", help="let the decoder shrink JPEG files: faster, but gives other pixels"
    )
    return parser.parse_args()


def main() -> None:
    files = sorted(str(path) for path in arguments.path.glob("*/*/*") if path.suffix.lower() in SUFFIXES)
    if not files:
        sys.exit(f"no images <split>/<CLASS>/*.jpeg in {arguments.path}")
    mode = "L" if arguments.channels == 1 else "RGB"
    work = partial(read, mode=mode, size=arguments.image_size, draft=arguments.draft)
    seconds = []
    with multiprocessing.Pool(arguments.processes) as pool:
        for index in range(arguments.passes + 1):
            start = time.perf_counter()
            pool.map(work, files, chunksize=64)
            if index > 0:
                seconds.append(time.perf_counter() - start)
        pool.close()
        pool.join()
    print(
        json.dumps(
            {
                "what": "decode",
                "image_size": arguments.image_size,
                "channels": arguments.channels,
                "processes": arguments.processes,
                "images": len(files),
                "draft": arguments.draft,
                "pillow": PIL.__version__,
                "images_per_second": round(len(files) / statistics.median(seconds), 1),
                "peak_rss_mib": peak_mib(),
            }
        )
    )


if __name__ == "__main__":
    arguments = parse()
    main()
