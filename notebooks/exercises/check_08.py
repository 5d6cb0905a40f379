"""08: A spectrum from one snapshot."""

from collections.abc import Callable

import torch
from torch import Tensor

from exercises import exercise, require_near


@exercise
def first(answer: Callable[[Tensor, Tensor, int], Tensor]) -> None:
    """The snapshot of a cube through a mask, band l moved by l * step columns."""
    draw = torch.Generator().manual_seed(0)
    for step in (1, 2):
        cube = torch.rand(5, 6, 4, generator=draw)
        mask = (torch.rand(5, 6, generator=draw) < 0.5).float()
        expected = torch.zeros(5, 6 + 3 * step)
        for i in range(5):
            for j in range(6):
                for band in range(4):
                    expected[i, j + band * step] += mask[i, j] * cube[i, j, band]
        require_near(
            answer(cube, mask, step),
            expected,
            1e-5,
            "Mask first, then move, then add; nothing comes in again on the other side.",
        )


@exercise
def second(answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    """The angle between spectra, in degrees."""
    draw = torch.Generator().manual_seed(0)
    truth = torch.rand(4, 3, 8, generator=draw) + 0.1
    require_near(
        answer(3 * truth, truth),
        torch.zeros(4, 3),
        0.1,
        "Twice the light is the same spectrum: the angle is 0.",
    )
    found = torch.rand(4, 3, 8, generator=draw) + 0.1
    cosine = (found * truth).sum(-1) / (found.norm(dim=-1) * truth.norm(dim=-1))
    require_near(
        answer(found, truth),
        torch.rad2deg(torch.acos(cosine)),
        0.05,
        "arccos of the normalised product, in degrees, for each pixel.",
    )
