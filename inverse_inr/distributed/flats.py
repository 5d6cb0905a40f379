"""Parameters as flat lists of real numbers, which torch's FSDP2 divides between processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from inverse_inr.distributed.ranks import Ranks


class Flats(nn.Module):
    """Each parameter as a flat list of real numbers: these divide whatever its shape is.

    Args:
        owners: The parameters of the objective.
        evaluate: Puts the collected lists into the objective and asks it for the parts of the loss.
        ranks: The processes that share the fit.
    """

    def __init__(
        self, owners: Sequence[nn.Parameter], evaluate: Callable[..., Tensor], ranks: Ranks
    ) -> None:
        super().__init__()
        for k, own in enumerate(owners):
            self.register_parameter(f"flat_{k}", nn.Parameter(flattened(own.detach())))
        self._evaluate = evaluate
        self._ranks = ranks

    def forward(self, rows: Sequence[Tensor], points: Tensor) -> Tensor:
        """Compute the parts of the loss; FSDP collects the lists before.

        Args:
            rows: For each term, (b,) indices of the measurements to compare.
            points: (n, d) points of the box that regularizers see.
        """
        parts = self._evaluate(rows, points)
        # what waits for the end of a backward pass is called in this order: first this, then FSDP
        parts.register_hook(self._when_done)
        return parts

    def _when_done(self, _: Tensor) -> None:
        torch.autograd.Variable._execution_engine.queue_callback(self._agree)

    def _agree(self) -> None:
        """Let a parameter that some processes did not use have a gradient in all, or in none."""
        flats = list(self.parameters())
        anywhere = self._ranks.anywhere([flat.grad is not None for flat in flats])
        for flat, used in zip(flats, anywhere, strict=True):
            if used and flat.grad is None:
                flat.grad = torch.zeros_like(flat)


def flattened(value: Tensor) -> Tensor:
    """A tensor as a flat list of real numbers, of the same memory where that can be."""
    if value.is_complex():
        value = torch.view_as_real(value.resolve_conj())
    return value.reshape(-1)


def shaped(flat: Tensor, owner: Tensor) -> Tensor:
    """A flat list of real numbers as the parameter that it stands for.

    Args:
        flat: The list.
        owner: A tensor of the parameter's shape and type.
    """
    if owner.is_complex():
        return torch.view_as_complex(flat.view(*owner.shape, 2))
    return flat.view(owner.shape)


def local(part: Any) -> Tensor:
    """This process's part of a divided tensor."""
    assert isinstance(part, DTensor)
    return part.to_local()
