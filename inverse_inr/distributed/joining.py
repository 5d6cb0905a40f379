"""Values of all processes in each of them, with gradients that find the way back.

The convention: every process computes the whole loss, and gradients of parameters are averaged over
the processes. A value that one process alone has computed for all must therefore get the sum of
their gradients.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable


class _Joined(torch.autograd.Function):
    """(*s) in each process -> (world, *s) in all."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, alike: bool) -> Tensor:
        ctx.alike = alike
        real = _real(values).contiguous()
        parts = [torch.empty_like(real) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, real)
        joined = torch.stack(parts)
        if values.is_complex():
            return torch.view_as_complex(joined)
        return joined

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor, None]:
        rank = dist.get_rank()
        if ctx.alike:
            return gradient[rank] * dist.get_world_size(), None
        summed = gradient.resolve_conj().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(_real(summed))
        return summed[rank], None


def _real(values: Tensor) -> Tensor:
    """The same memory as real numbers."""
    if values.is_complex():
        return torch.view_as_real(values.resolve_conj())
    return values


def joined(values: Tensor, *, alike: bool) -> Tensor:
    """Collect what each process has computed.

    Args:
        values: (*s) values, of the same shape in every process.
        alike: Every process computes the same from the result, so that the gradients are equal and
            need no message.

    Returns:
        (world, *s) values in the order of the processes.
    """
    result = _Joined.apply(values, alike)
    assert isinstance(result, Tensor)
    return result
