"""Features interpolated from lattices of several resolutions: the kernels on the device.

One program takes a block of points at one level. The weight of a corner is a product over axes,
w = Π_a w_a(t_a). With a direction v its derivative ∂_v w takes the place of w, so that the same
kernels give the second order that penalties on slopes need.
"""

# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false
# pyright: reportArgumentType=false, reportMissingImports=false
import triton
import triton.language as tl


@triton.jit
def _weight(t, node: tl.constexpr, kind: tl.constexpr, order: tl.constexpr):
    """The weight of one node of an axis at the fraction t of a cell, or its derivative."""
    if kind == 2:
        if node == 0 or node == 3:
            s = 1 - t if node == 0 else t
            sign = -1.0 if node == 0 else 1.0
            if order == 0:
                return s * s * s / 6
            if order == 1:
                return sign * s * s / 2
            return s
        s = t if node == 1 else 1 - t
        sign = 1.0 if node == 1 else -1.0
        if order == 0:
            return (4 - 6 * s * s + 3 * s * s * s) / 6
        if order == 1:
            return sign * (1.5 * s * s - 2 * s)
        return 3 * s - 2
    sign = 2.0 * node - 1.0
    if kind == 1:
        if order == 0:
            right = t * t * (3 - 2 * t)
            return right if node == 1 else 1 - right
        if order == 1:
            return sign * 6 * t * (1 - t)
        return sign * (6 - 12 * t)
    if order == 0:
        return t if node == 1 else 1 - t
    if order == 1:
        return t * 0 + sign
    return t * 0


@triton.jit
def _locate(X, i, ok, level, Scale, Shift, Top, d: tl.constexpr, reach: tl.constexpr):
    """First nodes, fractions and slopes (cells per unit of x; 0 where clamped), one per axis."""
    bases = ()
    fractions = ()
    slopes = ()
    scale = tl.load(Scale + level)
    for a in tl.static_range(d):
        x = tl.load(X + i * d + a, mask=ok, other=0.0)
        top = tl.load(Top + level * d + a) - reach
        position = tl.load(Shift + level * d + a) + scale * x
        inside = (position >= reach) & (position <= top)
        position = tl.maximum(tl.minimum(position, top), reach)
        base = tl.minimum(tl.floor(position), tl.maximum(top - 1, reach))
        bases = bases + (base.to(tl.int32) - reach,)
        fractions = fractions + (position - base,)
        slopes = slopes + (tl.where(inside, scale, 0.0),)
    return bases, fractions, slopes


