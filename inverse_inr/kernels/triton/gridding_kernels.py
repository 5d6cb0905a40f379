"""Interpolation in a periodic array at places of their own, and its transpose: the kernels.

A place sees J nodes along each axis. J weights an axis are stored; their J^d products are made on
the fly.
"""

# pyright: reportGeneralTypeIssues=false, reportArgumentType=false, reportMissingImports=false
import triton
import triton.language as tl


@triton.jit
def _node(
    First,
    Weight,
    i,
    ok,
    axis: tl.constexpr,
    j,
    size,
    shift,
    periodic,
    d: tl.constexpr,
    width: tl.constexpr,
):
    """The j-th node of an axis and its weight."""
    node = tl.load(First + i * d + axis, mask=ok, other=0) + j + shift
    wrapped = node - size * (node >= size).to(tl.int32) + size * (node < 0).to(tl.int32)
    clamped = tl.minimum(tl.maximum(node, 0), size - 1)
    weight = tl.load(Weight + (i * d + axis) * width + j, mask=ok, other=0.0)
    return tl.where(periodic != 0, wrapped, clamped), weight


@triton.jit
def _corner(
    First, Weight, Sizes, Shifts, Periodic, i, ok, corner, d: tl.constexpr, width: tl.constexpr
):
    """The cell of the array that a corner is, and its weight."""
    cell = tl.zeros(i.shape, tl.int64)
    weight = tl.full(i.shape, 1.0, tl.float32)
    rest = corner
    for back in tl.static_range(d):
        rest = corner // (width ** (d - 1 - back)) % width
        size = tl.load(Sizes + back)
        node, factor = _node(
            First,
            Weight,
            i,
            ok,
            back,
            rest,
            size,
            tl.load(Shifts + back),
            tl.load(Periodic + back),
            d,
            width,
        )
        cell = cell * size + node
        weight *= factor
    return cell, weight


@triton.jit
def interpolate_kernel(
    Values,
    First,
    Weight,
    Sizes,
    Shifts,
    Periodic,
    Out,
    n,
    cells,
    d: tl.constexpr,
    width: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Out[batch, place, :] = Σ_corners w Values[batch, cell, :]: real and imaginary parts."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    ok = i < n
    batch = tl.program_id(1).to(tl.int64)
    real = tl.zeros((BLOCK,), tl.float32)
    imaginary = tl.zeros((BLOCK,), tl.float32)
    for corner in range(0, width**d):
        cell, w = _corner(First, Weight, Sizes, Shifts, Periodic, i, ok, corner, d, width)
        at = Values + 2 * (batch * cells + cell)
        real += w * tl.load(at, mask=ok, other=0.0)
        imaginary += w * tl.load(at + 1, mask=ok, other=0.0)
    tl.store(Out + 2 * (batch * n + i), real, mask=ok)
    tl.store(Out + 2 * (batch * n + i) + 1, imaginary, mask=ok)


@triton.jit
def spread_kernel(
    Values,
    First,
    Weight,
    Sizes,
    Shifts,
    Periodic,
    Out,
    n,
    cells,
    d: tl.constexpr,
    width: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Values[batch, cell, :] += w Out[batch, place, :], the transpose of `interpolate_kernel`."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    ok = i < n
    batch = tl.program_id(1).to(tl.int64)
    real = tl.load(Out + 2 * (batch * n + i), mask=ok, other=0.0)
    imaginary = tl.load(Out + 2 * (batch * n + i) + 1, mask=ok, other=0.0)
    for corner in range(0, width**d):
        cell, w = _corner(First, Weight, Sizes, Shifts, Periodic, i, ok, corner, d, width)
        at = Values + 2 * (batch * cells + cell)
        tl.atomic_add(at, w * real, mask=ok, sem="relaxed")
        tl.atomic_add(at + 1, w * imaginary, mask=ok, sem="relaxed")
