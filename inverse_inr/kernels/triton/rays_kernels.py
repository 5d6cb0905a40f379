"""Sums along rays of a small network of lattice features: the kernels.

One program follows a block of rays, sample by sample. Features, layers and their derivatives stay
in registers; columns beyond the features, and beyond the layers' width, are padded by zeros.
"""

# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false
# pyright: reportArgumentType=false, reportMissingImports=false
import triton
import triton.language as tl

from inverse_inr.kernels.triton.encoding_kernels import _product, _row
from inverse_inr.kernels.triton.samples_kernels import matrix, seen


@triton.jit
def forward_kernel(
    First,
    Step,
    T,
    W1,
    B1,
    W2,
    B2,
    Out,
    Scale,
    Shift,
    Top,
    TableStep,
    Start,
    Hashed,
    n,
    samples,
    per_part,
    d: tl.constexpr,
    f: tl.constexpr,
    nodes: tl.constexpr,
    kind: tl.constexpr,
    mask: tl.constexpr,
    inputs: tl.constexpr,
    width: tl.constexpr,
    INPUTS: tl.constexpr,
    WIDTH: tl.constexpr,
    RAYS: tl.constexpr,
    precision: tl.constexpr,
):
    """Out[part, ray, :] = Σ over the part's samples of the second hidden layer."""
    i = tl.program_id(0).to(tl.int64) * RAYS + tl.arange(0, RAYS)
    ok = i < n
    part = tl.program_id(1)
    column = tl.arange(0, INPUTS)[None, :]
    level = tl.minimum(column, inputs - 1) // f
    known = ok[:, None] & (column < inputs)
    unit = tl.arange(0, WIDTH)
    first_layer = tl.trans(matrix(W1, unit, tl.arange(0, INPUTS), width, inputs))
    second_layer = tl.trans(matrix(W2, unit, unit, width, width))
    first_bias = tl.load(B1 + unit, mask=unit < width, other=0.0)[None, :]
    second_bias = tl.load(B2 + unit, mask=unit < width, other=0.0)[None, :]
    total = tl.zeros((RAYS, WIDTH), tl.float32)
    for sample in range(part * per_part, tl.minimum((part + 1) * per_part, samples)):
        _bases, _fractions, x = seen(
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
            d,
            f,
            nodes,
            kind,
            mask,
        )
        h = tl.maximum(tl.dot(x, first_layer, input_precision=precision) + first_bias, 0.0)
        h = tl.maximum(tl.dot(h, second_layer, input_precision=precision) + second_bias, 0.0)
        total += h
    at = Out + (part.to(tl.int64) * n + i[:, None]) * width + unit[None, :]
    tl.store(at, total, mask=ok[:, None] & (unit < width)[None, :])


@triton.jit
def backward_kernel(
    First,
    Step,
    T,
    W1,
    B1,
    W2,
    B2,
    G,
    OfT,
    OfW1,
    OfB1,
    OfW2,
    OfB2,
    Scale,
    Shift,
    Top,
    TableStep,
    Start,
    Hashed,
    n,
    samples,
    per_part,
    d: tl.constexpr,
    f: tl.constexpr,
    nodes: tl.constexpr,
    kind: tl.constexpr,
    mask: tl.constexpr,
    inputs: tl.constexpr,
    width: tl.constexpr,
    INPUTS: tl.constexpr,
    WIDTH: tl.constexpr,
    RAYS: tl.constexpr,
    precision: tl.constexpr,
    seconds: tl.constexpr,
):
    """Derivatives of <G, Out>: OfT is added to, the others are one part per program.

    Everything of the forward kernel is computed again at each sample. Without `seconds` the
    derivatives by the second layer are left to `second_kernel`: in wide layers they do not fit
    registers beside the others.
    """
    program = (tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)).to(tl.int64)
    part = tl.program_id(1)
    column = tl.arange(0, INPUTS)[None, :]
    level = tl.minimum(column, inputs - 1) // f
    unit = tl.arange(0, WIDTH)
    first_bias = tl.load(B1 + unit, mask=unit < width, other=0.0)[None, :]
    second_bias = tl.load(B2 + unit, mask=unit < width, other=0.0)[None, :]
    of_first = tl.zeros((WIDTH, INPUTS), tl.float32)
    of_second = tl.zeros((WIDTH, WIDTH), tl.float32)
    of_first_bias = tl.zeros((WIDTH,), tl.float32)
    of_second_bias = tl.zeros((WIDTH,), tl.float32)
    for block in range(tl.program_id(0), tl.cdiv(n, RAYS), tl.num_programs(0)):
        i = (block * RAYS + tl.arange(0, RAYS)).to(tl.int64)
        ok = i < n
        known = ok[:, None] & (column < inputs)
        kept = ok[:, None] & (unit < width)[None, :]
        g = tl.load(G + i[:, None] * width + unit[None, :], mask=kept, other=0.0)
        for sample in tl.range(
            part * per_part, tl.minimum((part + 1) * per_part, samples), disable_licm=True
        ):
            bases, fractions, x = seen(
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
                d,
                f,
                nodes,
                kind,
                mask,
            )
            first_layer = matrix(W1, unit, tl.arange(0, INPUTS), width, inputs)
            second_layer = matrix(W2, unit, unit, width, width)
            z = tl.dot(x, tl.trans(first_layer), input_precision=precision) + first_bias
            h = tl.maximum(z, 0.0)
            last = tl.dot(h, tl.trans(second_layer), input_precision=precision) + second_bias
            of_last = tl.where(last > 0, g, 0.0)
            if seconds:
                of_second += tl.dot(tl.trans(of_last), h, input_precision=precision)
                of_second_bias += tl.sum(of_last, 0)
            of_z = tl.dot(of_last, second_layer, input_precision=precision)
            of_z = tl.where(z > 0, of_z, 0.0)
            of_first += tl.dot(tl.trans(of_z), x, input_precision=precision)
            of_first_bias += tl.sum(of_z, 0)
            of_x = tl.dot(of_z, first_layer, input_precision=precision)
            hashed = tl.load(Hashed + level)
            for corner in tl.static_range(nodes**d):
                row = _row(bases, level, TableStep, Start, hashed, corner, d, nodes, mask)
                w = _product(fractions, fractions, corner, d, nodes, kind, -1, -1)
                at = OfT + row.to(tl.int64) * f + column % f
                tl.atomic_add(at, w * of_x, mask=known, sem="relaxed")
    columns = tl.arange(0, INPUTS)
    real = unit < width
    at = (program * width + unit)[:, None]
    kept = real[:, None] & (columns < inputs)[None, :]
    tl.store(OfW1 + at * inputs + columns[None, :], of_first, mask=kept)
    tl.store(OfB1 + program * width + unit, of_first_bias, mask=real)
    if seconds:
        tl.store(OfW2 + at * width + unit[None, :], of_second, mask=real[:, None] & real[None, :])
        tl.store(OfB2 + program * width + unit, of_second_bias, mask=real)


