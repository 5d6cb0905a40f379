"""Fidelities of shapes: clamped distances, and the cross entropy of insides."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.ranges import Positive, checked


@checked
@dataclass(frozen=True)
class ClampedL1:
    """mean |clamp(f) - clamp(y)|, between -limit and limit: only what is near the surface counts.

    Args:
        limit: The largest distance that is told from larger ones, in the box's unit.

    Source:
        Park et al. 2019, DeepSDF, eq. 9; Sitzmann et al. 2020, MetaSDF, section 4.
    """

    limit: Positive

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        a, b = (v.clamp(-self.limit, self.limit) for v in (prediction, y))
        return (a - b).abs().mean()


@dataclass(frozen=True)
class CrossEntropy:
    """The mean cross entropy of insides y, 0 or 1, and the field's logits.

    Source:
        Mescheder et al. 2019, Occupancy Networks, eq. 4.
    """

    def __call__(self, prediction: Tensor, y: Tensor) -> Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(prediction, y.to(prediction))
