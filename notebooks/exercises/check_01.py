"""01: What is a field?"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from exercises import exercise, require, require_near


@exercise
def first(answer: Callable[[Tensor], Tensor]) -> None:
    """A disc of radius 0.5 around the origin, as a field."""
    draw = torch.Generator().manual_seed(0)
    for shape, dtype in (((7,), torch.float32), ((3, 50), torch.float64)):
        points = 2 * torch.rand(*shape, 2, generator=draw, dtype=dtype) - 1
        values = answer(points)
        require(
            values.shape == (*shape, 1),
            f"Points {tuple(points.shape)} gave {tuple(values.shape)}; one channel more.",
        )
        require(values.dtype == dtype, "Values have the precision of the points.")
        inside = points.square().sum(-1, keepdim=True) < 0.25
        require_near(
            values,
            inside.to(dtype),
            1e-6,
            "1 where |x| < 0.5, in units of the box, and 0 elsewhere.",
        )


@exercise
def second(answer: int) -> None:
    """The frequency up to which waves are needed for 99 % of an edge's power."""
    missing = 1.0
    k = -1
    while missing > 0.01:
        k += 2
        missing -= 8 / (math.pi * k) ** 2
    require(answer != k // 2 + 1, "The frequency of the last wave, not the number of waves.")
    require(
        answer == k,
        "The power of the wave k is proportional to 1/k², and the sum over odd k is π²/8.",
    )
