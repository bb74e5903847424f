"""Common parts of the PyTorch measurements in this folder."""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable

import torch

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
# Measurements before those that count, in which memory is allocated and kernels are chosen.
WARM_UP = 2
# Steps per measurement on a GPU. As in training, they are launched without waiting in between.
STEPS_AT_ONCE = 10


def parser(description: str, batch_size: int, steps: int) -> argparse.ArgumentParser:
    """Return a parser with the options of every measurement."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image-size", type=int, default=64, metavar="PIXELS")
    parser.add_argument("--channels", type=int, default=3, metavar="N")
    parser.add_argument("--batch-size", type=int, default=batch_size, metavar="N")
    parser.add_argument("--steps", type=int, default=steps, metavar="N", help="measurements to take the median of")
    parser.add_argument(
        "--layout",
        choices=(*LAYOUTS, "both"),
        default="both",
        help="memory layout of images; `both` measures one after the other and counts the faster one",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, metavar="N", help="default: PyTorch's own choice")
    return parser


def median_rate(step: Callable[[], float | None], images: int, steps: int, device: str) -> float:
    """Return the images per second of the median measurement. A step may return the seconds that count."""
    at_once = STEPS_AT_ONCE if device == "cuda" else 1
    seconds = []
    for _ in range(WARM_UP + steps):
        start = time.perf_counter()
        for _ in range(at_once):
            measured = step()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start if measured is None else measured)
    return images * at_once / statistics.median(seconds[WARM_UP:])


def use(device: str) -> None:
    """Create everything on a device from now on. On a GPU, choose the fastest settings of eager mode: TF32 in
    products and convolutions, and cuDNN's algorithms by trial."""
    torch.set_default_device(device)
    if device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True


def report(
    model: str,
    arguments: argparse.Namespace,
    prepare: Callable[[argparse.Namespace, torch.memory_format], Callable[[], float | None]],
    **options: object,
) -> None:
    """Measure the step that `prepare` returns, in the requested layouts, and print one JSON object, which
    includes `options`."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    use(arguments.device)
    layouts = LAYOUTS if arguments.layout == "both" else [arguments.layout]
    rates = {}
    for layout in layouts:
        torch.manual_seed(0)
        step = prepare(arguments, LAYOUTS[layout])
        rates[layout] = round(median_rate(step, arguments.batch_size, arguments.steps, arguments.device), 1)
    result = {
        "model": model,
        "image_size": arguments.image_size,
        "channels": arguments.channels,
        "batch_size": arguments.batch_size,
        **options,
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        **rates,
        "images_per_second": max(rates.values()),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(result))
