"""Sums of waves over paths, whose phases are made in float64 and wrapped: the kernels.

    y[p, k] = Σ_x a[p, x] s[x] exp(±j 2π turns)     turns = f_k τ - ½ slope τ (τ + 2 τ_p)
    τ = (|x - t_p| + |x - r_p|) / c - τ_p

Nothing of the size pulses x points x frequencies is stored. Each number of the result is summed by
one program, in one order.
"""

# pyright: reportGeneralTypeIssues=false, reportArgumentType=false, reportMissingImports=false
import triton
import triton.language as tl


@triton.jit
def _distance(X, x, ok, A, p):
    """Distances of points from an antenna, float64."""
    total = tl.zeros(x.shape, tl.float64)
    for axis in tl.static_range(3):
        step = tl.load(X + 3 * x + axis, mask=ok, other=0.0) - tl.load(A + 3 * p + axis)
        total += step * step
    return tl.sqrt(total)


@triton.jit
def _delay(X, x, ok, Transmitters, Receivers, Reference, p, per_metre):
    path = _distance(X, x, ok, Transmitters, p) + _distance(X, x, ok, Receivers, p)
    return (path - tl.load(Reference + p)) * per_metre


@triton.jit
def _phasor(frequency, delay, extra, sign):
    """The cosine and the sine of ±2π (f τ - extra), wrapped before it is cast."""
    turns = frequency * delay - extra
    # quarter turns, and what is left of one in radians: series do for an eighth of a turn, where
    # the general functions call a routine that spills registers
    quarters = (turns - tl.floor(turns + 0.5)).to(tl.float32) * 4
    whole = tl.floor(quarters + 0.5)
    x = (quarters - whole) * 1.5707963267948966
    y = x * x
    s = x * (1 - y * (1.0 / 6) * (1 - y * (1.0 / 20) * (1 - y * (1.0 / 42) * (1 - y * (1.0 / 72)))))
    c = 1 - y * (1.0 / 2) * (
        1 - y * (1.0 / 12) * (1 - y * (1.0 / 30) * (1 - y * (1.0 / 56) * (1 - y * (1.0 / 90))))
    )
    quadrant = whole.to(tl.int32) & 3
    odd = (quadrant & 1) == 1
    cos = tl.where(odd, s, c)
    cos = tl.where((quadrant == 1) | (quadrant == 2), -cos, cos)
    sin = tl.where(odd, c, s)
    sin = tl.where(quadrant >= 2, -sin, sin)
    return cos, sin * sign


@triton.jit
def sum_kernel(
    X,
    S,
    Amplitude,
    Transmitters,
    Receivers,
    Reference,
    Frequencies,
    Y,
    n,
    count,
    by_pulse,
    Scalars,
    sign,
    weighted: tl.constexpr,
    BLOCK_X: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Y[p, k, :] = Σ_x of the wave: real and imaginary parts."""
    p = tl.program_id(0).to(tl.int64)
    k = tl.program_id(1) * BLOCK_K + tl.arange(0, BLOCK_K)
    per_metre = tl.load(Scalars)  # a number of the host would come as float32
    half_slope = tl.load(Scalars + 1)
    frequency = tl.load(Frequencies + k, mask=k < count, other=0.0)
    twice = 2 * tl.load(Reference + p) * per_metre
    real = tl.zeros((BLOCK_K,), tl.float32)
    imaginary = tl.zeros((BLOCK_K,), tl.float32)
    for start in range(0, n, BLOCK_X):
        x = start + tl.arange(0, BLOCK_X)
        ok = x < n
        delay = _delay(X, x, ok, Transmitters, Receivers, Reference, p, per_metre)
        extra = half_slope * delay * (delay + twice)
        a = tl.load(S + p * by_pulse + 2 * x, mask=ok, other=0.0)
        b = tl.load(S + p * by_pulse + 2 * x + 1, mask=ok, other=0.0)
        if weighted:
            weight = tl.load(Amplitude + p * n + x, mask=ok, other=0.0)
            a *= weight
            b *= weight
        cos, sin = _phasor(frequency[:, None], delay[None, :], extra[None, :], sign)
        real += tl.sum(a[None, :] * cos - b[None, :] * sin, 1)
        imaginary += tl.sum(a[None, :] * sin + b[None, :] * cos, 1)
    tl.store(Y + 2 * (p * count + k), real, mask=k < count)
    tl.store(Y + 2 * (p * count + k) + 1, imaginary, mask=k < count)


@triton.jit
def adjoint_kernel(
    X,
    S,
    Amplitude,
    Transmitters,
    Receivers,
    Reference,
    Frequencies,
    Y,
    n,
    count,
    by_pulse,
    Scalars,
    sign,
    pulses,
    weighted: tl.constexpr,
    BLOCK_X: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """The conjugate transpose: into S, of each pulse where by_pulse is not 0, else summed."""
    x = tl.program_id(0) * BLOCK_X + tl.arange(0, BLOCK_X)
    ok = x < n
    first = tl.program_id(1).to(tl.int64)
    per_metre = tl.load(Scalars)
    half_slope = tl.load(Scalars + 1)
    real = tl.zeros((BLOCK_X,), tl.float32)
    imaginary = tl.zeros((BLOCK_X,), tl.float32)
    for number in range(0, pulses):
        p = first + number
        twice = 2 * tl.load(Reference + p) * per_metre
        delay = _delay(X, x, ok, Transmitters, Receivers, Reference, p, per_metre)
        extra = half_slope * delay * (delay + twice)
        a = tl.zeros((BLOCK_X,), tl.float32)
        b = tl.zeros((BLOCK_X,), tl.float32)
        for start in range(0, count, BLOCK_K):
            k = start + tl.arange(0, BLOCK_K)
            frequency = tl.load(Frequencies + k, mask=k < count, other=0.0)
            u = tl.load(Y + 2 * (p * count + k), mask=k < count, other=0.0)
            v = tl.load(Y + 2 * (p * count + k) + 1, mask=k < count, other=0.0)
            cos, sin = _phasor(frequency[:, None], delay[None, :], extra[None, :], sign)
            a += tl.sum(u[:, None] * cos + v[:, None] * sin, 0)
            b += tl.sum(v[:, None] * cos - u[:, None] * sin, 0)
        if weighted:
            weight = tl.load(Amplitude + p * n + x, mask=ok, other=0.0)
            a *= weight
            b *= weight
        real += a
        imaginary += b
    tl.store(S + first * by_pulse + 2 * x, real, mask=ok)
    tl.store(S + first * by_pulse + 2 * x + 1, imaginary, mask=ok)
