"""Edges at equal noise: the fit of two channels beside Paganin's filter, blurred to its noise.

    python benchmarks/ct_physics/phase_edges.py [--seeds 0 1 2 --weights 1 0.3]

Noise is the standard deviation about a quadratic surface in the middle of the water, in % of the
aluminium's value. Paganin's filter is told the ratio of aluminium; each of its distances is blurred
by the Gaussian that brings it down to the fit's noise, and the sharpest is shown. The width of the
aluminium's edge is from 10 % to 90 %, in pixels. Fits with smaller weights have more noise.
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
WIDEST = 6.0
"""The widest Gaussian, in pixels."""
HALVINGS = 16
"""Halvings by which its width is found."""


def noise(judge: Judge, image: Tensor, channel: int) -> float:
    """Noise in the middle of the water, in % of the aluminium's value."""
    inside = judge.middle["water"]
    x, y = (judge.problem.grid.points()[inside] / judge.problem.box.upper[0]).unbind(-1)
    surface = torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y], 1)
    values = image[inside][:, channel : channel + 1]
    left = values - surface @ torch.linalg.lstsq(surface, values).solution
    peak = judge.truth[judge.middle["aluminium"]][:, channel].mean()
    return float(100 * left.std() / peak)


def blurred(image: Tensor, width: float) -> Tensor:
    """An image behind a Gaussian, each channel on its own."""
    return torch.from_numpy(gaussian_filter(image.numpy(), (width, width, 0)))


def brought_down(image: Tensor, wanted: float, of: Callable[[Tensor], float]) -> float:
    """The width of the Gaussian that brings an image down to a noise; 0 if it has no more."""
    low, high = 0.0, WIDEST
    if of(image) <= wanted:
        return 0.0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if of(blurred(image, middle)) > wanted:
            low = middle
        else:
            high = middle
    return high


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
        judge.show("fit", fit)
        for channel, name in enumerate(CHANNELS):
            wanted = noise(judge, fit, channel)
            beside = []
            for d, image in enumerate(filtered):
                width = brought_down(image, wanted, lambda i, c=channel: noise(judge, i, c))
                same = blurred(image, width)
                beside.append((judge.edge(same, channel), d, width, noise(judge, same, channel)))
            edge, distance, width, left = min(beside)
            print(
                f"  weight {weight:g}, {name:12s} noise {wanted:.2f} edge "
                f"{judge.edge(fit, channel):.2f} px; Paganin, z{distance}, blurred by {width:.2f} "
                f"px: noise {left:.2f} edge {edge:.2f} px",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--weights", type=float, nargs="+", default=[1.0], help="of the variation")
    given = parser.parse_args()
    for number in given.seeds:
        measure(number, given.weights)
