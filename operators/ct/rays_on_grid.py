"""`RaysOnGrid`: a ray transform of a sampled image, of which a part costs that part alone."""

from __future__ import annotations

from torch import Tensor

from inverse_inr import OnGrid, Query
from inverse_inr.operators.ct.joseph_planes import LEAST_RAYS_AT_ONCE, JosephPlanes

STEPS_AN_EPOCH = 10
"""Steps of a fit of a volume that together see all rays."""


class RaysOnGrid(OnGrid):
    """A ray transform of a sampled image, of which a part of the rows costs that part alone.

    Args:
        planes: The map of the image.
    """

    map: JosephPlanes

    def __init__(self, planes: JosephPlanes) -> None:
        super().__init__(planes, planes.grid, planes.shape)

    @property
    def batch(self) -> int | None:
        """Rows that suit a step: a tenth of a volume's rays, all rays of an image (`HasBatch`)."""
        if self.grid.ndim < 3:
            return None
        return max(LEAST_RAYS_AT_ONCE, len(self) // STEPS_AN_EPOCH)

    def forward(self, rows: Tensor) -> Query:
        """Answer with the whole grid, and with the integrals along the rays of `rows` (b,)."""
        if 2 * len(rows) > len(self):
            return super().forward(rows)
        return Query(self.grid, lambda values: self.map.of_rows(values.squeeze(-1), rows))
