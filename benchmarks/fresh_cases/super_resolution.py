"""Enlarging: photographs and textures, two to four times, some with noise."""

from __future__ import annotations

from typing import Any

import inverse_inr as ii
from fresh_cases.case import Case
from fresh_cases.photographs import picture
from inverse_inr import baselines
from inverse_inr.problems.restoration import super_resolution
from inverse_inr.problems.restoration.classical import bicubic


def cases() -> list[Case]:
    """Six inputs."""
    return [
        _case("flower, grey, 4x", "flower", 3, False, factor=4),
        _case("china, grey, 3x", "china", 2, False, factor=3),
        _case("tissue, colour, 2x, 1 % noise", "ihc", 2, True, factor=2, noise_level=0.01),
        _case("motorcycle, colour, 4x", "motorcycle_left", 4, True, factor=4),
        _case("coins, grey, 3x, 2 % noise", "coins", 2, False, factor=3, noise_level=0.02),
        _case("grass, grey, 2x", "grass", 2, False, factor=2),
    ]


def _case(name: str, image: str, bin: int, colour: bool, **options: Any) -> Case:
    def make(seed: int) -> ii.Problem:
        return super_resolution(picture(image, 96, bin=bin, colour=colour), seed=seed, **options)

    return Case(f"{name}, 96²", make, {"bicubic": bicubic, "TV, held-out": baselines.tv})
