"""Edges and noise: the fit of two channels beside Paganin's filter, at equal edges and equal noise.

    python benchmarks/ct_physics/phase_edges.py [--seeds 0 1 2 --weights 1 0.03 0.003]

Noise is the standard deviation about a quadratic surface in the middle of the fibre, in % of the
aluminium's value. The width of the aluminium's edge is from 10 % to 90 %, in pixels. Paganin's
filter is told the ratio of aluminium. For each of its distances the least Gaussian is found that
makes its edge as wide as the fit's, or its noise as small; the distance with the least noise, or
with the sharpest edge, is shown. Weights of the fit are parts of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from phase import Judge
from scipy.ndimage import gaussian_filter
from torch import Tensor

from inverse_inr.problems.ct import ct_phase
from inverse_inr.problems.ct.physics import phase_contrast

CHANNELS = ("attenuation", "phase")
"""The field's channels."""
MIDDLE = 0.024
"""Radius of the middle of the fibre, in mm, which no insert reaches."""
WIDEST = 3.0
"""The widest Gaussian, in pixels."""
HALVINGS = 12
"""Halvings by which its width is found."""


def noise(judge: Judge, image: Tensor, channel: int) -> float:
    """Noise in the middle of the fibre, in % of the aluminium's value."""
    places = judge.problem.grid.points()
    inside = places.norm(dim=-1) < MIDDLE
    x, y = (places[inside] / MIDDLE).unbind(-1)
    surface = torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y], 1)
    values = image[inside][:, channel : channel + 1]
    left = values - surface @ torch.linalg.lstsq(surface, values).solution
    peak = judge.truth[judge.middle["aluminium"]][:, channel].mean()
    return float(100 * left.std() / peak)


def blurred(image: Tensor, width: float) -> Tensor:
    """An image behind a Gaussian, each channel on its own."""
    return torch.from_numpy(gaussian_filter(image.numpy(), (width, width, 0)))


def blurred_until(image: Tensor, enough: Callable[[Tensor], bool]) -> Tensor | None:
    """The image behind the least Gaussian that is enough; None where the widest is not."""
    low, high = 0.0, WIDEST
    if enough(image):
        return image
    if not enough(blurred(image, high)):
        return None
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if enough(blurred(image, middle)):
            high = middle
        else:
            low = middle
    return blurred(image, high)


def beside(judge: Judge, images: list[Tensor], fit: Tensor, channel: int) -> str:
    """Paganin's filter at the edge of the fit, and at its noise."""
    edge, least = judge.edge(fit, channel), noise(judge, fit, channel)
    wide = [blurred_until(i, lambda v: judge.edge(v, channel) >= edge) for i in images]
    quiet = [blurred_until(i, lambda v: noise(judge, v, channel) <= least) for i in images]
    said = f"edge {edge:.2f} px, noise {least:.2f}; Paganin"
    noises = [noise(judge, i, channel) for i in wide if i is not None]
    said += f" at this edge: noise {min(noises):.2f}" if noises else " has no such edge"
    edges = [judge.edge(i, channel) for i in quiet if i is not None]
    return said + (f"; at this noise: edge {min(edges):.2f} px" if edges else "; no such noise")


def measure(seed: int, weights: list[float]) -> None:
    """Print edges and noise of one specimen."""
    problem = ct_phase(seed=seed)
    judge = Judge(problem, seed)
    filtered = [phase_contrast.paganin_filtered(problem, d).sample() for d in range(3)]
    print(f"seed {seed}, truth: edge {judge.edge(judge.truth):.2f} px")
    for d, image in enumerate(filtered):
        print(
            f"  Paganin, z{d}: edge {judge.edge(image):.2f} px, noise {noise(judge, image, 0):.2f}"
        )
    for weight in weights:
        fit = phase_contrast.phase_fit(problem, weight * phase_contrast.WEIGHT).image()
        judge.show(f"fit, weight {weight:g}", fit)
        for channel, name in enumerate(CHANNELS):
            print(f"    {name:12s} {beside(judge, filtered, fit, channel)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--weights", type=float, nargs="+", default=[1.0, 0.03, 0.003], help="of TV"
    )
    given = parser.parse_args()
    for number in given.seeds:
        measure(number, given.weights)
