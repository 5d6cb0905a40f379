"""Coil maps of a fully sampled, noisy scan beside their truth.

    python benchmarks/kspace_physics/coil_maps.py [--seeds 101 102 103]

Rms over the object of the sine between maps and truth, by ESPIRiT and by low-resolution images,
from the central samples of k-space. Noise is that of a coil image, relative to its brightest pixel.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr.operators import (
    CartesianKSpace,
    birdcage_maps,
    centred_box,
    espirit_maps,
    low_resolution_maps,
)

SIZES = ((64, 4), (128, 8))
"""Pixels along both axes, and coils."""
NOISE = (0.005, 0.02, 0.05, 0.1, 0.2)
"""Noise levels."""
WIDTHS = (24, 48, 72)
"""Central samples along each axis."""


def region(size: int, coils: int, level: float, seed: int) -> tuple[Tensor, ii.Grid, Tensor]:
    """Noisy k-space (coils, n, n), its grid, and the true maps of unit length, zero outside."""
    grid = ii.Grid(centred_box((size, size), (2 / size,) * 2), (size, size))
    maps = birdcage_maps(grid.box, coils)
    field = ii.phantoms.shepp_logan(grid.box)
    image, seen = ii.sample(field, grid), ii.sample(maps, grid)
    operator = CartesianKSpace(grid, torch.ones(grid.shape, dtype=torch.bool))
    brightest = float((image * seen).abs().max())
    sigma = level * brightest * grid.spacing[0] * grid.spacing[1] * size
    y = maps.fourier(field.fourier, operator.frequencies)
    y = ii.noise.ComplexGaussian(sigma).sample(y, torch.Generator().manual_seed(seed))
    truth = seen / torch.linalg.vector_norm(seen, dim=-1, keepdim=True) * (image > 0.05)
    return operator.lattice(y.to(torch.complex64)), grid, truth.movedim(-1, 0)


def sine(maps: Tensor, truth: Tensor) -> float:
    """Rms of the sine between maps and truth where there is something."""
    inside = truth.abs().sum(0) > 0
    cosine = (maps.conj() * truth).sum(0).abs()[inside].clamp(max=1)
    return float((1 - cosine.square()).mean().sqrt())


def main() -> None:
    """Print a line for each size and noise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103])
    seeds = parser.parse_args().seeds
    for size, coils in SIZES:
        for level in NOISE:
            said = f"{size} pixels, {coils} coils, noise {level:g}:"
            for width in WIDTHS:
                inner = slice(max(0, size // 2 - width // 2), size // 2 + width // 2)
                errors = []
                for seed in seeds:
                    full, grid, truth = region(size, coils, level, seed)
                    centre = full[:, inner, inner]
                    found = espirit_maps(centre, grid), low_resolution_maps(centre, grid)
                    errors.append([sine(maps, truth) for maps in found])
                means = torch.tensor(errors).mean(0).tolist()
                said += f"  {width}: {means[0]:.3f} ({means[1]:.3f})"
            print(said, flush=True)


if __name__ == "__main__":
    main()
