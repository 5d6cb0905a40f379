"""Dephasing of spins while they are read: they turn with the local field, and their signal decays.

    y(k_i) = ∫ f(x) exp(-z(x) t_i) exp(-2πi k_i·x) dx        z = R2*(x) + 2πi Δf(x)

exp(-z t) is a sum of a few products of time and space, Σ_l b_l(t) exp(-z(x) t_l), with b by least
squares over the pixels (Sutton, Noll & Fessler, IEEE TMI 22, 2003): a handful of FFTs instead of
one per sample.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverse_inr import Grid
from inverse_inr.ranges import Count, checked

LARGEST_ERROR = 1e-4
"""Error of exp(-z t) that the default number of segments stays below."""

MOST_SEGMENTS = 64
"""Segments beyond which the fit is refused: the units of times and maps are likely wrong."""

MOST_PIXELS = 4096
"""Distinct pixels in the least-squares fit; more are thinned out to about as many."""

MOST_MOMENTS = 256
"""Distinct times looked at to choose the number of segments, thinned out in the same way."""


class Dephasing(nn.Module):
    """Off-resonance and relaxation on a grid, for samples read at known times.

    Args:
        grid: The grid of the maps, that of the image.
        times: (samples,) in s, or any shape that flattens to the rows.
        off_resonance: (*grid.shape) in Hz; default zero.
        relaxation: R2*, (*grid.shape) in 1/s; default zero. At least one of the two maps is needed.
        segments: Products in the sum; by default as many as hold the largest error below 1e-4.

    Raises:
        ValueError: For maps of another shape, NaN, negative relaxation, or neither map.
    """

    @checked
    def __init__(
        self,
        grid: Grid,
        times: Tensor,
        off_resonance: Tensor | None = None,
        relaxation: Tensor | None = None,
        *,
        segments: Count | None = None,
    ) -> None:
        super().__init__()
        rate = _decay_rate(grid, off_resonance, relaxation)
        if not torch.isfinite(times).all():
            raise ValueError("Dephasing: times hold NaN or Inf.")
        nodes, weights = _segments(times.detach().double().flatten(), rate, segments)
        spatial = torch.exp(-rate * nodes.reshape(-1, *(1,) * grid.ndim))
        real = times.dtype if times.is_floating_point() else torch.get_default_dtype()
        # pairs of real numbers: (samples, segments, 2) and (segments, *shape, 2)
        self.weights = nn.Buffer(torch.view_as_real(weights).to(real), persistent=False)
        self.spatial = nn.Buffer(torch.view_as_real(spatial).to(real), persistent=False)

    @property
    def segments(self) -> int:
        """Number of products of time and space."""
        return self.weights.shape[1]

    def forward(self, images: Tensor, basis: Tensor | None) -> tuple[Tensor, Tensor]:
        """Split images into segments.

        Args:
            images: (L, *shape).
            basis: (samples, L), or None for one image.

        Returns:
            (L · segments, *shape) images, and their basis (samples, L · segments).
        """
        real = images.dtype.to_real()
        spatial = torch.view_as_complex(self.spatial.to(real))
        weights = torch.view_as_complex(self.weights.to(real))
        parts = (images[:, None] * spatial).flatten(0, 1)
        if basis is None:
            return parts, weights
        return parts, (basis[:, :, None] * weights[:, None]).flatten(1)


def _decay_rate(grid: Grid, off_resonance: Tensor | None, relaxation: Tensor | None) -> Tensor:
    """The complex rate z = R2* + 2πi Δf at the pixels, (*grid.shape) complex."""
    given = [v for v in (off_resonance, relaxation) if v is not None]
    if not given:
        raise ValueError("Dephasing: give off_resonance (Hz), relaxation (1/s), or both.")
    for v in given:
        if tuple(v.shape) != grid.shape or not torch.isfinite(v).all():
            raise ValueError(
                f"Dephasing: maps must be finite and {grid.shape}, got {tuple(v.shape)}."
            )
    real = torch.zeros(grid.shape, dtype=torch.float64)
    imaginary = torch.zeros(grid.shape, dtype=torch.float64)
    if relaxation is not None:
        if bool((relaxation < 0).any()):
            raise ValueError(
                "Dephasing: relaxation rates must not be negative. T2* (s) instead of R2* (1/s)?"
            )
        real = relaxation.double()
    if off_resonance is not None:
        imaginary = 2 * torch.pi * off_resonance.double()
    return torch.complex(real, imaginary)


def _segments(times: Tensor, rate: Tensor, count: int | None) -> tuple[Tensor, Tensor]:
    """Nodes t_l (L,) and weights b_l(t_i) (samples, L), by least squares over distinct pixels."""
    pixels = torch.view_as_complex(torch.view_as_real(rate.flatten()).unique(dim=0))
    pixels = pixels[:: max(1, len(pixels) // MOST_PIXELS)]
    moments, where = times.unique(return_inverse=True)
    some = moments[:: max(1, len(moments) // MOST_MOMENTS)]
    exact = torch.exp(-pixels[:, None] * some)

    def enough(n: int) -> bool:
        made = _fitted(pixels, _nodes(moments, n), some)[1]
        return bool((made - exact).abs().max() < LARGEST_ERROR)

    if count is None:
        if not enough(MOST_SEGMENTS):
            raise ValueError(
                f"Dephasing: {MOST_SEGMENTS} segments are not enough. "
                "Times in s, maps in Hz and 1/s?"
            )
        count = next(n for n in range(1, MOST_SEGMENTS + 1) if enough(n))
    nodes = _nodes(moments, count)
    return nodes, _fitted(pixels, nodes, moments)[0].T[where]


def _nodes(moments: Tensor, count: int) -> Tensor:
    """Evenly spaced times from the first to the last moment, (count,)."""
    first = moments[0]
    last = moments[-1]
    if count == 1:
        return (0.5 * (first + last))[None]
    return first + (last - first) * torch.arange(count, dtype=moments.dtype) / (count - 1)


def _fitted(pixels: Tensor, nodes: Tensor, moments: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (L, n) of the nodes at some moments, and what they make there: (pixels, n)."""
    space = torch.exp(-pixels[:, None] * nodes)
    weights = torch.linalg.lstsq(space, torch.exp(-pixels[:, None] * moments)).solution
    return weights, space @ weights
