"""Inpainting: pixels lost at random, in lines, to a Bayer filter; some with noise."""

from __future__ import annotations

from typing import Any

import inverse_inr as ii
from fresh_cases.case import Case, Method
from fresh_cases.photographs import picture
from inverse_inr import baselines
from inverse_inr.problems.restoration import inpaint
from inverse_inr.problems.restoration.classical import biharmonic, nearest_known

FILL: dict[str, Method] = {"biharmonic": biharmonic, "TV, held-out": baselines.tv}


def cases() -> list[Case]:
    """Six inputs."""
    return [
        _case("flower, grey, 20 %", "flower", 96, 3, False, keep=0.2),
        _case("china, grey, 10 %", "china", 96, 2, False, keep=0.1),
        _case("brick, grey, 50 %", "brick", 96, 2, False, keep=0.5),
        _case("rocket, colour, 20 %, 2 % noise", "rocket", 96, 3, True, keep=0.2, noise_level=0.02),
        _case(
            "coins, grey, one line in three", "coins", 96, 1, False, keep=1 / 3, pattern="stripes"
        ),
        _case("motorcycle, colour, 30 %", "motorcycle_left", 96, 4, True, keep=0.3),
        _case(
            "china, Bayer",
            "china",
            96,
            3,
            True,
            simple={"nearest": nearest_known, "TV, held-out": baselines.tv},
            pattern="bayer",
        ),
    ]


def _case(
    name: str,
    image: str,
    size: int,
    bin: int,
    colour: bool,
    simple: dict[str, Method] | None = None,
    **options: Any,
) -> Case:
    def make(seed: int) -> ii.Problem:
        return inpaint(picture(image, size, bin=bin, colour=colour), seed=seed, **options)

    return Case(f"{name}, {size}²", make, simple or FILL)
