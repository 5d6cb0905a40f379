"""Sums along rays through a volume, and their exact transpose, by Triton kernels.

The definition is `torch.nn.functional.grid_sample` (bilinear, zero outside, `align_corners=False`)
on each plane of the volume, at the places where rays meet it, summed over planes. Nothing of the
size planes x rays is stored.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inverse_inr.kernels.triton.available import on_device_of
from inverse_inr.kernels.triton.available import usable as usable

BLOCK = 128
"""Rays of one program."""


def integrated(planes: Tensor, first: Tensor, step: Tensor) -> Tensor:
    """Sum the values that rays meet in all planes.

    Args:
        planes: (planes, c, height, width) float32, any strides.
        first: (n, 2) places in the first plane, along its width and its height, whose edges are
            at ±1.
        step: (n, 2) from one plane to the next.

    Returns:
        (c, n) sums.
    """
    from inverse_inr.kernels.triton.projector_kernels import integrate_kernel

    sums = planes.new_empty(planes.shape[1], len(first))
    _launch(integrate_kernel, planes, first, step, sums)
    return sums


def spread(sums: Tensor, first: Tensor, step: Tensor, planes: Tensor) -> None:
    """Add to all planes what rays carry: the transpose of `integrated`.

    Args:
        sums: (c, n) values of the rays.
        first: (n, 2) places in the first plane.
        step: (n, 2) from one plane to the next.
        planes: (planes, c, height, width) float32, any strides; they are added to in place.
    """
    from inverse_inr.kernels.triton.projector_kernels import spread_kernel

    _launch(spread_kernel, planes, first, step, sums.contiguous())


def _launch(kernel: Any, planes: Tensor, first: Tensor, step: Tensor, sums: Tensor) -> None:
    count, channels, height, width = planes.shape
    n = len(first)
    if n == 0:
        return
    first, step = (x.to(torch.float32).contiguous() for x in (first, step))
    by_plane, by_channel, by_height, by_width = planes.stride()
    with on_device_of(planes):
        kernel[((n + BLOCK - 1) // BLOCK, channels)](
            planes,
            first,
            step,
            sums,
            n,
            count,
            width,
            height,
            by_plane,
            by_width,
            by_height,
            by_channel,
            BLOCK=BLOCK,
        )
