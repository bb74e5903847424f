#!/usr/bin/env python3
"""Measure how fast PyTorch computes a depthwise convolution on this machine.

This is the counterpart of `runner bench depthwise`: the forward pass, or the gradients of input, weight and bias, of
random images. Prints one JSON object.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn

import yardstick


def prepare(arguments: argparse.Namespace, layout: torch.memory_format) -> Callable[[], float]:
    """Return a step, which returns the seconds of the pass that is measured."""
    size, channels, kernel = arguments.image_size, arguments.channels, arguments.kernel
    images = torch.rand(arguments.batch_size, channels, size, size).to(memory_format=layout).requires_grad_()
    convolution = nn.Conv2d(channels, channels, kernel, arguments.stride, kernel // 2, groups=channels)
    convolution = convolution.to(memory_format=layout)
    wanted = (images, convolution.weight, convolution.bias)

    def forward() -> float:
        with torch.no_grad():
            start = time.perf_counter()
            convolution(images)
            return time.perf_counter() - start

    def backward() -> float:
        output = convolution(images)
        factors = torch.rand_like(output)
        start = time.perf_counter()
        torch.autograd.grad(output, wanted, factors)
        return time.perf_counter() - start

    return forward if arguments.measured == "forward" else backward


def main() -> None:
    parser = yardstick.parser(__doc__, batch_size=32, steps=20)
    parser.add_argument("--kernel", type=int, default=3, metavar="PIXELS")
    parser.add_argument("--stride", type=int, default=1, metavar="PIXELS")
    parser.add_argument("--pass", dest="measured", choices=("forward", "backward"), default="forward")
    arguments = parser.parse_args()
    yardstick.report("depthwise", arguments, prepare, kernel=arguments.kernel, stride=arguments.stride)


if __name__ == "__main__":
    main()
