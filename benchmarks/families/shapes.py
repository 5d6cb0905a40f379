"""Signed distances of shapes by a learnt start, after five steps (MetaSDF).

    python benchmarks/families/shapes.py [--seeds 0 1 2] [--steps 250]

Shapes are star-shaped curves r(φ) of five random Fourier terms, measured as signed distances at
24 x 24 places. 100 shapes teach a SIREN (2 layers of 48, omega0 20) its start and step sizes; 8
others judge it by the Chamfer distance of the zero contour (marching squares on 96 x 96 values of
the field) from the curve, in the unit of the box (-1, 1). "bilinear" is the contour of the measured
24 x 24 values themselves. One thread.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial import KDTree
from skimage.measure import find_contours
from torch import Tensor

import inverse_inr as ii
from inverse_inr import families
from inverse_inr.fidelity import L2

BOX = ii.Box((-1.0, -1.0), (1.0, 1.0))
GRID = ii.Grid(BOX, (24, 24))
FINE = ii.Grid(BOX, (96, 96))
OPTIONS = {"width": 48, "depth": 2, "omega0": 20.0}
RATE = 3e-3
"""Learning rate of the training, that of the crops."""
STEPS = 5


def same(image: Tensor) -> Tensor:
    """The identity, as a map of images."""
    return image


WHOLE = ii.OnGrid(same, GRID, GRID.shape)


def curve(generator: torch.Generator) -> Tensor:
    """A closed curve, (720, 2)."""
    angle = torch.arange(720, dtype=torch.float64) * (2 * math.pi / 720)
    radius = torch.full_like(angle, 0.55)
    for order in range(1, 6):
        a, b = 0.12 / order * torch.randn(2, generator=generator, dtype=torch.float64)
        radius = radius + a * torch.cos(order * angle) + b * torch.sin(order * angle)
    radius = radius.clamp(0.2, 0.9)
    return radius[:, None] * torch.stack([angle.cos(), angle.sin()], -1)


def problem(points: Tensor) -> ii.Problem:
    """The signed distances of a curve, measured on the grid."""
    places = GRID.points(torch.float64).reshape(-1, 2)
    distance, _ = KDTree(points.numpy()).query(places.numpy())
    turn = torch.atan2(places[:, 1], places[:, 0]) % (2 * math.pi)
    nearest = (turn / (2 * math.pi) * len(points)).round().long() % len(points)
    inside = places.norm(dim=1) < points.norm(dim=1)[nearest]
    y = torch.where(inside, -1.0, 1.0) * torch.from_numpy(distance)
    return ii.Problem([ii.Term(WHOLE, y.float(), L2())], BOX, GRID, average=1)


def chamfer(values: Tensor, grid: ii.Grid, points: Tensor) -> float:
    """Mean of the two mean distances between the zero contour of an image and a curve."""
    found = find_contours(values.double().numpy(), 0.0)
    if not found:
        return math.inf
    low, spacing = np.array(grid.box.lower), np.array(grid.spacing)
    contour = np.concatenate(found) * spacing + low + 0.5 * spacing
    one, _ = KDTree(points.numpy()).query(contour)
    other, _ = KDTree(contour).query(points.numpy())
    return float(0.5 * (one.mean() + other.mean()))


def mean_chamfer(solutions: Sequence[ii.Solution], curves: Sequence[Tensor]) -> float:
    """Mean over the shapes."""
    values = [
        chamfer(ii.sample(s.field, FINE)[..., 0].detach(), FINE, c)
        for s, c in zip(solutions, curves, strict=True)
    ]
    return sum(values) / len(values)


def measure(seed: int, steps: int) -> dict[str, float]:
    """Chamfer distance of each method."""
    generator = torch.Generator().manual_seed(seed)
    seen = [problem(curve(generator)) for _ in range(100)]
    curves = [curve(generator) for _ in range(8)]
    fresh = [problem(c) for c in curves]
    family = families.MetaLearned("siren", OPTIONS, inner_steps=STEPS)
    # untrained, its step sizes are all the one best for the first shapes
    untrained = families.Training(family, seen, seed=seed).family
    found = {"gradient descent, 5 steps": mean_chamfer([untrained.solve(p) for p in fresh], curves)}
    began = time.process_time()
    taught = families.train(family, seen, steps=steps, lr=RATE, seed=seed, callbacks=[])
    found["CPU seconds of the training"] = time.process_time() - began
    found["learnt start, 5 steps"] = mean_chamfer([taught.solve(p) for p in fresh], curves)
    for count in (50, 2000):
        fits = families.fit_many(fresh, options=OPTIONS, steps=count, lr=1e-3, seed=seed)
        found[f"Adam, {count} steps"] = mean_chamfer(fits, curves)
    pixels = [p.terms[0].y.reshape(GRID.shape) for p in fresh]
    values = [chamfer(v, GRID, c) for v, c in zip(pixels, curves, strict=True)]
    found["bilinear"] = sum(values) / len(values)
    return found


def main() -> None:
    """Print the table of each seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=250)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for seed in arguments.seeds:
        for name, value in measure(seed, arguments.steps).items():
            print(f"seed {seed}  {name:32s} {value:9.5f}", flush=True)


if __name__ == "__main__":
    main()
