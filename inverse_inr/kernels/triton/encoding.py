"""Multiresolution grid and hash encoding by Triton kernels, with derivatives of two orders.

The definition is `priors.lattices.encoding.GridEncoding` in eager torch. With E(x, T) the features
and S its transpose in T, both linear in the table:

    E(x, T)                    dT = S(x, g)        dx = ∇_x <g, E(x, T)>
    <v, dx> = <g, E_v(x, T)>   E_v the derivative of E along v: the same kernels with ∂_v w

Beyond the second order, as for a Laplacian, the definition itself is differentiated.
"""

# pyright: reportIncompatibleMethodOverride=false, reportMissingImports=false
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from inverse_inr.kernels.triton.available import on_device_of

CORNERS = 64
"""Most corners of a cell: the kernels are unrolled over them."""

Definition = Callable[[Tensor, Tensor], Tensor]
"""Eager torch: features (n, levels · f) at points (n, d) from a table (rows, f)."""

BLOCK = 128
"""Points of one program."""

KINDS = {"linear": 0, "smoothstep": 1, "cubic": 2}
"""By name of the interpolation its number in the kernels."""


class Lattices(NamedTuple):
    """The places of the nodes of each level, on the device.

    Attributes:
        scale: (levels,) float32 cells per unit of x.
        shift: (levels, d) float32 position of x = 0.
        top: (levels, d) float32 position of the last node.
        step: (levels, d) int32 stride of an axis in the table, or its factor in the hash.
        start: (levels,) int32 first row of a level.
        hashed: (levels,) int32, 1 where the level is hashed.
        table_size: Rows of a hashed level, a power of two.
        rows: Rows of the table.
        kind: Number of the interpolation in `KINDS`.
    """

    scale: Tensor
    shift: Tensor
    top: Tensor
    step: Tensor
    start: Tensor
    hashed: Tensor
    table_size: int
    rows: int
    kind: int

    @property
    def nodes(self) -> int:
        """Nodes along each axis that a point sees."""
        if self.kind == KINDS["cubic"]:
            return 4
        return 2

    @property
    def fits(self) -> bool:
        """Whether the kernels know these lattices."""
        power_of_two = self.table_size & (self.table_size - 1) == 0
        corners = self.nodes ** self.shift.shape[1]
        return corners <= CORNERS and (power_of_two or self.table_size >= 2**31 - 1)


def encode(x: Tensor, table: Tensor, lattices: Lattices, definition: Definition) -> Tensor:
    """Interpolate the features of all levels at points.

    Args:
        x: (n, d) float32 normalised coordinates.
        table: (rows, f) float32.
        lattices: The levels.
        definition: The same in eager torch, which serves derivatives above the second.

    Returns:
        (n, levels · f).
    """
    result = _Encode.apply(x.contiguous(), table.contiguous(), lattices, definition)
    assert isinstance(result, Tensor)
    return result


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(x, table, lattices, definition):
        return gathered(x, None, table, lattices)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, table, ctx.lattices, ctx.definition = inputs
        ctx.save_for_backward(x, table)

    @staticmethod
    def backward(ctx, grad):
        x, table = ctx.saved_tensors
        of_x, of_table = _EncodeBackward.apply(
            x, table, grad.contiguous(), ctx.lattices, ctx.definition, ctx.needs_input_grad[:2]
        )
        return of_x, of_table, None, None


class _EncodeBackward(torch.autograd.Function):
    @staticmethod
    def forward(x, table, grad, lattices, definition, needed):
        of_x = of_table = None
        if needed[0]:
            of_x = slopes(x, None, table, grad, lattices)
        if needed[1]:
            of_table = scattered(x, None, grad, lattices)
        return of_x, of_table

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, table, grad, ctx.lattices, ctx.definition, _ = inputs
        ctx.save_for_backward(x, table, grad)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, v, u):
        """From cotangents v of dx (n, d) and u of dT (rows, f)."""
        if torch.is_grad_enabled():  # there is to be a derivative of this one
            found = _second_order(ctx.definition, ctx.saved_tensors, (v, u))
            return *found, None, None, None
        x, table, grad = ctx.saved_tensors
        of_x, of_table, of_grad = (_Sum() for _ in range(3))
        if v is not None:
            v = v.contiguous()
            if ctx.needs_input_grad[0]:
                of_x.add(slopes(x, v, table, grad, ctx.lattices))
            if ctx.needs_input_grad[1]:
                of_table.add(scattered(x, v, grad, ctx.lattices))
            if ctx.needs_input_grad[2]:
                of_grad.add(gathered(x, v, table, ctx.lattices))
        if u is not None:
            u = u.contiguous()
            if ctx.needs_input_grad[0]:
                of_x.add(slopes(x, None, u, grad, ctx.lattices))
            if ctx.needs_input_grad[2]:
                of_grad.add(gathered(x, None, u, ctx.lattices))
        return of_x.total, of_table.total, of_grad.total, None, None, None


