"""Linear operators of mrpro: modules that take (other, coils, z, y, x) and give a tuple."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverse_inr.compose import OnGrid
from inverse_inr.domain import Grid
from inverse_inr.ranges import checked


class _OneImage(nn.Module):
    """A module of tuples as a map of one image."""

    def __init__(self, operator: nn.Module, lead: int) -> None:
        super().__init__()
        self.operator = operator
        self.lead = lead

    def forward(self, image: Tensor) -> Tensor:
        complex_image = image.to(image.dtype.to_complex())
        answer = self.operator(complex_image[(None,) * self.lead])
        if not isinstance(answer, tuple) or len(answer) != 1:
            raise TypeError(f"it answers with a {type(answer).__name__}.")
        return answer[0]


@checked
def from_mrpro(operator: nn.Module, grid: Grid) -> OnGrid:
    """Make an operator of a `mrpro.operators.LinearOperator` on images of one channel.

    Args:
        operator: A module that maps a complex tensor (1, 1, z, y, x) to a tuple of one tensor.
        grid: The lattice of the image: (y, x) or (z, y, x).

    Returns:
        The operator, whose natural shape is that of the measurements, ones included.

    Raises:
        ValueError: The module does not take such images, or gives something else.
    """
    name = type(operator).__name__
    seen = _OneImage(operator, 5 - grid.ndim)
    try:
        with torch.no_grad():
            y = seen(torch.zeros(grid.shape))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ValueError(
            f"from_mrpro: {name} does not map an image of shape "
            f"{(*(1,) * seen.lead, *grid.shape)} to a tuple of one tensor: {error}"
        ) from error
    return OnGrid(seen, grid, tuple(y.shape))
