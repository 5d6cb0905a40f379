"""Fusion on scenes on which nothing was chosen: other photographs, cameras, materials and blurs.

Settings were chosen on scikit-image's astronaut, coffee and cat with `fusion`'s own materials, and
on Jasper Ridge.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

import inverse_inr as ii
from fresh_cases.case import Case
from inverse_inr import Box, Grid
from inverse_inr.operators import SpectralResponse
from inverse_inr.problems.spectral import fusion
from inverse_inr.problems.spectral.data import photograph
from inverse_inr.problems.spectral.from_colours import camera, measured
from inverse_inr.problems.spectral.fused.problem import coarse_pixels, fused
from inverse_inr.problems.spectral.scenes import WAVELENGTHS, SpectralScene

SIZE = 64


def picture(name: str) -> Tensor:
    """A photograph of scikit-image as (SIZE, SIZE, 3) in [0, 1]."""
    import skimage.data

    return photograph(str(Path(skimage.data.__file__).parent / name), SIZE)


def materials(count: int, generator: torch.Generator) -> Tensor:
    """Random reflectances (count, n) at `WAVELENGTHS`: bumps on a floor, some with a step."""
    waves = torch.from_numpy(WAVELENGTHS).float()

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, generator=generator)

    spectra = uniform(0.02, 0.3).expand(-1, len(waves)).clone()
    for _ in range(3):
        centre, width = uniform(400, 720), uniform(15, 80)
        spectra += uniform(0, 0.5) * torch.exp(-0.5 * ((waves - centre) / width) ** 2)
    edge = torch.sigmoid((waves - uniform(440, 680)) / uniform(4, 25))
    return spectra + uniform(-0.4, 0.6) * edge


def painted(name: str, seed: int, count: int = 8) -> SpectralScene:
    """A photograph of random materials: mixed by colour and, slowly, by place.

    Pixels of one colour have other spectra at another place, so no map of colours is exact.
    """
    generator = torch.Generator().manual_seed(1000 + seed)
    image = picture(name)
    line = torch.linspace(-1, 1, SIZE)
    place = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1)
    hue = image / (image.mean(-1, keepdim=True) + 0.05)
    features = torch.cat([3 * hue, 0.5 * place], -1)
    pull = features @ torch.randn(features.shape[-1], count, generator=generator)
    spectra = materials(count, generator).clamp(min=0.01)
    abundances = torch.softmax(pull, -1) * (0.03 + image.mean(-1, keepdim=True))
    abundances = abundances / float((abundances @ spectra).max())
    box = Box((0.0, 0.0, 420.0), (float(SIZE), float(SIZE), 700.0), ("px", "px", "nm"))
    return SpectralScene(abundances, spectra, box)


def grid_of(scene: SpectralScene, bands: int) -> Grid:
    """The cube's pixels and bands."""
    return Grid(scene.box, (SIZE, SIZE, bands))


def four_filters(grid: Grid) -> ii.OnGrid:
    """A multispectral camera of four filters with flat tops, unlike the colours of an eye."""
    knots = torch.arange(420.0, 701.0, 5.0, dtype=torch.float64)
    edges = ((430, 500), (490, 560), (580, 640), (650, 700))
    curves = [torch.sigmoid((knots - a) / 6) * torch.sigmoid((b - knots) / 6) for a, b in edges]
    space = Grid(Box(grid.box.lower[:2], grid.box.upper[:2], grid.box.units[:2]), grid.shape[:2])
    return SpectralResponse(knots, torch.stack(curves, -1), space, normalized=True).on(grid)


def from_painted(
    name: str,
    materials_seed: int,
    seed: int,
    *,
    bands: int,
    factor: int,
    noise: float,
    blur: float = 0.0,
    filters: bool = False,
) -> ii.Problem:
    """A fusion of a painted photograph."""
    scene = painted(name, materials_seed)
    grid = grid_of(scene, bands)
    cube = scene.sample(grid)
    seen = camera(grid)
    if filters:
        seen = four_filters(grid)
    fine = measured(seen, cube, noise, 100 + seed)
    coarse = measured(coarse_pixels(grid, factor, blur), cube, noise, 200 + seed)
    return fused(fine, coarse, grid, reference=scene)


def cases() -> list[Case]:
    """Eight scenes: five photographs, ratios 4 to 16, 28 to 60 bands, 0.5 to 3 % noise."""

    def simple(problem: ii.Problem, name: str) -> ii.Solution:
        return problem.suggested.baselines[name](problem)

    names = ("affine regression", "GSA", "subspace TV")
    methods = {name: lambda problem, name=name: simple(problem, name) for name in names}
    own = {"denoised regression": lambda problem: simple(problem, "denoised regression")}

    def case(words: str, make) -> Case:
        return Case(words, make, methods, own=own)

    return [
        case("rocket, pigments, 8x, 1 %", lambda seed: fusion("rocket", seed=100 + seed)),
        case(
            "retina, ColorChecker, 4x, blurred, 0.5 %",
            lambda seed: fusion(
                "retina",
                factor=4,
                blur=1.5,
                noise_level=0.005,
                reflectances="colorchecker",
                seed=100 + seed,
            ),
        ),
        case(
            "tissue, random materials, 31 bands, 8x, 1 %",
            lambda seed: from_painted("ihc.png", 1, seed, bands=31, factor=8, noise=0.01),
        ),
        case(
            "motorcycle, random materials, 60 bands, 16x, 1.5 %",
            lambda seed: from_painted(
                "motorcycle_left.png", 12, seed, bands=60, factor=16, noise=0.015
            ),
        ),
        case(
            "galaxies, random materials, 28 bands, 4x, 2.5 %",
            lambda seed: from_painted(
                "hubble_deep_field.jpg", 13, seed, bands=28, factor=4, noise=0.025
            ),
        ),
        case(
            "rocket, random materials, four filters, 40 bands, 8x, blurred, 1 %",
            lambda seed: from_painted(
                "rocket.jpg", 4, seed, bands=40, factor=8, noise=0.01, blur=2.0, filters=True
            ),
        ),
        case(
            "motorcycle, random materials, 28 bands, 4x, 0.5 %",
            lambda seed: from_painted(
                "motorcycle_right.png", 5, seed, bands=28, factor=4, noise=0.005
            ),
        ),
        case(
            "tissue, random materials, four filters, 48 bands, 16x, 1 %",
            lambda seed: from_painted(
                "ihc.png", 6, seed, bands=48, factor=16, noise=0.01, filters=True
            ),
        ),
    ]
