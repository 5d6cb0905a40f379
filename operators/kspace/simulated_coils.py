"""Coil maps to simulate with: their k-space with a phantom is known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid
from inverse_inr.memory import require
from inverse_inr.ranges import Count, Positive, WholeNumber, checked


class FourierMaps(nn.Module):
    """Coils whose product with a phantom has k-space in closed form.

        s_c(x) = Σ_q a_cq exp(2πi q·x)        F[s_c f](k) = Σ_q a_cq F[f](k - q)

    This gives multi-coil data of an analytic phantom without any grid.

    Args:
        modes: (q, d) in cycles per unit of the box.
        coefficients: (coils, q) complex.
    """

    @checked
    def __init__(self, modes: Tensor, coefficients: Tensor) -> None:
        super().__init__()
        self.modes = nn.Buffer(modes.double())
        self.pairs = nn.Buffer(torch.view_as_real(coefficients.to(torch.complex128)))

    def forward(self, points: Tensor) -> Tensor:
        """Sensitivities at points: (*s, d) -> (*s, coils)."""
        angle = 2 * math.pi * (points @ self.modes.to(points.dtype).T)
        waves = torch.polar(torch.ones_like(angle), angle)
        return waves @ torch.view_as_complex(self.pairs.to(points.dtype)).T

    def fourier(self, transform: Callable[[Tensor], Tensor], frequency: Tensor) -> Tensor:
        """The k-space of all coils.

        Args:
            transform: Fourier transform of the field, (n, d) frequencies -> (n,).
            frequency: (n, d) in cycles per unit of the box.

        Returns:
            (n, coils) complex.
        """
        a = torch.view_as_complex(self.pairs.to(frequency.dtype))
        shifted = torch.stack(
            [transform(frequency - q) for q in self.modes.to(frequency.dtype)], -1
        )
        return shifted.to(a.dtype) @ a.T


@checked
def birdcage_maps(
    box: Box, coils: Count = 8, *, radius: Positive = 1.5, modes: WholeNumber = 2
) -> FourierMaps:
    """Maps of loops around a 2-D box, as a short Fourier series.

    A loop's field has the phase of the direction and falls with the distance. The series, with a
    period of twice the box, is fitted to the loops' field over the box, and then is the truth. The
    root sum of squares at the centre is one.

    Args:
        box: The box, 2-D.
        coils: Number of loops.
        radius: Distance of the loops from the centre, in half sides of the box.
        modes: The series has 2 `modes` + 1 terms per axis.

    Returns:
        The maps as a field.

    Raises:
        ValueError: For no coils or a box that is not 2-D.
    """
    if coils < 1 or box.ndim != 2:
        raise ValueError(
            f"birdcage_maps: coils={coils} must be at least 1, the box 2-D ({box.ndim}-D)."
        )
    require(
        f"birdcage_maps: coils={coils} with modes={modes}",
        # values of every loop and of every mode at 24 x 24 points, several at once
        64.0 * 24**2 * (coils + (2.0 * modes + 1) ** 2),
        "Fewer coils or modes.",
    )
    points = Grid(box, (24, 24)).points(torch.float64).reshape(-1, 2)
    centre = points.new_tensor(box.center)
    half = 0.5 * max(box.lengths)
    angle = 2 * math.pi * torch.arange(coils, dtype=torch.float64) / coils
    place = radius * torch.stack([angle.cos(), angle.sin()], -1)
    offset = (points[:, None] - centre) / half - place
    direction = torch.atan2(offset[..., 0], -offset[..., 1]) - angle
    loops = torch.polar(1 / offset.norm(dim=-1), direction)
    index = torch.cartesian_prod(*[torch.arange(-modes, modes + 1)] * 2).double()
    q = index / (2 * points.new_tensor(box.lengths))
    phase = 2 * math.pi * (points @ q.T)
    coefficients = torch.linalg.lstsq(torch.polar(torch.ones_like(phase), phase), loops).solution.T
    maps = FourierMaps(q, coefficients)
    return FourierMaps(q, coefficients / torch.linalg.vector_norm(maps(centre[None])))
