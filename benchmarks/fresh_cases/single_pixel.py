"""A single-pixel camera: Hadamard and random patterns, several fractions and noise levels."""

from __future__ import annotations

from typing import Any

import inverse_inr as ii
from fresh_cases.case import Case
from fresh_cases.photographs import picture
from inverse_inr import baselines
from inverse_inr.problems.restoration import single_pixel


def cases() -> list[Case]:
    """Six inputs."""
    return [
        _case("flower, Hadamard, 25 %", "flower", 64, 4, fraction=0.25),
        _case("china, Hadamard, 50 %", "china", 64, 4, fraction=0.5),
        _case("rocket, random, 30 %", "rocket", 64, 5, fraction=0.3, patterns="random"),
        _case("coins, Hadamard, 15 %", "coins", 64, 4, fraction=0.15),
        _case("brick, random, 50 %", "brick", 64, 4, fraction=0.5, patterns="random"),
        _case("moon, Hadamard, 25 %, much noise", "moon", 64, 6, fraction=0.25, noise_level=5e-3),
    ]


def _case(name: str, image: str, size: int, bin: int, **options: Any) -> Case:
    def make(seed: int) -> ii.Problem:
        return single_pixel(picture(image, size, bin=bin), bin=1, crop=size, seed=seed, **options)

    return Case(f"{name}, {size}²", make, {"CGLS": baselines.cgls, "TV, held-out": baselines.tv})
