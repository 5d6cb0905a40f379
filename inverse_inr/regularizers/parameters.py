"""Regularizers of a prior's parameters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.evaluation import Field, Memo
from inverse_inr.regularizers.weighted import Regularizer


@dataclass(frozen=True)
class WeightDecay(Regularizer):
    """Sum of squares of the prior's parameters."""

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        module = _module(self, field)
        return torch.stack([p.abs().square().sum() for p in module.parameters()]).sum()

    def residuals(self, field: Field, points: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Name the squares that the sum is of, exactly (`HasResiduals`).

        Args:
            field: The field, a prior.
            points: (n, d) points of the box, which do not count.

        Returns:
            The parameters and their weight 2.
        """
        parameters = [p for p in _module(self, field).parameters() if p.requires_grad]
        return [(p * 1, torch.full_like(p, 2, dtype=p.dtype.to_real())) for p in parameters]


@dataclass(frozen=True)
class PriorPenalty(Regularizer):
    """The penalty that an architecture asks of its own parameters, e.g. INCODE's.

    It is the sum of `penalty()` over the prior's parts that have one (`hooks.HasPenalty`).
    Evaluating it raises TypeError if none has.
    """

    def __call__(self, field: Field, points: Tensor) -> Tensor:
        own = [m for m in _module(self, field).modules() if hasattr(m, "penalty")]
        if not own:
            raise TypeError("PriorPenalty: this prior has no penalty of its own; 'incode' has one.")
        return torch.stack([m.penalty() for m in own]).sum()  # pyright: ignore[reportCallIssue]


def _module(regularizer: Regularizer, field: Field) -> torch.nn.Module:
    module = field
    if isinstance(field, Memo):
        module = field.module
    if not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"{type(regularizer).__name__} needs a prior with parameters, "
            f"not {type(module).__name__}."
        )
    return module
