"""What the kernels of sums along rays share: lattice features of a sample, a padded matrix."""

# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false
# pyright: reportArgumentType=false, reportMissingImports=false
import triton
import triton.language as tl

from inverse_inr.kernels.triton.encoding_kernels import _product, _row


@triton.jit
def _places(
    First, Step, i, ok, sample, level, Scale, Shift, Top, d: tl.constexpr, reach: tl.constexpr
):
    """First nodes and fractions of a sample of each ray at each column's level, one per axis."""
    bases = ()
    fractions = ()
    scale = tl.load(Scale + level)
    for a in tl.static_range(d):
        first = tl.load(First + i * d + a, mask=ok, other=0.0)
        step = tl.load(Step + i * d + a, mask=ok, other=0.0)
        x = (first + sample * step)[:, None]
        top = tl.load(Top + level * d + a) - reach
        position = tl.load(Shift + level * d + a) + scale * x
        position = tl.maximum(tl.minimum(position, top), reach)
        base = tl.minimum(tl.floor(position), tl.maximum(top - 1, reach))
        bases = bases + (base.to(tl.int32) - reach,)
        fractions = fractions + (position - base,)
    return bases, fractions


@triton.jit
def _features(
    T,
    bases,
    fractions,
    level,
    column,
    known,
    TableStep,
    Start,
    Hashed,
    d: tl.constexpr,
    f: tl.constexpr,
    nodes: tl.constexpr,
    kind: tl.constexpr,
    mask: tl.constexpr,
):
    """The features of each ray's sample, (rays, columns)."""
    hashed = tl.load(Hashed + level)
    total = tl.zeros_like(fractions[0])
    for corner in tl.static_range(nodes**d):
        row = _row(bases, level, TableStep, Start, hashed, corner, d, nodes, mask).to(tl.int64)
        w = _product(fractions, fractions, corner, d, nodes, kind, -1, -1)
        total += w * tl.load(T + row * f + column % f, mask=known, other=0.0)
    return total


@triton.jit
def matrix(W, rows, columns, row_count: tl.constexpr, column_count: tl.constexpr):
    """A matrix (row_count, column_count), padded by zeros."""
    known = (rows < row_count)[:, None] & (columns < column_count)[None, :]
    return tl.load(W + rows[:, None] * column_count + columns[None, :], mask=known, other=0.0)


@triton.jit
def seen(
    First,
    Step,
    T,
    Scale,
    Shift,
    Top,
    TableStep,
    Start,
    Hashed,
    i,
    ok,
    sample,
    level,
    column,
    known,
    d: tl.constexpr,
    f: tl.constexpr,
    nodes: tl.constexpr,
    kind: tl.constexpr,
    mask: tl.constexpr,
):
    """First nodes, fractions and features of a sample of each ray, at each column's level."""
    bases, fractions = _places(
        First, Step, i, ok, sample, level, Scale, Shift, Top, d, nodes // 2 - 1
    )
    x = _features(
        T,
        bases,
        fractions,
        level,
        column,
        known,
        TableStep,
        Start,
        Hashed,
        d,
        f,
        nodes,
        kind,
        mask,
    )
    return bases, fractions, x