@triton.jit
def _row(
    bases,
    level,
    Step,
    Start,
    hashed,
    corner: tl.constexpr,
    d: tl.constexpr,
    nodes: tl.constexpr,
    mask: tl.constexpr,
):
    """The row of the table that a corner has."""
    added = tl.zeros_like(bases[0])
    joined = tl.zeros_like(bases[0])
    for a in tl.static_range(d):
        term = (bases[a] + (corner // nodes**a) % nodes) * tl.load(Step + level * d + a)
        added += term
        joined ^= term
    row = tl.where(hashed != 0, joined & mask, added)
    return row + tl.load(Start + level)


@triton.jit
def _product(
    fractions,
    slopes,
    corner: tl.constexpr,
    d: tl.constexpr,
    nodes: tl.constexpr,
    kind: tl.constexpr,
    first: tl.constexpr,
    second: tl.constexpr,
):
    """The weight of a corner, differentiated along the axes `first` and `second` (-1 for none)."""
    weight = tl.full(fractions[0].shape, 1.0, fractions[0].dtype)
    for a in tl.static_range(d):
        factor = _weight(
            fractions[a], (corner // nodes**a) % nodes, kind, (a == first) + (a == second)
        )
        if a == first:
            factor *= slopes[a]
        if a == second:
            factor *= slopes[a]
        weight *= factor
    return weight


@triton.jit
def _directions(V, i, ok, d: tl.constexpr, directed: tl.constexpr):
    found = ()
    for a in tl.static_range(d):
        if directed:
            found = found + (tl.load(V + i * d + a, mask=ok, other=0.0),)
    return found


@triton.jit
def _corner_weight(
    fractions,
    slopes,
    along,
    corner: tl.constexpr,
    d: tl.constexpr,
    nodes: tl.constexpr,
    kind: tl.constexpr,
    first: tl.constexpr,
    directed: tl.constexpr,
):
    """The weight of a corner, its derivative along v if `directed`, that of it along `first`."""
    if directed:
        total = tl.zeros_like(fractions[0])
        for a in tl.static_range(d):
            total += along[a] * _product(fractions, slopes, corner, d, nodes, kind, a, first)
        return total
    return _product(fractions, slopes, corner, d, nodes, kind, first, -1)


@triton.jit
def gather_kernel(
    X,
    V,
    T,
    Y,
    Scale,
    Shift,
    Top,
    Step,
    Start,
    Hashed,
    n,
    levels,
    d: tl.constexpr,
    f: tl.constexpr,
    nodes: tl.constexpr,
    kind: tl.constexpr,
    mask: tl.constexpr,
    directed: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Y[n, level, :] = Σ_corners w T[row]."""
    level = tl.program_id(1)
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    ok = i < n
    bases, fractions, slopes = _locate(X, i, ok, level, Scale, Shift, Top, d, nodes // 2 - 1)
    along = _directions(V, i, ok, d, directed)
    hashed = tl.load(Hashed + level)
    sums = ()
    for _ in tl.static_range(f):
        sums = sums + (tl.zeros((BLOCK,), tl.float32),)
    for corner in tl.static_range(nodes**d):
        row = _row(bases, level, Step, Start, hashed, corner, d, nodes, mask).to(tl.int64)
        w = _corner_weight(fractions, slopes, along, corner, d, nodes, kind, -1, directed)
        more = ()
        for k in tl.static_range(f):
            more = more + (sums[k] + w * tl.load(T + row * f + k, mask=ok, other=0.0),)
        sums = more
    for k in tl.static_range(f):
        tl.store(Y + (i * levels + level) * f + k, sums[k], mask=ok)


@triton.jit
def scatter_kernel(
    X,
    V,
    G,
    T,
    Scale,
    Shift,
    Top,
    Step,
    Start,
    Hashed,
    n,
    levels,
    d: tl.constexpr,
    f: tl.constexpr,
    nodes: tl.constexpr,
    kind: tl.constexpr,
    mask: tl.constexpr,
    directed: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """T[row] += w G[n, level, :], the transpose of `gather_kernel`."""
    level = tl.program_id(1)
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    ok = i < n
    bases, fractions, slopes = _locate(X, i, ok, level, Scale, Shift, Top, d, nodes // 2 - 1)
    along = _directions(V, i, ok, d, directed)
    hashed = tl.load(Hashed + level)
    for corner in tl.static_range(nodes**d):
        row = _row(bases, level, Step, Start, hashed, corner, d, nodes, mask).to(tl.int64)
        w = _corner_weight(fractions, slopes, along, corner, d, nodes, kind, -1, directed)
        for k in tl.static_range(f):
            g = tl.load(G + (i * levels + level) * f + k, mask=ok, other=0.0)
            tl.atomic_add(T + row * f + k, w * g, mask=ok, sem="relaxed")


@triton.jit
def slope_kernel(
    X,
    V,
    T,
    G,
    S,
    Scale,
    Shift,
    Top,
    Step,
    Start,
    Hashed,
    n,
    levels,
    d: tl.constexpr,
    f: tl.constexpr,
    nodes: tl.constexpr,
    kind: tl.constexpr,
    mask: tl.constexpr,
    directed: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """S[n, :] = Σ_levels Σ_corners ∇w (G[n, level, :] · T[row])."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    ok = i < n
    along = _directions(V, i, ok, d, directed)
    total = ()
    for _ in tl.static_range(d):
        total = total + (tl.zeros((BLOCK,), tl.float32),)
    for level in range(levels):
        bases, fractions, slopes = _locate(X, i, ok, level, Scale, Shift, Top, d, nodes // 2 - 1)
        hashed = tl.load(Hashed + level)
        for corner in tl.static_range(nodes**d):
            row = _row(bases, level, Step, Start, hashed, corner, d, nodes, mask).to(tl.int64)
            product = tl.zeros((BLOCK,), tl.float32)
            for k in tl.static_range(f):
                g = tl.load(G + (i * levels + level) * f + k, mask=ok, other=0.0)
                product += g * tl.load(T + row * f + k, mask=ok, other=0.0)
            more = ()
            for a in tl.static_range(d):
                w = _corner_weight(fractions, slopes, along, corner, d, nodes, kind, a, directed)
                more = more + (total[a] + w * product,)
            total = more
    for a in tl.static_range(d):
        tl.store(S + i * d + a, total[a], mask=ok)
