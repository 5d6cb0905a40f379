"""Video from one exposure: images that pan at several speeds, and a stack that changes."""

from __future__ import annotations

from typing import Any

import inverse_inr as ii
from fresh_cases.case import Case
from fresh_cases.photographs import picture
from inverse_inr import baselines
from inverse_inr.problems.restoration import video_snapshot


def cases() -> list[Case]:
    """Six inputs."""
    return [
        _case("flower pans by 1 px", "flower", motion=1.0, frames=8),
        _case("china pans by 0.5 px", "china", motion=0.5, frames=8),
        _case("rocket pans by -1 px", "rocket", motion=-1.0, frames=6),
        _case("coins pan by 2 px", "coins", motion=2.0, frames=4),
        _case("brick pans by 1 px, 3 % noise", "brick", motion=1.0, frames=6, noise_level=0.03),
        _case("moon is still", "moon", motion=0.0, frames=6),
    ]


def _case(name: str, image: str, size: int = 40, **options: Any) -> Case:
    bins = {"flower": 4, "china": 4, "rocket": 4, "coins": 3, "brick": 4, "moon": 4}

    def make(seed: int) -> ii.Problem:
        wide = picture(image, size + 36, bin=bins[image])
        return video_snapshot(wide, bin=1, crop=size, seed=seed, **options)

    return Case(f"{name}, {options['frames']} x {size}²", make, {"TV, held-out": baselines.tv})
