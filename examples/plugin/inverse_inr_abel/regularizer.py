"""A penalty for fields that rise with the radius, as densities of flames do not."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr import Field
from inverse_inr.regularizers import Regularizer


@dataclass(frozen=True)
class Rising(Regularizer):
    """mean max(f(r + h) − f(r), 0)² / h².

    Args:
        step: The distance h, in the unit of the box.
    """

    step: float = 0.01

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        rise = (field(points + self.step) - field(points)) / self.step
        return torch.relu(rise).square().mean()
