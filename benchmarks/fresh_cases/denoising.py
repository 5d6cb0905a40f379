"""Denoising: grey and colour, 10, 25 and 50 grey levels of noise, and few photons.

Brick and rocket stood here; they were looked at when the collaborative filter was made.
"""

from __future__ import annotations

from typing import Any

import inverse_inr as ii
from fresh_cases.case import Case
from fresh_cases.photographs import picture
from inverse_inr import baselines
from inverse_inr.problems.restoration import denoise
from inverse_inr.problems.restoration.classical import nonlocal_means
from inverse_inr.problems.restoration.denoisers import patch_denoisers


def cases() -> list[Case]:
    """Nine inputs: photographs, textures and a camera's noise."""
    return [
        _case("flower, grey, 10", "flower", 96, 3, False, noise_level=10 / 255),
        _case("china, grey, 25", "china", 128, 2, False, noise_level=25 / 255),
        _case("tissue, grey, 25", "ihc", 96, 2, False, noise_level=25 / 255),
        _case("grass, grey, 50", "grass", 96, 2, False, noise_level=50 / 255),
        _case("coins, grey, 50", "coins", 128, 1, False, noise_level=50 / 255),
        _case("retina, colour, 25", "retina", 96, 3, True, noise_level=25 / 255),
        _case("motorcycle, colour, 50", "motorcycle_left", 96, 4, True, noise_level=50 / 255),
        _case("moon, grey, 30 photons", "moon", 96, 3, False, photons=30.0),
        _case("china, colour, 30 photons", "china", 96, 3, True, photons=30.0),
    ]


def _case(name: str, image: str, size: int, bin: int, colour: bool, **noise: Any) -> Case:
    def make(seed: int) -> ii.Problem:
        return denoise(picture(image, size, bin=bin, colour=colour), seed=seed, **noise)

    simple = {**patch_denoisers(), "non-local means": nonlocal_means, "TV, held-out": baselines.tv}
    return Case(f"{name}, {size}²", make, simple)
