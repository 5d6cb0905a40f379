"""Sums along rays of lattice features through two ReLU layers, by Triton kernels.

The definition is eager torch at the points of all rays: `priors.lattices.ray_sums`. Here no point
is written to memory: the features and layers of each are computed where they are summed, and
computed again for the derivatives. A last, linear layer commutes with the sum and is left to the
caller.
"""

# pyright: reportIncompatibleMethodOverride=false, reportMissingImports=false
from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from inverse_inr.kernels.triton.available import on_device_of
from inverse_inr.kernels.triton.encoding import Definition, Lattices

RAYS = 16
"""Rays of one program: as few as products of matrices take, because more do not fit registers."""

PROGRAMS = 1024
"""Programs that fill a GPU. More rays are shared among as many; for fewer, each ray's samples
are."""

MOST_FEATURES = 32
"""Most features that stay in registers."""

WIDEST = 64
"""Most units of a layer that stay in registers."""

TOGETHER = 32
"""Most units of a layer all of whose derivatives stay in registers at once: in wider ones those by
the second layer are made by programs of their own, of so many of its units each."""

WARPS = 8
"""Warps of one program: with fewer the layers' derivatives do not fit registers."""

PRECISION = "tf32x3"
"""Products of matrices: three in TensorFloat-32 hold nearly the digits of one in float32."""


class Layers(NamedTuple):
    """Two hidden layers, h -> max(0, W h + b).

    Attributes:
        first: (width, features) float32.
        first_bias: (width,).
        second: (width, width).
        second_bias: (width,).
    """

    first: Tensor
    first_bias: Tensor
    second: Tensor
    second_bias: Tensor


def fits(lattices: Lattices, layers: Layers) -> bool:
    """Say whether the kernels know these lattices and layers.

    Args:
        lattices: The levels.
        layers: The hidden layers.

    Returns:
        False for too many features, too wide layers, and lattices in more than three dimensions or
        with more than two nodes an axis.
    """
    width, inputs = layers.first.shape
    simple = lattices.nodes == 2 and lattices.shift.shape[1] <= 3
    return lattices.fits and simple and inputs <= MOST_FEATURES and width <= WIDEST


def hidden_sums(
    first: Tensor,
    step: Tensor,
    samples: int,
    table: Tensor,
    lattices: Lattices,
    layers: Layers,
    features: Definition,
) -> Tensor:
    """Sum the second hidden layer at `samples` points of each ray.

    It can be differentiated with respect to the table and the layers.

    Args:
        first: (n, d) float32 normalised coordinates of each ray's first point.
        step: (n, d) from each point to the next.
        samples: Points of a ray.
        table: (rows, f) float32.
        lattices: The levels.
        layers: The hidden layers.
        features: The features in eager torch, which serve derivatives above the first.

    Returns:
        (n, width).
    """
    tensors = [tensor.contiguous() for tensor in (first, step, table, *layers)]
    result = _HiddenSums.apply(*tensors, samples, lattices, features)
    assert isinstance(result, Tensor)
    return result


class _HiddenSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx, first, step, table, w1, b1, w2, b2, samples, lattices, features):
        from inverse_inr.kernels.triton.rays_kernels import forward_kernel

        layers = Layers(w1, b1, w2, b2)
        ctx.save_for_backward(first, step, table, *layers)
        ctx.samples = samples
        ctx.lattices = lattices
        ctx.features = features
        blocks = (len(first) + RAYS - 1) // RAYS
        per_part, parts = _parts(blocks, samples)
        out = first.new_empty(parts, len(first), len(b1))
        _launch(
            forward_kernel,
            (blocks, parts),
            (first, step, table, *layers, out),
            (samples, per_part),
            lattices,
            layers,
        )
        return out.sum(0)

    @staticmethod
    def backward(ctx, grad):
        from inverse_inr.kernels.triton.rays_kernels import backward_kernel, second_kernel

        first, step, table, *weights = ctx.saved_tensors
        if torch.is_grad_enabled():  # there is to be a derivative of this one
            found = _defined(ctx, grad)
            return None, None, *found, None, None, None
        layers = Layers(*weights)
        blocks = (len(first) + RAYS - 1) // RAYS
        per_part, parts = _parts(blocks, ctx.samples)
        blocks = min(blocks, PROGRAMS)
        of_table = torch.zeros_like(table)
        of_layers = [w.new_empty(blocks * parts, *w.shape) for w in layers]
        given = (first, step, table, *layers, grad.contiguous())
        together = len(layers.second) <= TOGETHER
        _launch(
            backward_kernel,
            (blocks, parts),
            (*given, of_table, *of_layers),
            (ctx.samples, per_part),
            ctx.lattices,
            layers,
            seconds=together,
        )
        if not together:
            _launch(
                second_kernel,
                (blocks, parts, -(-len(layers.second) // TOGETHER)),
                (*given, *of_layers[2:]),
                (ctx.samples, per_part),
                ctx.lattices,
                layers,
                UNITS=TOGETHER,
            )
        return None, None, of_table, *(each.sum(0) for each in of_layers), None, None, None


def _defined(ctx: Any, grad: Tensor) -> list[Tensor | None]:
    """The derivatives by table and layers, by the definition, which can be derived again."""
    first, step, *saved = ctx.saved_tensors
    # views, so that no way back leads past them
    table, *weights = (t.view_as(t) for t in saved)
    layers = Layers(*weights)
    number = torch.arange(ctx.samples, dtype=first.dtype, device=first.device)
    points = first[:, None] + number[:, None] * step[:, None]
    h = ctx.features(points.flatten(0, 1), table)
    h = torch.relu(torch.nn.functional.linear(h, layers.first, layers.first_bias))
    h = torch.relu(torch.nn.functional.linear(h, layers.second, layers.second_bias))
    sums = h.unflatten(0, points.shape[:2]).sum(1)
    wanted = [t for t in (table, *layers) if t.requires_grad]
    found = torch.autograd.grad(sums, wanted, grad, create_graph=True)
    by_input = dict(zip(map(id, wanted), found, strict=True))
    return [by_input.get(id(t)) for t in (table, *layers)]


def _parts(blocks: int, samples: int) -> tuple[int, int]:
    """How many samples of a ray one program takes, and how many programs share a ray."""
    wanted = max(1, min(PROGRAMS // max(1, blocks), samples // 8))
    per_part = max(1, (samples + wanted - 1) // wanted)
    return per_part, (samples + per_part - 1) // per_part


def padded(count: int) -> int:
    """Round up to a power of two of at least 32, which divides among all warps."""
    return max(32, 1 << (count - 1).bit_length())


def _launch(
    kernel: Any,
    programs: tuple[int, ...],
    arrays: tuple[Tensor, ...],
    counts: tuple[int, int],
    lattices: Lattices,
    layers: Layers,
    **constants: int,
) -> None:
    if 0 in programs:
        return
    n, d = arrays[0].shape
    width, inputs = layers.first.shape
    with on_device_of(arrays[0]):
        kernel[programs](
            *arrays,
            *lattices[:6],
            n,
            *counts,
            d=d,
            f=arrays[2].shape[1],
            nodes=lattices.nodes,
            kind=lattices.kind,
            mask=(lattices.table_size - 1) & 0x7FFFFFFF,
            inputs=inputs,
            width=width,
            INPUTS=padded(inputs),
            WIDTH=padded(width),
            RAYS=RAYS,
            precision=PRECISION,
            **constants,
            num_warps=WARPS,
            num_stages=1,
        )
