"""Fits a logistic regression to a CSV file of points by stochastic gradient descent."""

import argparse
import json
import math
import os
import random

arguments = argparse.ArgumentParser()
arguments.add_argument("data")
arguments.add_argument("--rate", type=float, required=True)
arguments.add_argument("--epochs", type=int, default=30)
options = arguments.parse_args()

with open(options.data) as file:
    points = [tuple(map(float, line.split(","))) for line in file]
train, test = points[: len(points) * 3 // 4], points[len(points) * 3 // 4 :]
weights = [0.0, 0.0, 0.0]


def probability(x, y):
    return 1 / (1 + math.exp(-(weights[0] + weights[1] * x + weights[2] * y)))


def measure(points):
    likelihoods = [probability(x, y) if label else 1 - probability(x, y) for x, y, label in points]
    return {
        "accuracy": sum(likelihood > 0.5 for likelihood in likelihoods) / len(points),
        "loss": {
            "value": -sum(map(math.log, likelihoods)) / len(points),
            "direction": "minimize",
        },
    }


random.seed(int(os.environ["RUNNER_SEED"]))
for epoch in range(options.epochs):
    random.shuffle(train)
    for x, y, label in train:
        error = label - probability(x, y)
        for at, feature in enumerate((1.0, x, y)):
            weights[at] += options.rate * error * feature
    print(f"epoch {epoch + 1}: {measure(train)['loss']['value']:.4f}")

with open("model.json", "w") as file:
    json.dump({"weights": weights}, file)
with open("metrics.json", "w") as file:
    json.dump({"train": measure(train), "test": measure(test)}, file)