def _second_order(definition: Definition, inputs: Any, cotangents: Any) -> tuple[Any, ...]:
    """Derivatives of <v, dx> + <u, dT> by x, T and the gradient, which can be derived again."""
    # views, so that no way back leads past them
    x, table, grad = (t.view_as(t) if t.requires_grad else t for t in inputs)
    wanted = [t for t in (x, table) if t.requires_grad]
    values = definition(x, table)
    first = dict(
        zip(
            map(id, wanted),
            torch.autograd.grad(values, wanted, grad, create_graph=True),
            strict=True,
        )
    )
    pairs = [
        (first[id(t)], c) for t, c in zip((x, table), cotangents, strict=True) if c is not None
    ]
    targets = [t for t in (x, table, grad) if t.requires_grad]
    found = torch.autograd.grad(
        [value for value, _ in pairs],
        targets,
        [c for _, c in pairs],
        create_graph=True,
        allow_unused=True,
    )
    by_target = dict(zip(map(id, targets), found, strict=True))
    return tuple(by_target.get(id(t)) for t in (x, table, grad))


class _Sum:
    def __init__(self) -> None:
        self.total: Tensor | None = None

    def add(self, value: Tensor) -> None:
        if self.total is None:
            self.total = value
        else:
            self.total = self.total + value


# --- the kernels' calls ---------------------------------------------------------------------------


def gathered(x: Tensor, along: Tensor | None, table: Tensor, lattices: Lattices) -> Tensor:
    """Compute the features, or their derivative along a direction of each point.

    Args:
        x: (n, d) points.
        along: (n, d) directions; None for the features themselves.
        table: (rows, f).
        lattices: The levels.

    Returns:
        (n, levels · f).
    """
    from inverse_inr.kernels.triton.encoding_kernels import gather_kernel

    out = x.new_empty(len(x), len(lattices.scale) * table.shape[1])
    _launch(gather_kernel, True, x, along, (table, out), table.shape[1], lattices)
    return out


def scattered(x: Tensor, along: Tensor | None, grad: Tensor, lattices: Lattices) -> Tensor:
    """Compute the transpose of `gathered` in the table.

    Args:
        x: (n, d) points.
        along: (n, d) directions, or None.
        grad: (n, levels · f).
        lattices: The levels.

    Returns:
        (rows, f).
    """
    from inverse_inr.kernels.triton.encoding_kernels import scatter_kernel

    features = grad.shape[1] // len(lattices.scale)
    out = grad.new_zeros(lattices.rows, features)
    _launch(scatter_kernel, True, x, along, (grad, out), features, lattices)
    return out


def slopes(
    x: Tensor, along: Tensor | None, table: Tensor, grad: Tensor, lattices: Lattices
) -> Tensor:
    """Compute the gradient of <grad, gathered(x, along, table)> with respect to the points.

    Args:
        x: (n, d) points.
        along: (n, d) directions, or None.
        table: (rows, f).
        grad: (n, levels · f).
        lattices: The levels.

    Returns:
        (n, d).
    """
    from inverse_inr.kernels.triton.encoding_kernels import slope_kernel

    out = torch.empty_like(x)
    _launch(slope_kernel, False, x, along, (table, grad, out), table.shape[1], lattices)
    return out


def _launch(
    kernel: Any,
    by_level: bool,
    x: Tensor,
    along: Tensor | None,
    arrays: tuple[Tensor, ...],
    features: int,
    lattices: Lattices,
) -> None:
    n, d = x.shape
    levels = len(lattices.scale)
    if n == 0:
        return
    directed = along is not None
    blocks = (n + BLOCK - 1) // BLOCK
    with on_device_of(x):
        kernel[(blocks, levels) if by_level else (blocks,)](
            x,
            along if directed else x,
            *arrays,
            *lattices[:6],
            n,
            levels,
            d=d,
            f=features,
            nodes=lattices.nodes,
            kind=lattices.kind,
            mask=(lattices.table_size - 1) & 0x7FFFFFFF,
            directed=directed,
            BLOCK=BLOCK,
        )
