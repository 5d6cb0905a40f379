"""Travel times of sound along straight rays, the first model of ultrasound transmission tomography.

    t = ∫ s dl     from an emitter to a receiver, s = 1 / (speed of sound)

Sound is taken to run straight, as it nearly does where s varies by a few per cent (Greenleaf et
al. 1974); refraction and diffraction are left out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, OnGrid, Query, RowOperator, SparseMatrix, memory
from inverse_inr.devices import unravel
from inverse_inr.operators.rows import (
    beside_operator,
    matrix_on_grid,
    sampled_rows,
    without_lone_channel,
)
from inverse_inr.ranges import Count, Finite, Positive, checked

ROWS_AT_ONCE = 4096
"""Rays of which `TravelTimes.on` makes a part of its matrix at a time, which bounds its memory."""


class TravelTimes(RowOperator):
    """Integrals of slowness between transducers, of shape (emitters, receivers).

    The field is slowness (time per unit of the box, e.g. µs/mm), and the measurements are times in
    its unit (µs). A ray's part outside the box counts nothing. So where transducers stand in water
    around the box, let the field be slowness less that of the water, and the measurements the times
    less those in water alone.

    In training the points of a ray share one random phase, which is unbiased; in evaluation they
    are midpoints.

    Args:
        box: The box of the field; rays are clipped to it.
        emitters: (e, d) positions in the unit of the box. An `nn.Parameter` is learnt.
        receivers: (r, d) positions, likewise. Pass one `nn.Parameter` as both where the same
            transducers send and receive.
        samples: Equispaced points on the part of each ray that lies in the box.

    Raises:
        ValueError: The positions are not (count, d) for the d axes of the box, not finite, or none;
            or `samples` is below 1.
    """

    @checked
    def __init__(self, box: Box, emitters: Tensor, receivers: Tensor, samples: Count = 256) -> None:
        if samples < 1:
            raise ValueError(f"TravelTimes: samples must be at least 1, got {samples}.")
        emitters = _positions(emitters, box, "emitters")
        receivers = _positions(receivers, box, "receivers")
        super().__init__((len(emitters), len(receivers)))
        self.box = box
        self.samples = int(samples)
        self.emitters = emitters
        self.receivers = receivers

    def forward(self, rows: Tensor) -> Query:
        """Look along the rays of `rows` (b,); each is measured as one time."""
        emitter, receiver = unravel(rows.to(self.emitters.device), self.shape)
        start = self.emitters[emitter]
        path = self.receivers[receiver] - start  # (b, d)
        near, far = (u.clamp(0, 1) for u in self.box.chord(start, path))  # as shares of the path
        memory.require(
            f"TravelTimes: {self.samples} points on each of {len(rows)} rays",
            3 * path.element_size() * path.numel() * self.samples,
            "Fewer samples, or fewer rays at once.",
            path.device,
        )
        share = (far - near)[:, None] / self.samples
        phase = torch.rand_like(share) if self.training else 0.5
        number = torch.arange(self.samples, dtype=share.dtype, device=share.device)
        u = near[:, None] + (number + phase) * share  # (b, samples)
        points = start[:, None] + u[..., None] * path[:, None]
        step = share * torch.linalg.vector_norm(path, dim=-1, keepdim=True)  # (b, 1)

        def measure(values: Tensor) -> Tensor:
            return without_lone_channel(values.sum(-2) * step.to(values.dtype))

        return Query(points, measure)

    @beside_operator
    @checked
    def on(self, grid: Grid) -> OnGrid:
        """The same integrals of a sampled image, multilinear between pixels, as a sparse matrix.

        Positions are taken as they are now; they are not learnt through it. Each ray has at least
        two points a pixel.

        Args:
            grid: The grid of the image.
        """
        from scipy.sparse import vstack

        samples = max(self.samples, math.ceil(2 * grid.box.diagonal / min(grid.spacing)))
        emitters, receivers = self.emitters.detach(), self.receivers.detach()
        fine = TravelTimes(self.box, emitters, receivers, samples)
        parts = [sampled_rows(fine, grid, r) for r in torch.arange(len(self)).split(ROWS_AT_ONCE)]
        matrix = SparseMatrix.of(vstack(parts).tocsr(), self.emitters.dtype)
        return matrix_on_grid(matrix, grid, self.shape)


@checked
def transducer_ring(
    count: Count, radius: Positive, center: tuple[Finite, Finite] = (0.0, 0.0), start: Finite = 0.0
) -> Tensor:
    """Place transducers at equal angles on a circle.

    Args:
        count: How many there are.
        radius: The circle's radius, in the unit of the box.
        center: Its centre, in the box's coordinates.
        start: Angle of the first transducer in radians, from the first axis towards the second.

    Returns:
        (count, 2) positions, float64.
    """
    memory.require(f"transducer_ring: count={count}", 8 * 6 * count)
    angle = start + torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    return torch.tensor(center, dtype=torch.float64) + radius * torch.stack(
        [angle.cos(), angle.sin()], -1
    )


def _positions(value: Tensor, box: Box, name: str) -> Tensor:
    """The parameter itself, or a buffer in floating point."""
    if value.ndim != 2 or value.shape[-1] != box.ndim or not len(value):
        raise ValueError(
            f"TravelTimes: {name} must be (count, {box.ndim}) for this box, "
            f"got {tuple(value.shape)}."
        )
    if not torch.isfinite(value).all():
        raise ValueError(f"TravelTimes: {name} hold NaN or Inf.")
    if isinstance(value, nn.Parameter):
        return value
    if not value.is_floating_point():
        value = value.to(torch.get_default_dtype())
    return nn.Buffer(value.detach().clone())