@triton.jit
def second_kernel(
    First,
    Step,
    T,
    W1,
    B1,
    W2,
    B2,
    G,
    OfW2,
    OfB2,
    Scale,
    Shift,
    Top,
    TableStep,
    Start,
    Hashed,
    n,
    samples,
    per_part,
    d: tl.constexpr,
    f: tl.constexpr,
    nodes: tl.constexpr,
    kind: tl.constexpr,
    mask: tl.constexpr,
    inputs: tl.constexpr,
    width: tl.constexpr,
    INPUTS: tl.constexpr,
    WIDTH: tl.constexpr,
    RAYS: tl.constexpr,
    precision: tl.constexpr,
    UNITS: tl.constexpr,
):
    """Derivatives of <G, Out> by the second layer, of UNITS of its units; one part per program."""
    program = (tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)).to(tl.int64)
    part = tl.program_id(1)
    column = tl.arange(0, INPUTS)[None, :]
    level = tl.minimum(column, inputs - 1) // f
    unit = tl.arange(0, WIDTH)
    own = tl.program_id(2) * UNITS + tl.arange(0, UNITS)
    first_bias = tl.load(B1 + unit, mask=unit < width, other=0.0)[None, :]
    second_bias = tl.load(B2 + own, mask=own < width, other=0.0)[None, :]
    of_second = tl.zeros((UNITS, WIDTH), tl.float32)
    of_second_bias = tl.zeros((UNITS,), tl.float32)
    for block in range(tl.program_id(0), tl.cdiv(n, RAYS), tl.num_programs(0)):
        i = (block * RAYS + tl.arange(0, RAYS)).to(tl.int64)
        ok = i < n
        known = ok[:, None] & (column < inputs)
        kept = ok[:, None] & (own < width)[None, :]
        g = tl.load(G + i[:, None] * width + own[None, :], mask=kept, other=0.0)
        for sample in tl.range(
            part * per_part, tl.minimum((part + 1) * per_part, samples), disable_licm=True
        ):
            _bases, _fractions, x = seen(
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
                d,
                f,
                nodes,
                kind,
                mask,
            )
            first_layer = matrix(W1, unit, tl.arange(0, INPUTS), width, inputs)
            second_layer = matrix(W2, own, unit, width, width)
            h = tl.dot(x, tl.trans(first_layer), input_precision=precision) + first_bias
            h = tl.maximum(h, 0.0)
            last = tl.dot(h, tl.trans(second_layer), input_precision=precision) + second_bias
            of_last = tl.where(last > 0, g, 0.0)
            of_second += tl.dot(tl.trans(of_last), h, input_precision=precision)
            of_second_bias += tl.sum(of_last, 0)
    at = program * width + own
    kept = (own < width)[:, None] & (unit < width)[None, :]
    tl.store(OfW2 + at[:, None] * width + unit[None, :], of_second, mask=kept)
    tl.store(OfB2 + at, of_second_bias, mask=own < width)
