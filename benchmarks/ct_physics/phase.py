"""Phase contrast at three distances: attenuation and phase beside Paganin's filter.

    python benchmarks/ct_physics/phase.py [--seeds 0 1 2]

Each line has the error of the mean in the middle of each material, in attenuation and in phase, the
PSNR of both channels, and the width in pixels of the edge of the aluminium inserts from 10 % to
90 %, in attenuation. Paganin's filter takes the distance and the ratio of the material that it does
best with, by the truth ("oracle").
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch import Tensor, nn

import inverse_inr as ii
from inverse_inr.problems.ct import ct_phase
from inverse_inr.problems.ct.physics import phase_contrast
from inverse_inr.problems.ct.physics.fibre import fibre, refraction_ratio

INSIDE = 5
"""Pixels across the neighbourhood that must be of one material."""


class Judge:
    """The truth of a problem, and the middle of each of its materials."""

    def __init__(self, problem: ii.Problem, seed: int) -> None:
        assert problem.reference is not None
        self.problem = problem
        self.phantom = fibre(seed)
        self.truth = ii.sample(problem.reference, problem.grid, average=4).float()
        self.middle = {}
        for material, amount in zip(self.phantom.materials, self.phantom.amounts, strict=True):
            full = (ii.sample(amount, problem.grid, average=4)[..., 0] - 1).abs() < 1e-6
            edge = nn.functional.max_pool2d((~full)[None].float(), INSIDE, 1, INSIDE // 2)[0] > 0
            self.middle[material.name] = ~edge

    def psnr(self, image: Tensor) -> Tensor:
        """PSNR of each channel in dB."""
        peak = self.truth.amax((0, 1))
        return 10 * (peak.square() / (image - self.truth).square().mean((0, 1))).log10()

    def errors(self, image: Tensor) -> dict[str, list[float]]:
        """Errors of means in percent, by material: attenuation and phase."""
        means = {k: (image[m].mean(0), self.truth[m].mean(0)) for k, m in self.middle.items()}
        return {k: (100 * (a / b - 1)).tolist() for k, (a, b) in means.items()}

    def edge(self, image: Tensor, channel: int = 0) -> float:
        """Width of the aluminium's edge from 10 % to 90 %, in pixels: mean profile over radii."""
        amount = self.phantom.amounts[2]
        points = self.problem.grid.points().double()
        pitch = self.problem.grid.spacing[0]
        widths = []
        for center, axes in zip(amount.centers, amount.semi_axes, strict=True):
            scaled = ((points - center) / axes).norm(dim=-1)
            signed = ((scaled - 1) * float(axes.mean()) / pitch).flatten()
            near = signed.abs() < 6
            place = torch.arange(-5.75, 6, 0.5, dtype=torch.float64)
            bins = ((signed[near] + 6) / 0.5).long().clamp(0, 23)
            total = torch.zeros(24).index_add_(0, bins, image[..., channel].flatten()[near])
            profile = total / torch.bincount(bins, minlength=24).clamp(min=1)
            high, low = profile[:6].mean(), profile[-6:].mean()
            level = ((profile - low) / (high - low)).flip(0).numpy()
            level = np.maximum.accumulate(level)
            outer, inner = np.interp([0.1, 0.9], level, -place.flip(0).numpy())
            widths.append(abs(inner - outer))
        return float(np.mean(widths))

    def show(self, name: str, image: Tensor) -> None:
        """Print a line."""
        errors = "   ".join(f"{k} {a:+.1f} {b:+.1f} %" for k, (a, b) in self.errors(image).items())
        a, b = self.psnr(image).tolist()
        print(
            f"  {name:26s} {a:5.1f} {b:5.1f} dB   edge {self.edge(image):.2f} px   {errors}",
            flush=True,
        )


def measure(seed: int) -> None:
    """Print what each method reaches on one specimen."""
    problem = ct_phase(seed=seed)
    judge = Judge(problem, seed)
    print(f"seed {seed}")
    judge.show("truth", judge.truth)
    for material in judge.phantom.materials:
        ratio = refraction_ratio(material, 12.0)
        found = [phase_contrast.paganin_filtered(problem, d, ratio).sample() for d in range(3)]
        best = max(range(3), key=lambda d: float(judge.psnr(found[d])[0]))
        judge.show(f"Paganin, {material.name}, z{best}", found[best])
    weights = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    tried = [phase_contrast.transfer_inverted(problem, w).sample() for w in weights]
    judge.show("contrast transfer, oracle", max(tried, key=lambda i: float(judge.psnr(i).sum())))
    fit = phase_contrast.phase_fit(problem)
    judge.show(f"fit ({fit.seconds:.0f} s)", fit.image())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    for number in given.seeds:
        measure(number)
