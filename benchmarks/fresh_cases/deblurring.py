"""Deblurring: motion, discs and Gaussians of several sizes, grey and colour, some much noise.

China and moon stood here, blurred by a disc and by a Gaussian; they were looked at before the trust
in the trained network was set.
"""

from __future__ import annotations

from typing import Any

import inverse_inr as ii
from fresh_cases.case import Case
from fresh_cases.photographs import picture
from inverse_inr import baselines
from inverse_inr.problems.restoration import deblur
from inverse_inr.problems.restoration.deconvolution import (
    richardson_lucy,
    tv_beyond_the_frame,
    wiener,
)


def cases() -> list[Case]:
    """Six inputs."""
    motion = {"kernel": "motion"}
    disc = {"kernel": "disc"}
    gaussian = {"kernel": "gaussian"}
    return [
        _case("flower, grey, motion 9 px, 1 %", "flower", 3, False, size=9.0, angle=70.0, **motion),
        _case(
            "tissue, grey, disc 7 px, 0.5 %", "ihc", 2, False, size=7.0, **disc, noise_level=5e-3
        ),
        _case(
            "coins, grey, Gaussian 1.5 px, 2 %",
            "coins",
            2,
            False,
            size=1.5,
            **gaussian,
            noise_level=0.02,
        ),
        _case("rocket, colour, disc 5 px, 1 %", "rocket", 3, True, size=5.0, **disc),
        _case(
            "retina, grey, Gaussian 2 px, 0.5 %",
            "retina",
            3,
            False,
            size=2.0,
            **gaussian,
            noise_level=5e-3,
        ),
        _case(
            "motorcycle, colour, motion 12 px, 3 %",
            "motorcycle_left",
            4,
            True,
            size=12.0,
            **motion,
            noise_level=0.03,
        ),
    ]


def _case(name: str, image: str, bin: int, colour: bool, **options: Any) -> Case:
    def make(seed: int) -> ii.Problem:
        return deblur(picture(image, 96, bin=bin, colour=colour), seed=seed, **options)

    simple = {
        "Wiener": wiener,
        "Richardson-Lucy": richardson_lucy,
        "TV, mirrored": baselines.tv,
        "TV, no boundary": tv_beyond_the_frame,
    }
    oracle = {"TV, no boundary, oracle": lambda p: tv_beyond_the_frame(p, "oracle")}
    return Case(f"{name}, 96²", make, simple, oracle)
