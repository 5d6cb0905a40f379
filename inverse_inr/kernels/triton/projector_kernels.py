"""Line integrals through a volume, plane by plane, and their exact transpose: the kernels.

One program takes a block of rays that step along one axis, and walks through all planes. Both
directions compute places and weights by the same function, so that one is the transpose of the
other to rounding.
"""

# pyright: reportGeneralTypeIssues=false, reportArgumentType=false, reportMissingImports=false
import triton
import triton.language as tl


@triton.jit
def _place(first, step, k, size):
    """The pixel left of where rays meet plane k, and the fraction of a pixel beyond it."""
    position = ((first + k * step + 1) * size - 1) * 0.5
    left = tl.floor(position)
    return left.to(tl.int32), position - left


@triton.jit
def integrate_kernel(
    V,
    First,
    Step,
    Sums,
    n,
    planes,
    width,
    height,
    by_plane,
    by_width,
    by_height,
    by_channel,
    BLOCK: tl.constexpr,
):
    """Sums[channel, ray] = Σ_planes of the volume, interpolated linearly where the ray meets it."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.program_id(1).to(tl.int64)
    ok = i < n
    u_first = tl.load(First + 2 * i, mask=ok, other=0.0)
    v_first = tl.load(First + 2 * i + 1, mask=ok, other=0.0)
    u_step = tl.load(Step + 2 * i, mask=ok, other=0.0)
    v_step = tl.load(Step + 2 * i + 1, mask=ok, other=0.0)
    total = tl.zeros((BLOCK,), tl.float32)
    for k in range(planes):
        x, s = _place(u_first, u_step, k, width)
        y, t = _place(v_first, v_step, k, height)
        plane = V + channel * by_channel + k * by_plane
        for right in tl.static_range(2):
            for below in tl.static_range(2):
                a = x + right
                b = y + below
                inside = ok & (a >= 0) & (a < width) & (b >= 0) & (b < height)
                weight = (s if right else 1 - s) * (t if below else 1 - t)
                at = plane + a.to(tl.int64) * by_width + b.to(tl.int64) * by_height
                total += weight * tl.load(at, mask=inside, other=0.0)
    tl.store(Sums + channel * n + i, total, mask=ok)


@triton.jit
def spread_kernel(
    V,
    First,
    Step,
    Sums,
    n,
    planes,
    width,
    height,
    by_plane,
    by_width,
    by_height,
    by_channel,
    BLOCK: tl.constexpr,
):
    """Add Sums[channel, ray] to the volume along the rays: the transpose of `integrate_kernel`."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.program_id(1).to(tl.int64)
    ok = i < n
    u_first = tl.load(First + 2 * i, mask=ok, other=0.0)
    v_first = tl.load(First + 2 * i + 1, mask=ok, other=0.0)
    u_step = tl.load(Step + 2 * i, mask=ok, other=0.0)
    v_step = tl.load(Step + 2 * i + 1, mask=ok, other=0.0)
    value = tl.load(Sums + channel * n + i, mask=ok, other=0.0)
    for k in range(planes):
        x, s = _place(u_first, u_step, k, width)
        y, t = _place(v_first, v_step, k, height)
        plane = V + channel * by_channel + k * by_plane
        for right in tl.static_range(2):
            for below in tl.static_range(2):
                a = x + right
                b = y + below
                inside = ok & (a >= 0) & (a < width) & (b >= 0) & (b < height)
                weight = (s if right else 1 - s) * (t if below else 1 - t)
                at = plane + a.to(tl.int64) * by_width + b.to(tl.int64) * by_height
                tl.atomic_add(at, weight * value, mask=inside, sem="relaxed")
