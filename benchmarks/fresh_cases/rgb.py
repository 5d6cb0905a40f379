"""Spectra from three colours, on scenes on which nothing was chosen.

Settings were chosen on scikit-image's astronaut, coffee and cat with `spectral_sr`'s own materials.
"""

from __future__ import annotations

import inverse_inr as ii
from fresh_cases.case import Case
from fresh_cases.fusion import grid_of, painted
from inverse_inr.problems.spectral import spectral_sr
from inverse_inr.problems.spectral.from_colours import camera, measured, spectra_of


def from_painted(name: str, materials_seed: int, seed: int, bands: int, noise: float) -> ii.Problem:
    """Three colours of a painted photograph."""
    scene = painted(name, materials_seed)
    grid = grid_of(scene, bands)
    term = measured(camera(grid), scene.sample(grid), noise, 100 + seed)
    return spectra_of(term, grid, reference=scene)


def cases() -> list[Case]:
    """Eight scenes: five photographs, 28 to 60 bands, 0.5 to 3 % noise."""

    def simple(problem: ii.Problem, name: str) -> ii.Solution:
        return problem.suggested.baselines[name](problem)

    names = ("smoothest spectra", "flattest spectra", "smoothest log spectra")
    methods = {name: lambda problem, name=name: simple(problem, name) for name in names}
    denoised = {"denoised log spectra": lambda problem: simple(problem, "denoised log spectra")}

    def generated(scene: str, reflectances, noise: float):
        return lambda seed: spectral_sr(
            scene, reflectances=reflectances, noise_level=noise, seed=100 + seed
        )

    def other(name: str, materials_seed: int, bands: int, noise: float):
        return lambda seed: from_painted(name, materials_seed, seed, bands, noise)

    made = {
        "rocket, pigments, 1 %": generated("rocket", "pigments", 0.01),
        "retina, ColorChecker, 0.5 %": generated("retina", "colorchecker", 0.005),
        "rocket, ColorChecker, 2 %": generated("rocket", "colorchecker", 0.02),
        "tissue, random materials, 31 bands, 1 %": other("ihc.png", 1, 31, 0.01),
        "motorcycle, random materials, 60 bands, 2 %": other("motorcycle_left.png", 2, 60, 0.02),
        "galaxies, random materials, 28 bands, 3 %": other("hubble_deep_field.jpg", 3, 28, 0.03),
        "rocket, random materials, 40 bands, 1 %": other("rocket.jpg", 4, 40, 0.01),
        "motorcycle, random materials, 28 bands, 0.5 %": other(
            "motorcycle_right.png", 5, 28, 0.005
        ),
    }
    return [Case(words, make, methods, own=denoised) for words, make in made.items()]
