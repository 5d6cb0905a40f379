"""What a spin does while it is read: it turns with the local field, and decays.

    y(k_i) = ∫ f(x) exp(-z(x) t_i) exp(-2πi k_i·x) dx        z = R2*(x) + 2πi Δf(x)

exp(-z t) is a sum of a few products of time and space, Σ_l b_l(t) exp(-z(x) t_l), with b by least squares over the
pixels (Sutton, Noll & Fessler, IEEE TMI 22, 2003): a handful of FFTs instead of one a sample.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverse_inr import Grid


class Dephasing(nn.Module):
    """Off-resonance (Hz) and relaxation R2* (1/s) on a grid, for samples read at `times` (s).

    times          (samples,), or any shape that flattens to the rows
    off_resonance, relaxation   (*grid.shape); at least one
    segments       products in the sum; by default as many as hold the largest error below 1e-4
    Raises ValueError for maps of another shape, NaN, negative relaxation, neither map.
    """

    times: Tensor
    rate: Tensor

    def __init__(
        self,
        grid: Grid,
        times: Tensor,
        off_resonance: Tensor | None = None,
        relaxation: Tensor | None = None,
        *,
        segments: int | None = None,
    ) -> None:
        super().__init__()
        given = [v for v in (off_resonance, relaxation) if v is not None]
        if not given:
            raise ValueError("Dephasing: give off_resonance (Hz), relaxation (1/s), or both.")
        for v in given:
            if tuple(v.shape) != grid.shape or not torch.isfinite(v).all():
                raise ValueError(
                    f"Dephasing: maps must be finite and {grid.shape}, got {tuple(v.shape)}."
                )
        if relaxation is not None and bool((relaxation < 0).any()):
            raise ValueError(
                "Dephasing: relaxation rates must not be negative. T2* (s) instead of R2* (1/s)?"
            )
        if not torch.isfinite(times).all():
            raise ValueError("Dephasing: times hold NaN or Inf.")
        flat = times.detach().double().flatten()
        zero = torch.zeros(grid.shape, dtype=torch.float64)
        rate = torch.complex(
            zero if relaxation is None else relaxation.double(),
            zero if off_resonance is None else 2 * torch.pi * off_resonance.double(),
        )
        nodes, weights = _segments(flat, rate, segments)
        real = times.dtype if times.is_floating_point() else torch.get_default_dtype()
        self.weights = nn.Buffer(
            torch.view_as_real(weights).to(real), persistent=False
        )  # (samples, segments, 2)
        spatial = torch.exp(-rate * nodes.reshape(-1, *(1,) * grid.ndim))
        self.spatial = nn.Buffer(
            torch.view_as_real(spatial).to(real), persistent=False
        )  # (segments, *shape, 2)

    @property
    def segments(self) -> int:
        return self.weights.shape[1]

    def forward(self, images: Tensor, basis: Tensor | None) -> tuple[Tensor, Tensor]:
        """(L, *shape) images and their (samples, L) basis -> (L · segments, *shape) images and their basis."""
        real = images.dtype.to_real()
        spatial, weights = (torch.view_as_complex(v.to(real)) for v in (self.spatial, self.weights))
        parts = (images[:, None] * spatial).flatten(0, 1)
        if basis is None:
            return parts, weights
        return parts, (basis[:, :, None] * weights[:, None]).flatten(1)


def _segments(times: Tensor, rate: Tensor, count: int | None) -> tuple[Tensor, Tensor]:
    """Nodes t_l (L,) and weights b_l(t_i) (samples, L), by least squares over (at most 4096) distinct pixels."""
    pixels = torch.view_as_complex(torch.view_as_real(rate.flatten()).unique(dim=0))
    pixels = pixels[:: max(1, len(pixels) // 4096)]
    moments, where = times.unique(return_inverse=True)
    some = moments[:: max(1, len(moments) // 256)]
    exact = torch.exp(-pixels[:, None] * some)

    def enough(n: int) -> bool:
        return bool((_fitted(pixels, _nodes(moments, n), some)[1] - exact).abs().max() < 1e-4)

    if count is None:
        if not enough(64):
            raise ValueError(
                "Dephasing: 64 segments are not enough. Times in s, maps in Hz and 1/s?"
            )
        count = next(n for n in range(1, 65) if enough(n))
    nodes = _nodes(moments, count)
    return nodes, _fitted(pixels, nodes, moments)[0].T[where]


def _nodes(moments: Tensor, count: int) -> Tensor:
    first, last = moments[0], moments[-1]
    if count == 1:
        return (0.5 * (first + last))[None]
    return first + (last - first) * torch.arange(count, dtype=moments.dtype) / (count - 1)


def _fitted(pixels: Tensor, nodes: Tensor, moments: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (L, n) of the nodes at some moments, and what they make there: (pixels, n)."""
    space = torch.exp(-pixels[:, None] * nodes)
    weights = torch.linalg.lstsq(space, torch.exp(-pixels[:, None] * moments)).solution
    return weights, space @ weights
