"""Edges and noise: the fit of two channels beside Paganin's filter, blurred to equal edges.

    python benchmarks/ct_physics/phase_edges.py [--seeds 0 1 2 --weights 1 0.3]

Noise is the standard deviation about a quadratic surface in the middle of the fibre, in % of the
aluminium's value. The width of the aluminium's edge is from 10 % to 90 %, in pixels. Paganin's
filter is told the ratio of aluminium; for each of its distances the Gaussian is found that makes
its edge as wide as the fit's, and the one with the least noise is shown.
"""

from __future__ import annotations

import argparse

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


def widened(judge: Judge, image: Tensor, edge: float, channel: int) -> Tensor:
    """The image behind the Gaussian that makes its edge so wide; as it is where it is wider."""
    low, high = 0.0, WIDEST
    if judge.edge(image, channel) >= edge:
        return image
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if judge.edge(blurred(image, middle), channel) < edge:
            low = middle
        else:
            high = middle
    return blurred(image, high)


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
        fit = phase_contrast.phase_fit(problem, weight * phase_contrast.WEIGHT).sample()
        judge.show(f"fit, weight {weight:g}", fit)
        for channel, name in enumerate(CHANNELS):
            edge = judge.edge(fit, channel)
            beside = [widened(judge, image, edge, channel) for image in filtered]
            least = min(beside, key=lambda image, c=channel: noise(judge, image, c))
            own, its = (noise(judge, image, channel) for image in (fit, least))
            print(
                f"  {name:12s} edge {edge:.2f} px, noise {own:.2f}; Paganin edge "
                f"{judge.edge(least, channel):.2f} px, noise {its:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--weights", type=float, nargs="+", default=[1.0], help="of the variation")
    given = parser.parse_args()
    for number in given.seeds:
        measure(number, given.weights)
