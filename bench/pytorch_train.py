#!/usr/bin/env python3
"""Measure how fast PyTorch trains one of the paper's six CNNs on this machine.

This is the counterpart of `runner bench train`: the same layers as in pipelines/table1.yaml, binary
cross-entropy, Adam, 32-bit floats (TF32 on a GPU), random images. Prints one JSON object.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

import yardstick


@dataclass(frozen=True)
class Recipe:
    """Filters of each block's convolutions, and the options of the other layers."""

    blocks: tuple[tuple[int, ...], ...]
    dense: int = 128
    dropout: bool = False
    norm: bool = False
    penalty: float = 0.0


SINGLE = ((32,), (64,), (128,))
DOUBLE = ((16, 32), (32, 64), (128,))
RECIPES = {
    "model1": Recipe(SINGLE),
    "model2": Recipe(SINGLE, dropout=True),
    "model3": Recipe(SINGLE, dropout=True, norm=True),
    "model4": Recipe(DOUBLE, dropout=True, norm=True),
    "model5": Recipe(DOUBLE, dropout=True, norm=True, penalty=0.001),
    "model6": Recipe(((64,), (128,), (256,)), dense=256),
}


def network(recipe: Recipe, channels: int, size: int) -> nn.Sequential:
    """Return a network: blocks of 3×3 convolutions and a pooling, a hidden dense layer, and one logit."""
    layers: list[nn.Module] = []
    width = channels
    for block in recipe.blocks:
        for filters in block:
            layers += [nn.Conv2d(width, filters, kernel_size=3, padding="same"), nn.ReLU()]
            width = filters
        if recipe.norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.MaxPool2d(2))
        if recipe.dropout:
            layers.append(nn.Dropout(0.25))
    side = size // 2 ** len(recipe.blocks)
    layers += [nn.Flatten(), nn.Linear(width * side * side, recipe.dense), nn.ReLU()]
    if recipe.norm:
        layers.append(nn.BatchNorm1d(recipe.dense))
    if recipe.dropout:
        layers.append(nn.Dropout(0.5))
    layers.append(nn.Linear(recipe.dense, 1))
    return nn.Sequential(*layers)


def prepare(arguments: argparse.Namespace, layout: torch.memory_format) -> Callable[[], None]:
    """Return a training step: forward, loss, backward, update."""
    recipe = RECIPES[arguments.model]
    size, channels, batch = arguments.image_size, arguments.channels, arguments.batch_size
    model = network(recipe, channels, size).to(memory_format=layout)
    images = torch.rand(batch, channels, size, size).to(memory_format=layout)
    labels = (torch.arange(batch) % 2).float().unsqueeze(1)
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    kernels = [weights for weights in model.parameters() if weights.ndim > 1]

    def step() -> None:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        if recipe.penalty:
            penalties = (weights.abs().sum() + weights.square().sum() for weights in kernels)
            loss = loss + recipe.penalty * sum(penalties)
        loss.backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    parser = yardstick.parser(__doc__, batch_size=32, steps=8)
    parser.add_argument("--model", choices=RECIPES, default="model1")
    arguments = parser.parse_args()
    yardstick.report(arguments.model, arguments, prepare)
