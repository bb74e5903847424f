"""Draws points of two classes, as CSV: x, y, class."""

import os
import random
import sys

random.seed(int(os.environ["RUNNER_SEED"]))
with open("points.csv", "w") as file:
    for _ in range(int(sys.argv[1])):
        label = random.randrange(2)
        x, y = random.gauss(label, 0.7), random.gauss(-label, 0.7)
        file.write(f"{x:.6f},{y:.6f},{label}\n")
