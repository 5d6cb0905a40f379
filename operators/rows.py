"""What restoration operators share: rows of a natural shape, pixel centres by number, a lone channel dropped."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from inverse_inr import Grid, Query, flatten, unflatten


class RowOperator(nn.Module, ABC):
    """An operator whose row r is the r-th entry of the flattened `shape`. Deterministic until a solver trains it."""

    shape: tuple[int, ...]

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.eval()

    def __len__(self) -> int:
        return math.prod(self.shape)

    @abstractmethod
    def forward(self, rows: Tensor) -> Query: ...

    def flatten(self, y: Tensor) -> Tensor:
        return flatten(self, y)

    def unflatten(self, y: Tensor) -> Tensor:
        return unflatten(self, y)


class ArrayFunction(nn.Module):
    """A function of arrays together with the modules it uses, so that they move with the operator."""

    def __init__(self, function: Callable[[Tensor], Tensor], *parts: nn.Module | None) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(part for part in parts if part is not None)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def without_lone_channel(values: Tensor) -> Tensor:
    """(*s, 1) -> (*s,); several channels stay."""
    return values[..., 0] if values.shape[-1] == 1 else values


def pixel_centers(grid: Grid, pixels: Tensor) -> Tensor:
    """Centres of pixels given by flat index, (*s,) -> (*s, d), in float64: predict casts them to the field's."""
    index = torch.stack(torch.unravel_index(pixels, grid.shape), -1)
    lower = torch.tensor(grid.box.lower, dtype=torch.float64, device=pixels.device)
    return lower + torch.tensor(grid.spacing, dtype=torch.float64, device=pixels.device) * (index + 0.5)
