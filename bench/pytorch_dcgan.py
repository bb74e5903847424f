#!/usr/bin/env python3
"""Measure how fast PyTorch trains a DCGAN on this machine.

This is the counterpart of `runner bench gan`: 4×4 convolutions of stride 2 between the image and 4×4 pixels,
with 64 filters next to the image and twice as many after each halving, up to 512; leaky ReLU; tanh at the end
of the generator, one logit at the end of the discriminator. A step updates the discriminator on a real and a
generated batch, then the generator; rates count real images. Adam, 32-bit floats (TF32 on a GPU), random
images. Prints one JSON object.
"""

import argparse
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn

import yardstick

SLOPE = 0.2


def filters(size: int) -> list[int]:
    """Return the filters after each halving of the image's side, from the image inwards."""
    halvings = (size // 4).bit_length() - 1
    return [min(64 << halving, 512) for halving in range(halvings)]


def activated(convolution: nn.Module, norm: bool) -> list[nn.Module]:
    """Return a convolution, optional batch normalization, and a leaky ReLU."""
    between = [nn.BatchNorm2d(convolution.out_channels)] if norm else []
    return [convolution, *between, nn.LeakyReLU(SLOPE)]


def generator(arguments: argparse.Namespace) -> nn.Sequential:
    """Return the network from noise to an image."""
    inwards = filters(arguments.image_size)
    outwards = inwards[::-1]
    layers = activated(nn.ConvTranspose2d(arguments.latent, outwards[0], 4), arguments.batch_norm)
    for before, after in pairwise(outwards):
        doubling = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)
        layers += activated(doubling, arguments.batch_norm)
    last = nn.ConvTranspose2d(outwards[-1], arguments.channels, 4, stride=2, padding=1)
    return nn.Sequential(*layers, last, nn.Tanh())


def discriminator(arguments: argparse.Namespace) -> nn.Sequential:
    """Return the network from an image to a logit."""
    inwards = filters(arguments.image_size)
    layers: list[nn.Module] = []
    for index, (before, after) in enumerate(zip([arguments.channels, *inwards], inwards)):
        halving = nn.Conv2d(before, after, 4, stride=2, padding=1)
        layers += activated(halving, arguments.batch_norm and index > 0)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inwards[-1] * 4 * 4, 1))


def prepare(arguments: argparse.Namespace, layout: torch.memory_format) -> Callable[[], None]:
    """Return a training step, which updates both networks."""
    size, batch = arguments.image_size, arguments.batch_size
    forger = generator(arguments).to(memory_format=layout)
    judge = discriminator(arguments).to(memory_format=layout)
    real = (2 * torch.rand(batch, arguments.channels, size, size) - 1).to(memory_format=layout)
    criterion = nn.BCEWithLogitsLoss()
    forgers, judges = (
        torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999)) for network in (forger, judge)
    )
    genuine, forged = torch.ones(batch, 1), torch.zeros(batch, 1)

    def step() -> None:
        fake = forger(torch.randn(batch, arguments.latent, 1, 1))
        judges.zero_grad()
        loss = criterion(judge(real), genuine) + criterion(judge(fake.detach()), forged)
        loss.backward()
        judges.step()
        forgers.zero_grad()
        criterion(judge(fake), genuine).backward()
        forgers.step()

    return step


if __name__ == "__main__":
    parser = yardstick.parser(__doc__, batch_size=64, steps=5)
    parser.add_argument("--latent", type=int, default=100, metavar="N", help="length of a noise vector")
    parser.add_argument("--batch-norm", action="store_true")
    arguments = parser.parse_args()
    yardstick.report("dcgan", arguments, prepare, batch_norm=arguments.batch_norm)
